/**
 * SIGKILL at every system call: strace kills the daemon just before the n-th call of a kind in one of its threads, for n = 1,
 * 2, … until everything is over before the n-th; then a daemon that nothing hinders comes up.
 */
import { Breach } from './breach.ts'
import type { ThreadName } from './daemon-under-test.ts'
import { checkDestinations, checkRecovery } from './invariants.ts'
import { patchedSource, type Patch } from './patched-source.ts'
import { every, type Point, tryPoints, type Tried } from './points.ts'
import type { Extent, Row } from './row.ts'
import { fileCalls, Strace, whyNoStrace } from './strace.ts'

export interface KillAt {
  readonly thread: ThreadName
  readonly calls: readonly string[]
}

/** Tells the story to a life that ends at that point. Nothing is checked yet. */
export async function tellUntilKilled({ n, lives, story, notes }: Point, at: KillAt, source?: string): Promise<Tried> {
  const { daemon, owner } = await lives.life(source)
  await using _strace = await Strace.attach({
    threads: [daemon.thread(at.thread)],
    calls: at.calls,
    inject: `signal=KILL:when=${n}`,
    output: notes,
  })
  try {
    await story.tell(owner)
    return 'missed'
  } catch (error) {
    if (error instanceof Breach) throw error
    await lives.ended(error)
    return { hit: story.phase }
  }
}

function killRow(name: string, proves: string, at: KillAt, steps: Readonly<Record<Extent, number>>): Row {
  return {
    name,
    kind: 'row',
    proves,
    impossible: whyNoStrace,
    run: (bench) =>
      tryPoints(bench, {
        name,
        at: every(steps[bench.extent], bench.extent === 'few' ? 3 : undefined),
        try: async (point) => {
          const tried = await tellUntilKilled(point, at)
          checkDestinations(point.story)
          await checkRecovery(point.lives, point.story)
          return tried
        },
      }),
  }
}

interface Broken {
  readonly patches: readonly Patch[]
  /** Which program comes up after it. */
  readonly recoveredBy: 'the same' | 'ours'
}

function killControl(name: string, proves: string, at: KillAt, { patches, recoveredBy }: Broken): Row {
  return {
    name,
    kind: 'control',
    proves,
    impossible: whyNoStrace,
    run: (bench) => {
      const source = patchedSource(bench.folder, patches)
      return tryPoints(bench, {
        name,
        at: every(1, 12),
        untilCaught: true,
        try: async (point) => {
          const tried = await tellUntilKilled(point, at, source)
          checkDestinations(point.story)
          await checkRecovery(point.lives, point.story, recoveredBy === 'ours' ? undefined : source)
          // The next life has to be a broken one again.
          await point.lives.kill()
          return tried
        },
      })
    },
  }
}

export const killRows: readonly Row[] = [
  killRow(
    'kill files',
    'opening, writing, syncing, linking, renaming and unlinking may each be the last thing that is not done',
    { thread: 'pool', calls: fileCalls },
    { whole: 1, quick: 3, few: 9 },
  ),
  killRow(
    'kill commits',
    'a commit is there whole or not at all, and nobody was told before it was there',
    { thread: 'journal', calls: ['fsync', 'fdatasync', 'ftruncate', 'write'] },
    { whole: 1, quick: 6, few: 14 },
  ),
  killRow(
    'kill pages',
    "a commit that is half written is none (each fifth write of a page: SQLite's own)",
    { thread: 'journal', calls: ['pwrite64'] },
    { whole: 5, quick: 40, few: 60 },
  ),
  killRow(
    'kill answers',
    'an answer or an event that was not sent is asked for or given again, and the one that was sent was true',
    { thread: 'main', calls: ['write', 'writev', 'sendto', 'sendmsg'] },
    { whole: 1, quick: 10, few: 20 },
  ),
  killControl(
    'kill: early answer',
    'a daemon that answers before its commit is caught',
    { thread: 'journal', calls: ['pwrite64'] },
    {
      recoveredBy: 'ours',
      patches: [
        {
          file: 'journal/group.ts',
          from: "    database.exec('begin')\n",
          to: "    if (!database.isTransaction) database.exec('begin')\n",
        },
        {
          file: 'journal/group.ts',
          from: "    database.exec('commit')\n",
          to: "    setTimeout(() => database.isTransaction && database.exec('commit'), 100)\n",
        },
      ],
    },
  ),
  killControl(
    'kill: gap in publish',
    'a daemon that takes the old file away before it renames is caught',
    { thread: 'pool', calls: ['rename', 'renameat2'] },
    {
      recoveredBy: 'ours',
      patches: [
        {
          file: 'transfer/files/publish.ts',
          from: '  await folder.rename(part, name)\n',
          to: '  await folder.unlink(name)\n  await folder.rename(part, name)\n',
        },
      ],
    },
  ),
  killControl(
    'kill: no recovery',
    'a daemon that does not take up what the life before was at is caught: it stands still',
    { thread: 'pool', calls: ['pwrite64'] },
    {
      recoveredBy: 'the same',
      patches: [
        {
          file: 'journal/life.ts',
          from: 'select * from task where running is not null order by id',
          to: 'select * from task where running is not null limit 0',
        },
      ],
    },
  ),
]
