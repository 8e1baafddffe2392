// A real daemon in a process of its own, for one test: started, spoken to, ended, and never left behind.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { protocolVersions, type Notes, type Params, type Result, type Verb } from '../../src/contract/verbs.ts'
import { createClock, random } from '../../src/platform/clock.ts'
import { readLock } from '../../src/platform/lock-file.ts'
import { userSecret } from '../../src/platform/secret.ts'
import { greet } from '../../src/wire/handshake.ts'
import { connectLocal } from '../../src/wire/local-socket.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const entry = fileURLToPath(new URL('../../src/daemon/main.ts', import.meta.url))
/** Stripped sources of the daemon, so that not each of many starts does it again. */
const compileCache = fileURLToPath(new URL('../../node_modules/.cache/longhaul', import.meta.url))

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stderr: string
}

export interface RunningDaemon {
  readonly process: ChildProcess
  readonly pid: number
  readonly home: string
  readonly socket: string
  readonly ended: Promise<Ended>
  stop(signal?: NodeJS.Signals): Promise<Ended>
}

export interface StartOptions {
  readonly home: string
  readonly args?: readonly string[]
  /** It is sent SIGTERM as soon as this is so. */
  readonly signalWhen?: () => boolean
  readonly env?: Readonly<Record<string, string>>
}

/** Starts one and waits for its end or until it is ready. */
export async function tryStart(t: TestContext, options: StartOptions): Promise<RunningDaemon | Ended> {
  const { home, args = [], signalWhen, env = {} } = options
  const child = spawn(process.execPath, [entry, '--home', home, ...args], {
    env: { PATH: process.env['PATH'], HOME: home, NODE_COMPILE_CACHE: compileCache, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const stderr = text(child.stderr)
  const exit = once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>
  const ended = exit.then(async ([code, signal]) => ({ code, signal, stderr: await stderr }))
  t.after(async () => {
    child.kill('SIGKILL')
    await ended
  })
  if (signalWhen !== undefined) {
    while (!signalWhen()) await new Promise((resolve) => setImmediate(resolve))
    child.kill('SIGTERM')
  }
  const ready = once(child.stdout, 'data').then(() => undefined)
  const early = await Promise.race([ended, ready])
  if (early !== undefined) return early
  // It may have printed its line and ended at once; then there is no lock file any more.
  const lock = readLock(home)
  if (lock === undefined) return ended
  return {
    process: child,
    pid: child.pid!,
    home,
    socket: lock.socket,
    ended,
    stop(signal = 'SIGTERM') {
      child.kill(signal)
      return ended
    },
  }
}

export async function start(t: TestContext, options: Partial<StartOptions> = {}): Promise<RunningDaemon> {
  const home = options.home ?? (await temporaryFolder())
  const daemon = await tryStart(t, { ...options, home })
  if (!('pid' in daemon)) throw new Error(`the daemon ended with ${daemon.code}: ${daemon.stderr}`)
  return daemon
}

/** It stopped, and did not just die by that signal. */
export function assertStopped({ home }: { readonly home: string }, { signal, stderr }: Ended): void {
  assert.deepEqual({ signal, stderr }, { signal: 'SIGTERM', stderr: '' })
  assert.match(readFileSync(join(home, 'log', 'daemon.log'), 'utf8'), /the daemon has stopped/)
}

export interface Client {
  readonly ask: <V extends Verb>(verb: V, params: Params<V>) => Promise<Result<V>>
  /** The next note of this name. */
  next<N extends keyof Notes>(name: N): Promise<Notes[N]>
  readonly closed: Promise<Error>
  close(): void
}

/** A proved connection, closed with the test. */
export async function connect(t: TestContext, daemon: RunningDaemon): Promise<Client> {
  const waiting = new Map<string, ((params: unknown) => void)[]>()
  const arrived = new Map<string, unknown[]>()
  const take = (name: string) => (params: unknown) => {
    const first = waiting.get(name)?.shift()
    if (first === undefined) arrived.set(name, [...(arrived.get(name) ?? []), params])
    else first(params)
  }
  const { peer } = await greet(await connectLocal(daemon.socket), {
    secret: await userSecret(daemon.home),
    versions: protocolVersions,
    clock: createClock(),
    random,
    serve: () => ({
      notes: { event: take('event'), passing: take('passing'), progress: take('progress'), ended: take('ended') },
    }),
  })
  const close = (): void => peer.close(new Error('closed by the test'))
  t.after(close)
  return {
    ask: <V extends Verb>(verb: V, params: Params<V>) => peer.call(verb, params) as Promise<Result<V>>,
    next: <N extends keyof Notes>(name: N) =>
      new Promise<Notes[N]>((resolve) => {
        const had = arrived.get(name)?.shift()
        if (had !== undefined) resolve(had as Notes[N])
        else waiting.set(name, [...(waiting.get(name) ?? []), resolve as (params: unknown) => void])
      }),
    closed: peer.closed,
    close,
  }
}
