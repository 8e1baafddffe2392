// The delegate of a simulated app: it tells the observer, and does to each event what the plan says.
import type { SessionDelegate } from '../../src/client/session-events.ts'
import type { DurableKind } from '../../src/contract/words.ts'
import type { AppMemory } from './app-memory.ts'
import type { AppPlan, Trouble } from './app-plan.ts'
import type { Life } from './life.ts'
import type { Seeded } from './seeded.ts'

/** An event as a delegate gets it. */
export interface AppEvent {
  readonly session: string
  readonly sequence: number
  readonly kind: DurableKind
  readonly redelivered: boolean
  readonly task: string | undefined
  /** Of `didFinishDownloading`. */
  readonly location: string | undefined
  /** Of `didComplete`: a code; undefined: it succeeded. */
  readonly error: string | undefined
}

export interface DelegateOptions {
  readonly session: string
  readonly plan: AppPlan
  readonly memory: AppMemory
  readonly life: Life
  readonly random: Seeded
  /** Nothing goes wrong. */
  readonly calm: boolean
  /** Just before anything is done about it. */
  readonly handed: (event: AppEvent) => void
  /** The callback has ended well, and this process was the owner until then. */
  readonly returned: (event: AppEvent) => void
  /** The callback has ended, one way or the other. */
  readonly over: (event: AppEvent) => void
  readonly lost: (error: Error) => void
  readonly closeSession: () => Promise<void>
  readonly die: () => void
  readonly failure: (where: string, error: unknown) => void
}

/** What the methods get, as far as it matters here. */
interface Given {
  readonly sequence: number
  readonly redelivered: boolean
  readonly signal: AbortSignal
  readonly location?: string
  readonly moveTo?: (path: string) => Promise<string>
  readonly error?: { readonly code: string }
}
interface GivenTask {
  readonly id: string
  readonly snapshot: { readonly metadata: number }
}

/** Never settles: the process has died, or hangs. */
export const forever = (): Promise<never> => new Promise(() => {})

export function simulatedDelegate(options: DelegateOptions): SessionDelegate<number> {
  const { plan } = options
  const ofTask =
    (kind: DurableKind) =>
    (task: GivenTask, event: Given): Promise<void> =>
      handle(options, kind, event, task)
  const ofSession =
    (kind: DurableKind) =>
    (event: Given): Promise<void> =>
      handle(options, kind, event, undefined)
  const all = {
    didWriteData: () => {},
    didRetry: () => {},
    didResumeAtOffset: ofTask('didResumeAtOffset'),
    didFinishDownloading: ofTask('didFinishDownloading'),
    didFinishCollectingMetrics: ofTask('didFinishCollectingMetrics'),
    didComplete: ofTask('didComplete'),
    didFinishEvents: ofSession('didFinishEvents'),
    didBecomeInvalid: ofSession('didBecomeInvalid'),
    didLoseOwnership: (error: Error) => options.lost(error),
  }
  return Object.fromEntries(
    Object.entries(all).filter(([name]) => !plan.delegate.without.includes(name as DurableKind)),
  )
}

async function handle(
  options: DelegateOptions,
  kind: DurableKind,
  given: Given,
  task: GivenTask | undefined,
): Promise<void> {
  const event: AppEvent = {
    session: options.session,
    sequence: given.sequence,
    kind,
    redelivered: given.redelivered,
    task: task?.id,
    location: given.location,
    error: given.error?.code,
  }
  options.handed(event)
  try {
    await work(options, event, given, task)
  } finally {
    options.over(event)
  }
}

async function work(
  options: DelegateOptions,
  event: AppEvent,
  given: Given,
  task: GivenTask | undefined,
): Promise<void> {
  const { plan, life, random } = options
  const trouble = options.calm ? undefined : troubleOf(options, event)
  const dieIf = (what: Trouble['what']['is']): Promise<void> | undefined => {
    if (trouble?.is !== what) return undefined
    options.die()
    return forever()
  }
  await dieIf('dies before')
  const takesMs =
    trouble?.is === 'takes' ? trouble.ms : random.chance(0.5) ? 0 : random.fraction() * plan.delegate.takesMs
  if (takesMs > 0) await life.clock.sleep(takesMs)
  if (trouble?.is === 'hangs') await forever()
  if (trouble?.is === 'throws') throw thrown(`the callback ${event.kind} of event ${event.sequence} throws (simulated)`)
  if (trouble?.is === 'closes the session') await options.closeSession()
  const planned = task === undefined ? undefined : plan.tasks[task.snapshot.metadata]
  if (planned?.moveTo !== undefined && given.moveTo !== undefined) await move(options, given, planned.moveTo)
  await dieIf('dies after')
  if (!given.signal.aborted) options.returned(event)
}

async function move(options: DelegateOptions, given: Given, target: string): Promise<void> {
  try {
    await given.moveTo!(target)
  } catch (error) {
    const { code, message } = error as { readonly code?: string; readonly message: string }
    // Kept until 24 h after the acknowledgement, so only somebody else can have removed it.
    if (code !== 'CANNOT_MOVE_FILE') options.failure(`moveTo of event ${given.sequence}`, error)
    throw thrown(message)
  }
}

/** Counts the call, whatever comes of it. */
function troubleOf({ plan, memory, session }: DelegateOptions, event: AppEvent): Trouble['what'] | undefined {
  const { kind } = event
  const nth = (memory.calls.get(kind) ?? 0) + 1
  memory.calls.set(kind, nth)
  const throwing = `${session} ${event.sequence}`
  const found = plan.delegate.troubles.find((each) => each.kind === kind && each.nth === nth)?.what
  if (found?.is === 'throws') memory.throws.set(throwing, found.times)
  const left = memory.throws.get(throwing) ?? 0
  if (left === 0) return found
  memory.throws.set(throwing, left - 1)
  return { is: 'throws', times: left }
}

/** Its stack goes to the daemon too, so it must be the same in every run. */
function thrown(message: string): Error {
  const error = new Error(message)
  error.stack = `Error: ${message}`
  return error
}
