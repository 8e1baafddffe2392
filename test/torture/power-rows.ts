/**
 * Power cuts: at a system call (strace kills the daemon there, and the disks are shut down at once), and at any moment (by
 * the clock, the daemon is stopped first). Then the disks are mounted
 * again with what was safe.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { Breach } from './breach.ts'
import { type Calls, countCalls } from './count-calls.ts'
import type { ThreadName } from './daemon-under-test.ts'
import { type Disks, makeDisks, whyNoPowerCut } from './disks.ts'
import { checkDestinations, checkRecovery } from './invariants.ts'
import { tellUntilKilled } from './kill-rows.ts'
import { patchedSource, type Patch } from './patched-source.ts'
import { type Place, type Point, spread, tryPoints, type Tried, upTo } from './points.ts'
import type { Bench, Extent, Outcome, Row } from './row.ts'
import { fileCalls, nearCalls, Strace, whyNoStrace } from './strace.ts'

async function impossible(bench: Bench): Promise<string | undefined> {
  return (await whyNoStrace()) ?? whyNoPowerCut(bench.folder)
}

/** Runs points whose lives lie on disks of their own. */
function onDisks(
  bench: Bench,
  points: { readonly name: string; readonly at: Iterable<Place>; readonly untilCaught?: boolean },
  attempt: (point: Point, disks: Disks) => Promise<Tried>,
): Promise<Outcome> {
  const made = new Map<string, Disks>()
  return tryPoints(bench, {
    ...points,
    ground: (folder) => {
      const disks = makeDisks(folder)
      made.set(disks.home, disks)
      return Promise.resolve(disks)
    },
    try: (point) => attempt(point, made.get(point.lives.home)!),
  })
}

async function cutAndRecover({ lives, story }: Point, disks: Disks): Promise<void> {
  disks.shutDown()
  await lives.kill()
  disks.mountAgain()
  checkDestinations(story)
  await checkRecovery(lives, story)
}

function cutRow(name: string, proves: string, at: Calls, most: Readonly<Record<Extent, number>>): Row {
  return {
    name,
    kind: 'row',
    proves,
    impossible,
    run: async (bench) =>
      onDisks(bench, { name, at: spread(await countCalls(bench, at), most[bench.extent]) }, async (point, disks) => {
        const tried = await tellUntilKilled(point, at.thread)
        await cutAndRecover(point, disks)
        return tried
      }),
  }
}

/** The story takes about this long. */
const momentsMs = 400
const anyMoment: Row = {
  name: 'power: any moment',
  kind: 'row',
  proves: 'what was said up to any moment is true when power is back',
  impossible,
  run: async (bench) => {
    const rounds = { whole: 30, quick: 4, few: 2 }[bench.extent]
    const outcome = await onDisks(bench, { name: 'power: any moment', at: upTo(rounds) }, async (point, disks) => {
      const { daemon, owner } = await point.lives.life()
      // Spread over the story by the golden ratio: the same moments in each run, as far as two processes can.
      const momentMs = Math.round(((point.n * 0.618_034) % 1) * momentsMs)
      const telling = point.story.tell(owner).then(
        () => undefined,
        (error: unknown) => error,
      )
      await pause(momentMs)
      // Stopped first: a sync that is under way while ext4 is shut down may return success without having been made (seen with
      // a bare loop of writes and syncs, 2 times in 25), and a power cut leaves nobody who could say so.
      process.kill(daemon.pid, 'SIGSTOP')
      disks.shutDown()
      const hit = point.story.phase
      const killed = point.lives.kill()
      const failed = await telling
      await killed
      if (failed instanceof Breach) throw failed
      await cutAndRecover(point, disks)
      return { hit }
    })
    return outcome
  },
}

interface Careless {
  /** Their syncs are said to have worked, and are not made. */
  readonly withoutSyncs?: readonly ThreadName[]
  readonly patches?: readonly Patch[]
}

/** A whole story with nothing but missing syncs, then a cut. */
function careless(name: string, proves: string, { withoutSyncs = [], patches }: Careless): Row {
  return {
    name,
    kind: 'control',
    proves,
    patches,
    impossible,
    run: (bench) => {
      const source = patches === undefined ? undefined : patchedSource(bench.folder, patches)
      return onDisks(bench, { name, at: upTo(3), untilCaught: true }, async (point, disks) => {
        const { lives, story } = point
        const { daemon, owner } = await lives.life(source)
        const threads = withoutSyncs.map((thread) => daemon.thread(thread))
        const strace =
          threads.length === 0
            ? undefined
            : await Strace.attach({ threads, calls: ['fsync', 'fdatasync'], inject: 'retval=0', output: point.notes })
        await story.tell(owner)
        await lives.kill()
        await strace?.detach()
        await cutAndRecover(point, disks)
        return { hit: 'end' }
      })
    },
  }
}

export const powerRows: readonly Row[] = [
  cutRow(
    'power: files',
    'what counts is what was synced: checkpoints, the finished file, its name',
    { thread: 'pool', calls: fileCalls },
    { whole: 1000, quick: 6, few: 2 },
  ),
  cutRow(
    'power: writes',
    'the same for what the main thread changes itself: bytes, modes, names',
    { thread: 'main', calls: nearCalls },
    { whole: 1000, quick: 4, few: 2 },
  ),
  cutRow(
    'power: commits',
    'what was answered was synced before',
    { thread: 'journal', calls: ['fsync', 'fdatasync', 'ftruncate', 'write'] },
    { whole: 1000, quick: 4, few: 2 },
  ),
  anyMoment,
  careless('power: no syncs', 'a daemon on a disk that never syncs is caught', { withoutSyncs: ['pool', 'journal'] }),
  careless('power: files not synced', 'a daemon that syncs its journal only is caught', { withoutSyncs: ['pool'] }),
  careless('power: journal not synced', 'a daemon that syncs its files only is caught', { withoutSyncs: ['journal'] }),
  careless('power: folders not synced', 'a daemon that does not sync the names of its files is caught', {
    patches: [
      {
        file: 'platform/held-folder.ts',
        from: "    if (process.platform === 'win32') return Promise.resolve()\n",
        to: "    if (process.platform !== 'win32') return Promise.resolve()\n",
      },
    ],
  }),
  careless('power: lazy SQLite', 'a journal whose commits are not synced (synchronous = normal) is caught', {
    patches: [{ file: 'journal/open.ts', from: 'pragma synchronous = full', to: 'pragma synchronous = normal' }],
  }),
]
