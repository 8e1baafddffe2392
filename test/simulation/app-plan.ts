// What one app does, as plain data: its tasks, how its delegate and its launches behave, what its user does when. Moments are
// ms of the timeline; what falls into a time in which the app does not run does not happen. To add something an app can do: a
// member here, its chance below, and what it does in app.ts or app-acts.ts.
import { digestAlgorithms, type DigestAlgorithm } from '../../src/contract/digests.ts'
import type { DurableKind } from '../../src/contract/words.ts'
import type { Seeded } from './seeded.ts'
import type { ServerPlan } from './server-plan.ts'

export interface AppPlan {
  readonly session: string
  readonly configuration: AppConfiguration
  readonly launchWhen?: { readonly atLeast?: number; readonly after?: number }
  readonly tasks: readonly TaskPlan[]
  readonly delegate: DelegatePlan
  /** Of the first launch, the second and so on; those after that go well. */
  readonly launched: readonly LaunchedPlan[]
  /** Of an app that finds another process owning its session. */
  readonly whenInUse: 'is a controller' | 'takes over' | 'waits'
  readonly ignoresTerm: boolean
  readonly acts: readonly Act[]
}

export interface AppConfiguration {
  readonly maximumActiveTasks?: number
  readonly maximumConnectionsPerHost?: number
  /** Ms. */
  readonly timeoutIntervalForRequest?: number
  readonly launchTimeLimit?: number
  readonly sendsLaunchEvents?: boolean
}

export interface TaskPlan {
  readonly atMs: number
  readonly url: string
  /** A file, or a folder with a `/` at its end; undefined: the spool. */
  readonly to?: string
  readonly ifExists?: 'replace' | 'keepBoth' | 'fail' | 'skip' | 'revalidate'
  /** Where the delegate moves it from the spool; undefined: it leaves it there. */
  readonly moveTo?: string
  /** With one it is added again by each start of the app; without, by one only. */
  readonly key?: string
  readonly start: boolean
  /** Added together with the others that are due and have this. */
  readonly batch?: boolean
  /** Those that it expects of the newest version, all of which have to hold; `true`: its sha-256. */
  readonly digest?: true | readonly DigestAlgorithm[]
  readonly priority?: number
  /** The number of an earlier task that has to succeed first. */
  readonly after?: number
  /** Ms from when it is added. */
  readonly begins?: number
  readonly deadline?: number
  readonly maximumAttempts?: number
  /** The app waits for its end by `finished()` too. */
  readonly awaited: boolean
}

export interface DelegatePlan {
  readonly concurrency: number
  /** Left out of the delegate. */
  readonly without: readonly DurableKind[]
  /** What a callback takes, at most. Ms. */
  readonly takesMs: number
  readonly troubles: readonly Trouble[]
}

/** Of the nth call for events of that kind, counted over all lives of the app. */
export interface Trouble {
  readonly kind: DurableKind
  readonly nth: number
  readonly what:
    | { readonly is: 'throws'; readonly times: number }
    | { readonly is: 'hangs' | 'dies before' | 'dies after' | 'closes the session' }
    | { readonly is: 'takes'; readonly ms: number }
}

export type LaunchedPlan =
  | 'well'
  | 'exits early'
  | 'never opens'
  | 'opens another'
  | 'never completes'
  | 'completes twice'
  | 'completes first'
  | 'works long'
  | 'stays'
  | 'has no handler'

export type TaskAct =
  | 'suspend'
  | 'resume'
  | 'cancel'
  | 'retry'
  | 'try now'
  | 'hold'
  | 'release'
  | 'refresh'
  | 'explain'
  | 'watch'
  | 'new headers'
  | 'new headers at once'
  | 'priority'

export type SessionAct =
  | 'hold all'
  | 'release all'
  | 'cancel all'
  | 'try all now'
  | 'counts'
  | 'list'
  | 'close'
  | 'open again'
  | 'take over'
  | 'finish and invalidate'
  | 'cancel and invalidate'
  | 'exit'
  | 'die'

export type Act = { readonly atMs: number } & (
  | { readonly task: number; readonly act: TaskAct }
  | { readonly act: SessionAct }
)

export interface AppPlanOptions {
  readonly session: string
  readonly servers: readonly { readonly url: string; readonly server: ServerPlan }[]
  /** Where its files go. */
  readonly folders: readonly string[]
  /** Everything it does begins before. */
  readonly calmAtMs: number
}

const kinds: readonly DurableKind[] = [
  'didResumeAtOffset',
  'didFinishDownloading',
  'didFinishCollectingMetrics',
  'didComplete',
  'didFinishEvents',
]

export function makeAppPlan(random: Seeded, options: AppPlanOptions): AppPlan {
  const { session, calmAtMs } = options
  const tasks = makeTasks(random.fork('tasks'), options)
  const delegate = random.fork('delegate')
  const launched = random.fork('launched')
  const acts = random.fork('acts')
  return {
    session,
    configuration: makeConfiguration(random.fork('configuration')),
    ...(launched.chance(0.2) && {
      launchWhen: { ...(launched.chance(0.7) && { atLeast: launched.int(1, 3) }), after: launched.scale(1000, 60_000) },
    }),
    tasks,
    delegate: {
      concurrency: delegate.chance(0.6) ? 1 : delegate.int(2, 5),
      without: delegate.chance(0.8) ? [] : ['didResumeAtOffset', 'didFinishCollectingMetrics'],
      takesMs: delegate.chance(0.5) ? 0 : delegate.scale(1, 3000),
      troubles: Array.from({ length: delegate.chance(0.4) ? 0 : delegate.int(1, 4) }, () => makeTrouble(delegate)),
    },
    launched: Array.from({ length: launched.chance(0.4) ? 0 : launched.int(1, 4) }, () => makeLaunched(launched)),
    whenInUse: launched.weighted({ 'is a controller': 2, 'takes over': 1, waits: 2 }),
    ignoresTerm: launched.chance(0.2),
    acts: Array.from({ length: acts.chance(0.2) ? 0 : acts.scale(1, 14) }, () => ({
      // What a person does happens early, while something is under way.
      atMs: acts.scale(200, calmAtMs),
      ...(acts.chance(0.7)
        ? { task: acts.int(0, tasks.length - 1), act: makeTaskAct(acts) }
        : { act: makeSessionAct(acts) }),
    })).toSorted((a, b) => a.atMs - b.atMs),
  }
}

function makeConfiguration(random: Seeded): AppConfiguration {
  return {
    ...(random.chance(0.2) && { maximumActiveTasks: random.int(1, 3) }),
    ...(random.chance(0.2) && { maximumConnectionsPerHost: 1 }),
    ...(random.chance(0.3) && { timeoutIntervalForRequest: random.scale(2000, 60_000) }),
    ...(random.chance(0.5) && { launchTimeLimit: random.scale(5000, 300_000) }),
    ...(random.chance(0.05) && { sendsLaunchEvents: false }),
  }
}

function makeTasks(random: Seeded, { session, servers, folders, calmAtMs }: AppPlanOptions): readonly TaskPlan[] {
  const digests = random.fork('digests')
  return Array.from({ length: random.scale(1, 8) }, (_, i): TaskPlan => {
    const { url, server } = random.pick(servers)
    const folder = random.pick(folders)
    const name = random.weighted({ own: 6, taken: 1, 'file-0': 1 })
    const place = random.weighted({ file: 6, folder: 2, spool: 3 })
    const to = place === 'file' ? `${folder}/${name === 'own' ? `${session}-${i}` : name}` : `${folder}/`
    const isKeyed = random.chance(0.75)
    return {
      atMs: random.chance(0.6) ? random.int(0, 300) : random.scale(300, calmAtMs),
      url,
      ...(place !== 'spool' && { to }),
      ...(place !== 'spool' &&
        random.chance(0.6) && {
          ifExists: random.pick(['replace', 'keepBoth', 'fail', 'skip', 'revalidate'] as const),
        }),
      ...(place === 'spool' && random.chance(0.8) && { moveTo: `/moved/${session}/${i}` }),
      ...(isKeyed && { key: `task ${i}` }),
      start: random.chance(0.9),
      ...(isKeyed && random.chance(0.2) && { batch: true }),
      ...((server.needsDigest === true || random.chance(0.1)) && { digest: makeDigest(digests) }),
      ...(random.chance(0.2) && { priority: random.pick([0, 0.2, 0.8, 1]) }),
      ...(i > 0 && random.chance(0.12) && { after: random.int(0, i - 1) }),
      ...(random.chance(0.08) && { begins: random.scale(500, 120_000) }),
      ...(random.chance(0.08) && { deadline: random.scale(2000, 600_000) }),
      ...(random.chance(0.08) && { maximumAttempts: random.int(1, 4) }),
      awaited: random.chance(0.3),
    }
  })
}

function makeDigest(random: Seeded): NonNullable<TaskPlan['digest']> {
  if (random.chance(0.5)) return true
  const first = random.int(0, digestAlgorithms.length - 1)
  return digestAlgorithms.slice(first, first + random.scale(1, digestAlgorithms.length))
}

function makeTrouble(random: Seeded): Trouble {
  const is = random.weighted({
    throws: 5,
    hangs: 1,
    'dies before': 2,
    'dies after': 3,
    takes: 3,
    'closes the session': 1,
  })
  return {
    kind: random.pick(kinds),
    nth: random.scale(1, 6),
    what:
      is === 'throws'
        ? { is, times: random.int(1, 6) }
        : is === 'takes'
          ? { is, ms: random.scale(1000, 60_000) }
          : { is },
  }
}

function makeLaunched(random: Seeded): LaunchedPlan {
  return random.weighted({
    well: 4,
    'exits early': 1,
    'never opens': 1,
    'opens another': 1,
    'never completes': 1,
    'completes twice': 1,
    'completes first': 1,
    'works long': 1,
    stays: 1,
    'has no handler': 1,
  })
}

function makeTaskAct(random: Seeded): TaskAct {
  return random.weighted({
    suspend: 4,
    resume: 5,
    cancel: 2,
    retry: 2,
    'try now': 2,
    hold: 1,
    release: 2,
    refresh: 1,
    explain: 1,
    watch: 1,
    'new headers': 1,
    'new headers at once': 2,
    priority: 1,
  })
}

function makeSessionAct(random: Seeded): SessionAct {
  return random.weighted({
    'hold all': 1,
    'release all': 2,
    'cancel all': 0.5,
    counts: 1,
    list: 1,
    close: 2,
    'open again': 2,
    'take over': 1,
    'finish and invalidate': 0.3,
    'cancel and invalidate': 0.2,
    exit: 3,
    die: 3,
  })
}
