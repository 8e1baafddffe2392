/** One run of the command line in the real world: its streams, signals and clock, and the connection it may need. */
import type { Link } from '../client/link.ts'
import { linkTo } from '../client/this-app.ts'
import { isLonghaulError } from '../contract/errors.ts'
import { readLock } from '../platform/lock-file.ts'
import { homeFolder, homePaths, requireEntry } from '../platform/paths.ts'
import type { Context, Input } from './command.ts'
import { currentFolder } from './current-folder.ts'
import { exitCodeOfSignal } from './exit-codes.ts'
import { terminalOf } from './render/terminal.ts'
import { wordsIn } from './render/words-in.ts'
import { unreachableDaemon } from './unreachable-daemon.ts'

export interface Run {
  /** Aborted by the first signal, with its name; also by that of a reader that went away. */
  readonly left: AbortSignal
  /** The first output that could not be written for another reason than a reader that went away. */
  readonly lost: LostOutput | undefined
  contextFor(input: Input): Context
  /** Resolves when all output has left, or its reader has gone: only then it is known which. */
  written(): Promise<void>
  /** Lets go of signals and of the connection, so that the process can end by itself. */
  close(): void
}

/** A socket or a pipe that somebody closed; and what is written to it after that. */
const ofGoneReaders: ReadonlySet<string | undefined> = new Set(['EPIPE', 'ECONNRESET', 'EOF', 'ERR_STREAM_DESTROYED'])

export interface LostOutput {
  readonly stream: 'Standard output' | 'Standard error'
  readonly error: NodeJS.ErrnoException
}

export function openRun(): Run {
  const left = new AbortController()
  const leave = (name: string) => (): void => {
    // A terminal that closes is told by a write that fails, by the system and by the shell, in any order.
    if (name === 'SIGHUP' && left.signal.reason === name) return
    // Whoever asks a second time does not want to wait for our last words.
    if (left.signal.aborted) process.exit(exitCodeOfSignal(name))
    left.abort(name)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((name) => [name, leave(name)] as const)
  for (const [name, caught] of signals) process.on(name, caught)
  let lost: LostOutput | undefined
  for (const stream of [process.stdout, process.stderr]) {
    // What is written after the first error is lost, too.
    stream.on('error', () => {})
    stream.once('error', (error: NodeJS.ErrnoException) => {
      // Of a run that was left, only the last words are lost.
      if (left.signal.aborted) return
      const gone = signalOfGoneReader(stream, error)
      if (gone === undefined)
        lost ??= { stream: stream === process.stdout ? 'Standard output' : 'Standard error', error }
      // Nobody gets what is still to be said (`longhaul ls | head`): that ends this process, not the work. Where only the log of a
      // command cannot be kept, its answer and its exit code are waited for all the same.
      if (gone !== undefined || stream === process.stdout) left.abort(gone ?? 'SIGPIPE')
    })
  }
  const releases: (() => void)[] = []
  const connected = async (link: Link): Promise<Link> => {
    // Before the connection is there: one that nobody needs is closed at once, and its daemon forgotten.
    releases.push(link.retain())
    await link.ready(left.signal)
    return link
  }
  return {
    left: left.signal,
    get lost() {
      return lost
    },
    contextFor: (input) => contextFor(input, left.signal, connected),
    written: async () => {
      await Promise.all([process.stdout, process.stderr].map(flushed))
    },
    close: () => {
      for (const release of releases) release()
      for (const [name, caught] of signals) process.off(name, caught)
    },
  }
}

/** What a system sends to a process whose output nobody reads any more; undefined where it was lost for another reason. */
function signalOfGoneReader(stream: NodeJS.WriteStream, { code }: NodeJS.ErrnoException): string | undefined {
  if (code === 'EIO' && stream.isTTY) return 'SIGHUP'
  return ofGoneReaders.has(code) ? 'SIGPIPE' : undefined
}

function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    // The callback comes after those of all that was written before, and with an error too.
    if (stream.destroyed) resolve()
    else stream.write('', () => resolve())
  })
}

function contextFor(input: Input, left: AbortSignal, connected: (link: Link) => Promise<Link>): Context {
  const { env } = process
  const plain = input.has('plain')
  const given = input.value('color')
  const color = given === 'always' || given === 'never' ? given : 'auto'
  const terminal = terminalOf({ stream: process.stderr, env, plain, color })
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    terminal,
    output: terminalOf({ stream: process.stdout, env, plain, color }),
    json: input.has('json'),
    quiet: input.has('quiet'),
    verbose: input.has('verbose'),
    words: wordsIn(terminal.language),
    wallMs: () => Date.now(),
    get cwd() {
      return currentFolder()
    },
    env,
    stdin: process.stdin,
    daemon: () => connected(linkTo(undefined)),
    runningDaemon: async () => {
      try {
        return await connected(linkTo({ start: 'never' }))
      } catch (error) {
        if (!isLonghaulError(error, 'DAEMON_UNAVAILABLE') || left.aborted) throw error
        // Only who holds the lock of the home runs; a lock file alone may be what a killed one left.
        const { isHeld } = await import('../platform/instance-lock.ts')
        const home = homeFolder()
        requireEntry(home)
        const held = isHeld(home)
        if (held === false) return undefined
        if (held === undefined) throw error
        throw unreachableDaemon(error, { pid: readLock(home)?.pid, home, secret: homePaths(home).secret })
      }
    },
    left,
  }
}
