/**
 * The app of a scenario: a program like any user's, in a process of its own, that knows Longhaul by its public name only. It
 * does what its script says (one JSON argument), reports every callback, and runs what the test sends it over stdin. With
 * `dieIn` it is ended by SIGKILL inside that callback, after it has reported it.
 */
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import * as longhaul from 'longhaul'
import type { BackgroundSession, DurableEvent, LonghaulError, OpenOptions, SessionDelegate, Task } from 'longhaul'
import type { Report } from './reports.ts'

export interface AppScript {
  /** Where it reports; filled in by the stage. */
  readonly reports: string
  /** Without one nothing is opened by itself. */
  readonly identifier?: string | undefined
  /** @default 'owner' */
  readonly role?: 'owner' | 'controller'
  /** More options of `open`. */
  readonly options?: Partial<OpenOptions<unknown>>
  /** Registers this program as its launch command, with these changes of the script. */
  readonly launch?: Partial<AppScript>
  /** Calls `activate()`. @default true */
  readonly activates?: boolean
  /** Ended by SIGKILL inside this callback. */
  readonly dieIn?: string
  /** ... but not before the daemon has so many events left: what came before is acknowledged then. */
  readonly dieWithUnacknowledged?: number
  /** `moveTo` into this folder, under the file's own name. */
  readonly moveTo?: string
  /** Ends the daemon by SIGKILL inside this callback, the first time that it is called, and returns. */
  readonly killsDaemonIn?: string
  /** This callback does not return. */
  readonly hangIn?: string
  /** Ends by itself when nothing of Longhaul keeps it. @default false: it stays until told */
  readonly leaves?: boolean
}

/** What a function that the test sends can use; it runs here and sees nothing of the test but its arguments. */
export interface AppContext {
  readonly longhaul: typeof longhaul
  /** The session that the script opened. */
  readonly session: BackgroundSession
  /** Opens another one, with a delegate that reports. */
  readonly open: (
    options: Partial<OpenOptions<unknown>> & { readonly identifier: string },
  ) => Promise<BackgroundSession>
  readonly delegate: (identifier: string) => SessionDelegate<never>
  readonly say: (name: string, fields?: Record<string, unknown>) => void
  /** What one function leaves for another. */
  readonly kept: Map<string, unknown>
  /** Of a file; undefined when there is none. */
  readonly sha256: (path: string) => string | undefined
  readonly all: <T>(list: AsyncIterable<T>) => Promise<readonly T[]>
  /** Lets the process end by itself. */
  readonly leave: () => void
}

const script = JSON.parse(process.argv[2]!) as AppScript
// The ticket leaves the environment at the first read.
const launched = process.env['LONGHAUL_LAUNCH'] !== undefined
/** What Node compiled once need not be compiled again in each of the many processes of a test. */
const compiled: Readonly<Record<string, string>> =
  process.env['NODE_COMPILE_CACHE'] === undefined ? {} : { NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }
const kept = new Map<string, unknown>()
let opened: BackgroundSession | undefined
const stay = script.leaves === true || launched ? undefined : setInterval(() => {}, 0x7fff_ffff)

function report(what: Report['what'], told: Omit<Partial<Report>, 'pid' | 'launched' | 'what'> = {}): void {
  const { fields = {}, ...rest } = told
  appendFileSync(script.reports, `${JSON.stringify({ pid: process.pid, launched, what, ...rest, fields })}\n`)
}

process.on('exit', (code) => report('exit', { code }))
process.on('warning', (warning) => {
  const { code } = warning as { readonly code?: string }
  if (code?.startsWith('LONGHAUL') === true) report('warning', { code, fields: { message: warning.message } })
})
report('started')

async function killed(): Promise<never> {
  if (script.dieWithUnacknowledged !== undefined) {
    for (;;) {
      const all = await longhaul.sessions()
      const mine = all.find(({ identifier }) => identifier === script.identifier)
      if (mine !== undefined && mine.unacknowledged <= script.dieWithUnacknowledged) break
    }
  }
  process.kill(process.pid, 'SIGKILL')
  return new Promise(() => {})
}

type Event = Partial<DurableEvent> & Readonly<Record<string, unknown>>

async function told(name: string, session: string, task: Task<unknown> | undefined, event: Event): Promise<void> {
  const { sequence, redelivered, error, location, fileOffset, blocked, metrics } = event
  const { afterSequence, bytesWritten, totalBytesWritten, totalBytesExpectedToWrite, attempt, cause } = event
  report(sequence === undefined ? 'passing' : 'event', {
    name,
    session,
    ...(task !== undefined && { task: task.id, taskIdentifier: task.taskIdentifier }),
    ...(sequence !== undefined && { sequence, redelivered: redelivered! }),
    ...(afterSequence !== undefined && { afterSequence: afterSequence as number }),
    fields: {
      ...(location !== undefined && { location, sha256: sha256(location as string) }),
      fileOffset,
      blocked,
      metrics,
      bytesWritten,
      totalBytesWritten,
      totalBytesExpectedToWrite,
      attempt,
      ...(error !== undefined && { error: (error as LonghaulError).toJSON() }),
      ...(cause !== undefined && { cause: (cause as LonghaulError).toJSON() }),
    },
  })
  if (script.dieIn === name) await killed()
  if (script.killsDaemonIn === name && redelivered !== true) {
    const lock = readFileSync(join(process.env['LONGHAUL_HOME']!, 'lock'), 'utf8')
    process.kill((JSON.parse(lock) as { readonly pid: number }).pid, 'SIGKILL')
  }
  if (script.hangIn === name) await new Promise(() => {})
  if (name === 'didFinishDownloading' && script.moveTo !== undefined) {
    const { moveTo } = event as { readonly moveTo: (path: string) => Promise<string> }
    report('said', {
      name: 'moved',
      fields: { path: await moveTo(join(script.moveTo, `${task!.taskIdentifier}.bin`)) },
    })
  }
}

function sha256(path: string): string | undefined {
  return existsSync(path) ? createHash('sha256').update(readFileSync(path)).digest('hex') : undefined
}

function delegate(session: string): SessionDelegate<never> {
  const ofTask =
    (name: string) =>
    (task: Task<never>, event: object): Promise<void> =>
      told(name, session, task, event as Event)
  const ofSession =
    (name: string) =>
    (event: object): Promise<void> =>
      told(name, session, undefined, event as Event)
  return {
    didResumeAtOffset: ofTask('didResumeAtOffset'),
    didFinishDownloading: ofTask('didFinishDownloading'),
    didFinishCollectingMetrics: ofTask('didFinishCollectingMetrics'),
    didComplete: ofTask('didComplete'),
    didFinishEvents: ofSession('didFinishEvents'),
    didBecomeInvalid: ofSession('didBecomeInvalid'),
    didWriteData: (task, event) => void ofTask('didWriteData')(task, event),
    didRetry: (task, event) => void ofTask('didRetry')(task, event),
    didLoseOwnership: (error) => report('lost', { session, code: error.code, fields: { error: error.toJSON() } }),
  }
}

async function open(
  options: Partial<OpenOptions<unknown>> & { readonly identifier: string },
): Promise<BackgroundSession> {
  return longhaul.BackgroundSession.open<never>({
    delegate: delegate(options.identifier),
    ...(options as OpenOptions<never>),
  })
}

async function openOwn(identifier: string): Promise<BackgroundSession> {
  const { launch } = script
  const session = await open({
    identifier,
    ...(launch !== undefined && {
      launch: {
        command: process.execPath,
        args: [
          ...process.execArgv,
          process.argv[1]!,
          JSON.stringify({ ...script, dieIn: undefined, dieWithUnacknowledged: undefined, ...launch }),
        ],
        env: compiled,
      },
    }),
    ...(script.role === 'controller' && { delegate: undefined }),
    ...script.options,
  })
  opened = session
  report('opened', { session: identifier })
  if (script.role !== 'controller' && script.activates !== false) await session.activate()
  return session
}

const isLaunched = longhaul.handleEventsForBackgroundSession(async (identifier, completionHandler) => {
  report('handleEvents', { session: identifier })
  const session = await openOwn(identifier)
  await session.eventsFinished()
  report('completionHandler', { session: identifier })
  completionHandler()
})

const context: AppContext = {
  longhaul,
  get session() {
    return opened!
  },
  open,
  delegate,
  say: (name, fields = {}) => report('said', { name, fields }),
  kept,
  sha256,
  all: async (list) => {
    const found = []
    for await (const each of list) found.push(each)
    return found
  },
  leave: () => {
    clearInterval(stay)
    process.stdin.destroy()
  },
}

if (!isLaunched) {
  const asked = createInterface({ input: process.stdin })
  asked.on('line', (line) => void answer(JSON.parse(line) as Asked))
  // The test has ended, by whatever: nobody is left to end this process.
  process.stdin.on('end', () => process.exit(0))
  ;(process.stdin as unknown as { unref?: () => void }).unref?.()
  if (script.identifier !== undefined) await openOwn(script.identifier)
  report('said', { name: 'ready' })
}

export interface Asked {
  readonly number: number
  /** Text of a function. */
  readonly run: string
  readonly given: readonly unknown[]
}

async function answer({ number, run, given }: Asked): Promise<void> {
  try {
    // oxlint-disable-next-line typescript/no-implied-eval, typescript/no-unsafe-call -- sent by the test that started us
    const sent = new Function(`return (${run})`)() as (context: AppContext, ...given: readonly unknown[]) => unknown
    const value = await sent(context, ...given)
    report('answer', { answer: number, fields: { value } })
  } catch (error) {
    const thrown = longhaul.isLonghaulError(error)
      ? error.toJSON()
      : { message: error instanceof Error ? (error.stack ?? error.message) : String(error) }
    report('answer', { answer: number, fields: { thrown } })
  }
}
