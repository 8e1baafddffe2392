// What chance alone rarely brings together, and crashes in production do: a few plans are bent so that it meets. Each draws from
// a fork of its own, so that all other plans stay what they are.
import type { AppPlan } from './app-plan.ts'
import type { Fault, Plan } from './plan.ts'
import type { Seeded } from './seeded.ts'

export function arrangeMeetings(plan: Plan, random: Seeded): Plan {
  const meeting = random.weighted({ none: 84, haste: 4, rival: 4, deadlines: 4, skips: 4 })
  switch (meeting) {
    case 'none':
      return plan
    case 'haste':
      return withHaste(plan, random)
    case 'rival':
      return withRival(plan, random)
    case 'deadlines':
      return withDeadlines(plan, random)
    case 'skips':
      return withSkips(plan, random)
  }
}

/** Servers ask to be left alone, and users ask for haste just then. */
function withHaste(plan: Plan, random: Seeded): Plan {
  const acts = Array.from({ length: random.int(1, 4) }, (): Fault => ({
    kind: 'users act',
    act: 'try all now',
    call: 'commit of endAttempt',
    nth: random.scale(1, 8),
  }))
  return {
    ...plan,
    servers: plan.servers.map(({ url, server }) => ({
      url,
      server: {
        ...server,
        weather: [
          { kind: 'status', status: random.pick([503, 429, 500, 502]), retryAfterSeconds: random.scale(20, 300) },
          ...server.weather,
        ],
      },
    })),
    faults: [...plan.faults, ...acts],
  }
}

/** A second process of the same app takes over while callbacks run as long as a takeover waits for them, or longer. */
function withRival(plan: Plan, random: Seeded): Plan {
  const rivals = Array.from({ length: random.int(1, 4) }, (): Fault => ({
    kind: 'app starts twice',
    app: 0,
    call: 'commit of takeEvents',
    nth: random.scale(1, 40),
  }))
  return {
    ...plan,
    apps: plan.apps.map((app) => ({
      ...app,
      whenInUse: 'takes over',
      delegate: { ...app.delegate, takesMs: random.scale(5000, 20_000) },
    })),
    faults: [...plan.faults, ...rivals],
    slow: [...plan.slow, { call: 'journal.group', times: random.scale(20, 300) }],
  }
}

/** Short deadlines, and servers that fail for much longer than that. */
function withDeadlines(plan: Plan, random: Seeded): Plan {
  return {
    ...plan,
    apps: plan.apps.map((app) => ({
      ...app,
      ...withTasks(app, (task) => ({ ...task, deadline: random.scale(20_000, 90_000) })),
    })),
    servers: plan.servers.map(({ url, server }) => ({
      url,
      server: {
        ...server,
        weather: [
          random.pick([
            { kind: 'status', status: 503 },
            { kind: 'cut before head' },
            { kind: 'cut', after: 0.1 },
          ] as const),
        ],
        afterwards: 'weather again',
      },
    })),
    calmAtMs: Math.max(plan.calmAtMs, 300_000),
  }
}

/** Users change their mind while a task finds that there is nothing to do: it finishes without an intent. */
function withSkips(plan: Plan, random: Seeded): Plan {
  const taken = '/data/a/taken'
  const acts = Array.from({ length: random.int(2, 6) }, (): Fault => ({
    kind: 'users act',
    act: random.pick(['cancel all', 'hold all']),
    call: random.pick(['folder.look', 'commit of startAttempt', 'folder.free']),
    nth: random.scale(1, 20),
  }))
  return {
    ...plan,
    files: [...plan.files.filter(({ path }) => path !== taken), { path: taken, text: 'the file of somebody' }],
    apps: plan.apps.map((app) => ({
      ...app,
      ...withTasks(app, (task) => {
        // Its file is moved away by the app; nobody's file may be.
        if (task.moveTo !== undefined) return task
        return { ...task, to: random.chance(0.7) ? taken : '/data/a/', ifExists: 'skip' }
      }),
    })),
    faults: [...plan.faults, ...acts],
    slow: [...plan.slow, { call: random.pick(['journal.group', 'folder.look']), times: random.scale(3, 100) }],
  }
}

function withTasks(
  app: AppPlan,
  change: (task: AppPlan['tasks'][number]) => AppPlan['tasks'][number],
): Pick<AppPlan, 'tasks'> {
  return { tasks: app.tasks.map(change) }
}
