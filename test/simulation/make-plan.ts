// A plan from a seed: the chances of everything that may be in a run. What is rare but matters is in `meetings.ts`.
import { makeAppPlan } from './app-plan.ts'
import type { DiskFault } from './medium.ts'
import { withRareLies } from './liars.ts'
import { arrangeMeetings } from './meetings.ts'
import type { Death, Fault, Plan, PlannedApp, UserAct } from './plan.ts'
import { Seeded } from './seeded.ts'
import { makeServerPlan } from './server-plan.ts'

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
    const server = withRareLies(makeServerPlan(random.fork(`server ${i}`)), random.fork(`lies of server ${i}`))
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
  const plan: Plan = {
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
  return arrangeMeetings(plan, random.fork('meetings'))
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
        'try all now': 0,
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
