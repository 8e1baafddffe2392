/**
 * SIGKILL at every system call: the calls of one thread are counted while the story is told undisturbed; then strace kills the
 * daemon just before each of them in turn, and a daemon that nothing hinders comes up.
 */
import { Breach } from './breach.ts'
import { type Calls, countCalls } from './count-calls.ts'
import type { ThreadName } from './daemon-under-test.ts'
import { checkDestinations, checkRecovery } from './invariants.ts'
import { patchedSource, type Patch } from './patched-source.ts'
import { type Point, spread, tryPoints, type Tried } from './points.ts'
import type { Extent, Row } from './row.ts'
import { fileCalls, nearCalls, Strace, whyNoStrace } from './strace.ts'

/** Tells the story to a life that ends at that point. Nothing is checked yet. */
export async function tellUntilKilled(point: Point, thread: ThreadName, source?: string): Promise<Tried> {
  const { call, n, lives, story, notes } = point
  const { daemon, owner } = await lives.life(source)
  const strace = await Strace.attach({
    threads: [daemon.thread(thread)],
    calls: [call!],
    inject: `signal=KILL:when=${n}`,
    output: notes,
  })
  try {
    await story.tell(owner)
    await strace.detach()
    // It may have been killed by what it did after its last answer.
    await owner.find(story.chapters[0]!.task.id)
    return 'missed'
  } catch (error) {
    if (error instanceof Breach) throw error
    await lives.ended(error)
    return { hit: story.phase }
  } finally {
    await strace.detach()
  }
}

function killRow(name: string, proves: string, at: Calls, most: Readonly<Record<Extent, number>>): Row {
  return {
    name,
    kind: 'row',
    proves,
    impossible: whyNoStrace,
    run: async (bench) =>
      tryPoints(bench, {
        name,
        at: spread(await countCalls(bench, at), most[bench.extent]),
        try: async (point) => {
          const tried = await tellUntilKilled(point, at.thread)
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

function killControl(name: string, proves: string, at: Calls, { patches, recoveredBy }: Broken): Row {
  return {
    name,
    kind: 'control',
    proves,
    patches,
    impossible: whyNoStrace,
    run: async (bench) => {
      const source = patchedSource(bench.folder, patches)
      return tryPoints(bench, {
        name,
        at: await countCalls(bench, at),
        untilCaught: true,
        try: async (point) => {
          const tried = await tellUntilKilled(point, at.thread, source)
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
    { whole: 1000, quick: 8, few: 3 },
  ),
  killRow(
    'kill writes',
    'bytes that the main thread writes itself count no sooner',
    { thread: 'main', calls: nearCalls },
    { whole: 1000, quick: 4, few: 2 },
  ),
  killRow(
    'kill commits',
    'a commit is there whole or not at all, and nobody was told before it was there',
    { thread: 'journal', calls: ['fsync', 'fdatasync', 'ftruncate', 'write'] },
    { whole: 1000, quick: 6, few: 2 },
  ),
  killRow(
    'kill pages',
    "a commit that is half written is none (forty of its writes, spread over the story: they are SQLite's own)",
    { thread: 'journal', calls: ['pwrite64'] },
    { whole: 40, quick: 4, few: 2 },
  ),
  killRow(
    'kill answers',
    'an answer or an event that was not sent is asked for or given again, and the one that was sent was true',
    { thread: 'main', calls: ['write', 'writev', 'sendto', 'sendmsg'] },
    { whole: 1000, quick: 6, few: 2 },
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
    { thread: 'main', calls: ['rename', 'renameat2'] },
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
    { thread: 'main', calls: ['pwrite64'] },
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
