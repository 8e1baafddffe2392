// What happens in a run, as plain data made from a seed: who lives on the machine, what servers are like, and what goes wrong
// when. The run is a function of its plan, so a run that fails can be made shorter by leaving parts of the plan out.
import type { Limits } from '../../src/scheduler/view.ts'
import { type AppPlan, makeAppPlan } from './app-plan.ts'
import type { DiskFault } from './medium.ts'
import { Seeded } from './seeded.ts'
import { makeServerPlan, type ServerPlan } from './server-plan.ts'

/** When a life ends: at a moment of the timeline, or at the nth call of its kind, just before or after its effect. */
export type Death =
  | { readonly atMs: number }
  | { readonly call: string; readonly nth: number; readonly moment: 'before' | 'after' }

export type Fault =
  | ({ readonly kind: 'daemon dies' } & Death)
  | ({ readonly kind: 'power cut'; readonly darkMs: number } & Death)
  /** The users of all apps that run do it just when the daemon makes that call. */
  | { readonly kind: 'users act'; readonly act: UserAct; readonly call: string; readonly nth: number }
  | { readonly kind: 'daemon stops'; readonly atMs: number }
  | { readonly kind: 'wall jumps'; readonly atMs: number; readonly byMs: number }
  | { readonly kind: 'machine sleeps'; readonly atMs: number; readonly forMs: number }
  | { readonly kind: 'network changes'; readonly atMs: number }
  | { readonly kind: 'disk fills up'; readonly atMs: number; readonly forMs: number }
  /** The nth launch, the nth start of the daemon. */
  | { readonly kind: 'launch fails'; readonly nth: number }
  | { readonly kind: 'daemon does not start'; readonly nth: number }

type UserAct = 'cancel all' | 'hold all' | 'release all' | 'close' | 'take over'

export interface Plan {
  readonly seed: number
  readonly limits: Limits
  readonly servers: readonly { readonly url: string; readonly server: ServerPlan }[]
  readonly folders: readonly string[]
  /** There before anything begins, and nobody's but the user's. */
  readonly files: readonly { readonly path: string; readonly text: string }[]
  readonly apps: readonly PlannedApp[]
  readonly faults: readonly Fault[]
  readonly diskFaults: readonly DiskFault[]
  /** COMMITs that fail, counted over the run, with SQLite's result code: 13 no room, 10 input/output. */
  readonly journalFailures: readonly { readonly from: number; readonly times: number; readonly code: number }[]
  /** The nth connection breaks at its nth frame. */
  readonly breaks: readonly Break[]
  /** Calls of the daemon that take so many times as long: what rarely meets by chance then often does. */
  readonly slow: readonly { readonly call: string; readonly times: number }[]
  /** Faults stop here. */
  readonly calmAtMs: number
}

export interface Break {
  readonly connection: number
  readonly frame: number
  /** Whether that frame still arrives. */
  readonly delivered: boolean
}

export interface PlannedApp extends AppPlan {
  /** What it registers as its launch command; undefined: it is never launched. */
  readonly command?: string
  /** When a person starts it, unless it runs. */
  readonly startsAtMs: readonly number[]
}

/** Calls at which a life ends, and how many of them a run has, more or less; `any` counts all of them. */
const deadlyCalls: Readonly<Record<string, number>> = {
  'journal.commit': 150,
  'journal.group': 150,
  'file.sync': 20,
  'folder.sync': 15,
  'folder.rename': 6,
  'folder.link': 4,
  'folder.unlink': 8,
  'folder.open': 15,
  'file.write': 60,
  'transport.open': 20,
  'transport.chunk': 100,
  'launcher.start': 3,
  any: 600,
  // Commits by what is in them.
  'commit of addTasks': 4,
  'commit of startAttempt': 12,
  'commit of reserve': 8,
  'commit of checkpoint': 8,
  'commit of intent': 6,
  'commit of finish': 6,
  'commit of endAttempt': 10,
  'commit of acknowledge': 12,
  'commit of attach': 4,
  'commit of launchChanged': 4,
}

/** Calls just before something that a user's change of mind could cross. */
const actedAt = [
  'file.sync',
  'file.setMode',
  'folder.link',
  'folder.rename',
  'folder.unlink',
  'commit of reserve',
  'commit of intent',
  'commit of startAttempt',
  'commit of finish',
  'transport.open',
] as const

/** Calls that may be slow. */
const slowCalls = [
  'journal.send',
  'journal.group',
  'file.write',
  'file.sync',
  'folder.sync',
  'folder.look',
  'folder.link',
  'folder.rename',
  'folder.unlink',
] as const

export function makePlan(seed: number): Plan {
  const random = new Seeded(seed).fork('plan')
  const folders = ['/data/a', '/data/b']
  const calmAtMs = random.scale(20_000, 900_000)
  const servers = Array.from({ length: random.int(1, 5) }, (_, i) => {
    const server = makeServerPlan(random.fork(`server ${i}`))
    return { url: `https://${random.pick(['one', 'two'])}.test/file-${i}`, server }
  })
  const files = [
    ...(random.chance(0.4) ? [{ path: '/data/a/taken', text: 'the file of somebody' }] : []),
    ...(random.chance(0.4) ? [{ path: '/data/b/file-0', text: 'an older file-0' }] : []),
  ]
  const apps = Array.from({ length: random.int(1, 2) }, (_, i): PlannedApp => {
    const own = random.fork(`app ${i}`)
    const isLaunched = own.chance(0.7)
    return {
      ...makeAppPlan(own, { session: `test.app-${i}`, servers, folders, calmAtMs }),
      ...(isLaunched && { command: `/apps/${i}` }),
      startsAtMs: [own.int(0, 200), ...moments(own, own.int(0, 4), calmAtMs)],
    }
  })
  const faults = random.fork('faults')
  const slow = random.fork('slow')
  return {
    seed,
    limits: random.chance(0.3)
      ? { maximumActiveTasks: 2, maximumConnectionsPerOrigin: 1 }
      : { maximumActiveTasks: 32, maximumConnectionsPerOrigin: 8 },
    servers,
    folders,
    files,
    apps,
    calmAtMs,
    // A tenth of all runs has nothing but bad servers and bad apps, so that they too are seen alone.
    faults: faults.chance(0.1) ? [] : Array.from({ length: faults.scale(1, 12) }, () => makeFault(faults, calmAtMs)),
    diskFaults: faults.chance(0.7) ? [] : Array.from({ length: faults.int(1, 3) }, () => makeDiskFault(faults)),
    journalFailures: faults.chance(0.9)
      ? []
      : [{ from: faults.scale(1, 150), times: faults.scale(1, 30), code: faults.pick([13, 10]) }],
    slow: slow.chance(0.5)
      ? []
      : Array.from({ length: slow.int(1, 3) }, () => ({ call: slow.pick(slowCalls), times: slow.scale(5, 300) })),
    breaks: faults.chance(0.6)
      ? []
      : Array.from({ length: faults.int(1, 3) }, () => ({
          connection: faults.int(0, 5),
          frame: faults.scale(1, 60),
          delivered: faults.chance(0.5),
        })),
  }
}

function makeFault(random: Seeded, calmAtMs: number): Fault {
  const atMs = random.int(0, calmAtMs)
  switch (
    random.weighted({
      'daemon dies': 6,
      'power cut': 4,
      'users act': 4,
      'daemon stops': 1,
      'wall jumps': 1,
      'machine sleeps': 1,
      'network changes': 1,
      'disk fills up': 1,
      'launch fails': 1,
      'daemon does not start': 0.5,
    })
  ) {
    case 'daemon dies':
      return { kind: 'daemon dies', ...makeDeath(random, atMs) }
    case 'power cut':
      return { kind: 'power cut', darkMs: random.scale(100, 100_000), ...makeDeath(random, atMs) }
    case 'users act': {
      const call = random.pick(actedAt)
      const act = random.weighted<UserAct>({
        'cancel all': 4,
        'hold all': 2,
        'release all': 1,
        close: 1,
        'take over': 1,
      })
      return { kind: 'users act', act, call, nth: random.scale(1, deadlyCalls[call] ?? 10) }
    }
    case 'daemon stops':
      return { kind: 'daemon stops', atMs }
    case 'wall jumps':
      return { kind: 'wall jumps', atMs, byMs: random.pick([-86_400_000, -3_600_000, -1500, 1500, 3_600_000]) }
    case 'machine sleeps':
      return { kind: 'machine sleeps', atMs, forMs: random.scale(1000, 3_600_000) }
    case 'network changes':
      return { kind: 'network changes', atMs }
    case 'disk fills up':
      return { kind: 'disk fills up', atMs, forMs: random.scale(1000, 300_000) }
    case 'launch fails':
      return { kind: 'launch fails', nth: random.int(1, 4) }
    case 'daemon does not start':
      return { kind: 'daemon does not start', nth: random.int(1, 5) }
  }
}

function makeDeath(random: Seeded, atMs: number): Death {
  if (random.chance(0.3)) return { atMs }
  const call = random.chance(0.2) ? 'any' : random.pick(Object.keys(deadlyCalls))
  return { call, nth: random.scale(1, deadlyCalls[call]!), moment: random.pick(['before', 'after']) }
}

function makeDiskFault(random: Seeded): DiskFault {
  const call = random.pick([
    'file.write',
    'file.sync',
    'folder.sync',
    'folder.rename',
    'folder.link',
    'folder.open',
    'folder.look',
    'folder.unlink',
  ] as const)
  const fault = random.pick(
    call === 'file.sync'
      ? (['input/output', 'sync fails, then succeeds', 'no space'] as const)
      : call === 'file.write'
        ? (['input/output', 'no space'] as const)
        : call === 'folder.open'
          ? (['input/output', 'too many open files', 'no space', 'read only'] as const)
          : (['input/output'] as const),
  )
  return { call, nth: random.scale(1, deadlyCalls[call] ?? 30), fault }
}

function moments(random: Seeded, count: number, untilMs: number): readonly number[] {
  return Array.from({ length: count }, () => random.int(0, untilMs)).toSorted((a, b) => a - b)
}
