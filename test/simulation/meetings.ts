// What chance alone rarely brings together, and crashes in production do: a few plans are bent so that it meets. Each draws from
// a fork of its own, so that all other plans stay what they are.
import type { AppPlan } from './app-plan.ts'
import type { Fault, Plan } from './plan.ts'
import type { Seeded } from './seeded.ts'
import { type Behaviour, makePlaces } from './server-plan.ts'

export function arrangeMeetings(plan: Plan, random: Seeded): Plan {
  const meeting = random.weighted({
    none: 70,
    places: 4,
    ranges: 5,
    large: 1,
    launches: 4,
    haste: 4,
    rival: 4,
    deadlines: 4,
    skips: 4,
  })
  switch (meeting) {
    case 'none':
      return plan
    case 'places':
      return withPlaces(plan, random)
    case 'ranges':
      return withLyingRanges(plan, random)
    case 'large':
      return withLargeFile(plan, random)
    case 'launches':
      return withLaunches(plan, random)
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

/** Files that come over several connections, each of which may be told something else, or nothing. */
function withLyingRanges(plan: Plan, random: Seeded): Plan {
  const lie = (needsDigest: boolean): Behaviour =>
    random.pick<Behaviour>([
      { kind: 'honest' },
      { kind: 'honest' },
      { kind: 'cut', after: random.fraction() },
      { kind: 'wrong range start' },
      { kind: 'wrong range total' },
      { kind: 'wrong range length' },
      { kind: 'shorter range' },
      { kind: 'range of another version' },
      { kind: needsDigest ? 'mislabelled range' : 'unlabelled range' },
      { kind: 'ignores range' },
      { kind: '416' },
      { kind: 'multipart' },
      { kind: 'status', status: random.pick([429, 503] as const) },
    ])
  return {
    ...plan,
    servers: plan.servers.map(({ url, server }) => {
      const size = random.int(40_000, 200_000)
      const weather = Array.from({ length: random.int(2, 12) }, () => lie(server.needsDigest === true))
      return {
        url,
        server: {
          ...server,
          size,
          // Some never settle: each range that is asked for finds the next one. Some grow or shrink meanwhile.
          versions: Array.from({ length: random.scale(1, 12) }, (_, i) => ({
            atMs: 20_000 * (i + 1),
            ...(random.chance(0.3) && { size: random.int(20_000, 250_000) }),
          })),
          nature: {
            ...server.nature,
            validators: random.pick(['strong etag', 'etag and last-modified', 'last-modified'] as const),
            ranges: true,
            length: 'content-length' as const,
            bytesPerSecond: Math.ceil(size / random.scale(1, 20)),
            ...(random.chance(0.4) && { mostConnections: random.int(1, 3) }),
          },
          weather: [{ kind: 'honest' } as const, ...weather],
        },
      }
    }),
    calmAtMs: Math.max(plan.calmAtMs, 120_000),
  }
}

/** Links that lead elsewhere while a file is on its way, to a file that nothing but its place tells from the first one. */
function withPlaces(plan: Plan, random: Seeded): Plan {
  return {
    ...plan,
    servers: plan.servers.map(({ url, server }) => {
      const size = random.scale(2000, 200_000)
      return {
        url,
        server: {
          ...server,
          size,
          ...makePlaces(random),
          nature: {
            ...server.nature,
            validators: random.pick(['strong etag', 'etag and last-modified', 'last-modified'] as const),
            ranges: true,
            length: 'content-length' as const,
            bytesPerSecond: Math.ceil(size / random.scale(1, 20)),
          },
          weather: Array.from({ length: random.int(1, 6) }, (): Behaviour =>
            random.chance(0.5) ? { kind: 'honest' } : { kind: 'cut', after: 0.1 + 0.9 * random.fraction() },
          ),
        },
      }
    }),
    calmAtMs: Math.max(plan.calmAtMs, 120_000),
  }
}

/** A file of more than one buffer, over one connection, so that one fills while the other is written. Few: they take long. */
function withLargeFile(plan: Plan, random: Seeded): Plan {
  const size = random.int(2_200_000, 4_000_000)
  return {
    ...plan,
    servers: plan.servers.map(({ url, server }, i) => ({
      url,
      server:
        i > 0
          ? server
          : {
              ...server,
              size,
              versions: server.versions.slice(0, 1),
              nature: {
                ...server.nature,
                ...(random.chance(0.5) ? { ranges: false } : { length: 'chunked' as const }),
                bytesPerSecond: random.scale(200_000, 10_000_000),
              },
            },
    })),
    slow: [...plan.slow, { call: 'file.write', times: random.scale(1, 300) }],
  }
}

/** Apps end while their tasks run, and are launched; two of them are often one program, which is launched for both. */
function withLaunches(plan: Plan, random: Seeded): Plan {
  const isShared = random.chance(0.7)
  return {
    ...plan,
    apps: plan.apps.map((app, i) => {
      const endsAtMs = random.scale(2000, 40_000)
      return {
        ...app,
        command: isShared ? '/apps/all' : `/apps/${i}`,
        configuration: { ...app.configuration, sendsLaunchEvents: true, launchTimeLimit: random.scale(5000, 60_000) },
        acts: [...app.acts, { act: random.pick(['exit', 'die'] as const), atMs: endsAtMs }].toSorted(
          (a, b) => a.atMs - b.atMs,
        ),
        startsAtMs: app.startsAtMs.slice(0, 1),
        // Events wait when it ends.
        delegate: { ...app.delegate, takesMs: random.scale(2000, 20_000) },
        launched: [
          random.pick(['well', 'exits early', 'never opens', 'opens another', 'never completes'] as const),
          ...app.launched,
        ],
      }
    }),
    servers: plan.servers.map(({ url, server }) => ({
      url,
      server: { ...server, nature: { ...server.nature, bytesPerSecond: Math.max(50, Math.ceil(server.size / 5)) } },
    })),
    calmAtMs: Math.max(plan.calmAtMs, 300_000),
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
