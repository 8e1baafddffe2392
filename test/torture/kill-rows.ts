/**
 * SIGKILL at every system call: strace kills the daemon just before the n-th call of a kind in one of its threads, for n = 1,
 * 2, … until everything is over before the n-th; then a daemon that nothing hinders comes up.
 */
import { join } from 'node:path'
import { Breach, within } from './breach.ts'
import { DaemonUnderTest, type ThreadName } from './daemon-under-test.ts'
import { checkDestinations, checkRecovery } from './invariants.ts'
import { Owner } from './owner.ts'
import { patchedSource, type Patch } from './patched-source.ts'
import { every, tryPoints, type Tried } from './points.ts'
import type { Bench, Outcome, Row } from './row.ts'
import { Story } from './story.ts'
import { fileCalls, Strace, whyNoStrace } from './strace.ts'

interface KillAt {
  readonly thread: ThreadName
  readonly calls: readonly string[]
  readonly n: number
  readonly source?: string | undefined
}

/** A life that ends at that point. Nothing of it is checked yet. */
export async function lifeUntilKilled(story: Story, folder: string, at: KillAt): Promise<Tried> {
  const { thread, calls, n, source } = at
  await using daemon = await DaemonUnderTest.start({ home: story.home, source })
  const owner = await Owner.attach(daemon, story.facts)
  await using _strace = await Strace.attach({
    threads: [daemon.thread(thread)],
    calls,
    inject: `signal=KILL:when=${n}`,
    output: join(folder, 'trace'),
  })
  try {
    await story.tell(owner)
    return 'missed'
  } catch (error) {
    if (error instanceof Breach) throw error
    await within(5000, 'the end of a daemon that does not answer any more', daemon.ended)
    return { hit: story.phase }
  } finally {
    owner.close()
  }
}

async function kill(bench: Bench, row: string, at: Omit<KillAt, 'n'>, numbers: Iterable<number>, untilCaught = false): Promise<Outcome> {
  const { source } = at
  return tryPoints(bench, {
    name: row,
    at: numbers,
    untilCaught,
    try: async (n, folder) => {
      const patienceMs = untilCaught ? 4000 : undefined
      const places = { home: join(folder, 'home'), folder: join(folder, 'files') }
      const story = new Story(bench.server, `${row}${n}`, places, patienceMs)
      story.prepare()
      const tried = await lifeUntilKilled(story, folder, { ...at, n })
      checkDestinations(story)
      await checkRecovery(story, source)
      return tried
    },
  })
}

const impossible = whyNoStrace

function killRow(name: string, proves: string, at: Omit<KillAt, 'n'>, steps: { readonly whole: number; readonly quick: number; readonly few: number }): Row {
  return {
    name,
    kind: 'row',
    proves,
    impossible,
    run: (bench) => kill(bench, name.replaceAll(/\W/g, ''), at, every(steps[bench.extent], bench.extent === 'few' ? 3 : undefined)),
  }
}

function killControl(name: string, proves: string, at: Omit<KillAt, 'n' | 'source'>, patches: readonly Patch[]): Row {
  return {
    name,
    kind: 'control',
    proves,
    impossible,
    run: (bench) => {
      const source = patchedSource(bench.folder, patches)
      return kill({ ...bench, lanes: 1 }, name.replaceAll(/\W/g, ''), { ...at, source }, every(1, 12), true)
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
    { thread: 'journal', calls: ['fsync', 'fdatasync'] },
    [
      { file: 'journal/group.ts', from: "    database.exec('begin')\n", to: "    if (!database.isTransaction) database.exec('begin')\n" },
      {
        file: 'journal/group.ts',
        from: "    database.exec('commit')\n",
        to: "    setTimeout(() => database.isTransaction && database.exec('commit'), 100)\n",
      },
    ],
  ),
  killControl(
    'kill: gap in publish',
    'a daemon that takes the old file away before it renames is caught',
    { thread: 'pool', calls: ['rename', 'renameat2'] },
    [
      {
        file: 'transfer/files/publish.ts',
        from: '  await folder.rename(part, name)\n',
        to: '  await folder.unlink(name)\n  await folder.rename(part, name)\n',
      },
    ],
  ),
  killControl(
    'kill: no recovery',
    'a daemon that does not take up what the life before was at is caught: it stands still',
    { thread: 'pool', calls: ['pwrite64'] },
    [{ file: 'journal/life.ts', from: 'where running is not null order by id', to: 'where running is not null limit 0' }],
  ),
]
