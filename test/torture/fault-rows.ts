/**
 * One system call fails, and all others work: EIO and ENOSPC in turn at each call that changes files or the journal. The daemon
 * goes on; its task ends right, or waits with a reason and a next look, and goes on once the fault is over.
 */
import { readFileSync } from 'node:fs'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { Breach, mustHold } from './breach.ts'
import { type Calls, countCalls } from './count-calls.ts'
import type { ThreadName } from './daemon-under-test.ts'
import { checkDestinations, checkRecovery } from './invariants.ts'
import type { Owner } from './owner.ts'
import { patchedSource, type Patch } from './patched-source.ts'
import { type Point, spread, tryPoints, type Tried } from './points.ts'
import type { Extent, Row } from './row.ts'
import type { Chapter, Phase, Story } from './story.ts'
import { fileCalls, nearCalls, Strace, whyNoStrace } from './strace.ts'

/** How often an app whose call was refused tries it again, and looks at a task that waits. */
const againMs = 20

/** As a user does it who sees what is said: refused calls are made again, and a task that waits for the disk is tried now. */
async function tellPatiently(story: Story, owner: Owner): Promise<void> {
  for (const chapter of story.chapters) {
    const told = story.tellChapter(owner, chapter, 'until it is taken')
    let over = false
    const settled = told.then(
      () => void (over = true),
      () => void (over = true),
    )
    while (!over) {
      await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, againMs))])
      if (!over) await helpOn(chapter, story, owner)
    }
    await told
  }
}

async function helpOn({ task }: Chapter, { facts }: Story, owner: Owner): Promise<void> {
  if (!facts.answered.has(task.id)) return
  try {
    const { phase, blockers, cause, nextWakeUpMs } = await owner.ask('task.explain', { id: task.id })
    if (!blockers.some(({ code }) => code === 'disk' || code === 'destination')) return
    mustHold(
      cause !== undefined && nextWakeUpMs !== undefined,
      `a task in ${phase} waits without a reason or a next look`,
    )
    await owner.ask('task.change', { targets: { ids: [task.id] }, change: { kind: 'tryNow' } })
  } catch (error) {
    // Asked in the same instant in which the journal failed; or the daemon is gone, which the story tells.
    if (!isLonghaulError(error)) throw error
  }
}

async function tellWithFault(point: Point, thread: ThreadName, error: string, source?: string): Promise<Tried> {
  const { call, n, lives, story, notes } = point
  const { daemon, owner } = await lives.life(source)
  const strace = await Strace.attach({
    threads: [daemon.thread(thread)],
    calls: [call!],
    inject: `error=${error}:when=${n}`,
    output: notes,
  })
  const wasInjected = (): boolean => readFileSync(notes, 'latin1').includes('(INJECTED)')
  let hit: Phase | undefined
  const look = setInterval(() => {
    if (hit === undefined && wasInjected()) hit = story.phase
  }, 5)
  try {
    await tellPatiently(story, owner)
  } catch (error) {
    if (error instanceof Breach) throw error
    // It may end because of the fault, if the next life makes it good.
    await lives.ended(error)
  } finally {
    clearInterval(look)
    await strace.detach()
  }
  return hit === undefined && !wasInjected() ? 'missed' : { hit: hit ?? 'end' }
}

interface Faults {
  readonly error: 'EIO' | 'ENOSPC'
  readonly at: Calls
  readonly most: Readonly<Record<Extent, number>>
}

function faultRow(name: string, proves: string, { error, at, most }: Faults): Row {
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
          const tried = await tellWithFault(point, at.thread, error)
          checkDestinations(point.story)
          await checkRecovery(point.lives, point.story)
          // What was told has to be there in another life, too.
          if (at.thread === 'journal') {
            await point.lives.kill()
            await checkRecovery(point.lives, point.story)
          }
          return tried
        },
      }),
  }
}

function faultControl(name: string, proves: string, at: Calls, patches: readonly Patch[]): Row {
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
        at: spread(await countCalls(bench, at), 4),
        untilCaught: true,
        try: async (point) => {
          const tried = await tellWithFault(point, at.thread, 'EIO', source)
          checkDestinations(point.story)
          await checkRecovery(point.lives, point.story, source)
          return tried
        },
      })
    },
  }
}

const files: Calls = { thread: 'pool', calls: fileCalls }
const writes: Calls = { thread: 'main', calls: nearCalls }
const journal: Calls = { thread: 'journal', calls: ['pwrite64', 'fsync', 'fdatasync', 'ftruncate'] }

export const faultRows: readonly Row[] = [
  faultRow('EIO files', 'a call on a file that fails costs no byte that is safe and makes none wrong', {
    error: 'EIO',
    at: files,
    most: { whole: 1000, quick: 6, few: 3 },
  }),
  faultRow('ENOSPC files', 'a disk that is full for a moment is waited for', {
    error: 'ENOSPC',
    at: files,
    most: { whole: 1000, quick: 6, few: 3 },
  }),
  faultRow('EIO writes', 'the same for what the main thread writes itself', {
    error: 'EIO',
    at: writes,
    most: { whole: 1000, quick: 4, few: 2 },
  }),
  faultRow('ENOSPC writes', 'and for a disk that is full for a moment', {
    error: 'ENOSPC',
    at: writes,
    most: { whole: 1000, quick: 4, few: 2 },
  }),
  faultRow('EIO journal', 'a commit that fails is none: it is refused, made again, and then it lasts', {
    error: 'EIO',
    at: journal,
    most: { whole: 40, quick: 4, few: 2 },
  }),
  faultRow('ENOSPC journal', 'the same for a journal whose disk is full for a moment', {
    error: 'ENOSPC',
    at: journal,
    most: { whole: 40, quick: 4, few: 2 },
  }),
  faultControl(
    'EIO: rename not looked at',
    'a daemon that does not look whether its rename worked is caught',
    { thread: 'main', calls: ['rename', 'renameat2'] },
    [
      {
        file: 'transfer/files/publish.ts',
        from: '  await folder.rename(part, name)\n',
        to: '  await folder.rename(part, name).catch(() => {})\n',
      },
    ],
  ),
  faultControl(
    'EIO: commit not looked at',
    'a daemon that answers although its commit failed is caught',
    { thread: 'journal', calls: ['fsync', 'fdatasync'] },
    [
      {
        file: 'journal/group.ts',
        from: "    database.exec('commit')\n",
        to: "    try {\n      database.exec('commit')\n    } catch {\n      if (database.isTransaction) database.exec('rollback')\n    }\n",
      },
    ],
  ),
]
