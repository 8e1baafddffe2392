/**
 * A life that is killed in the middle of publishing, and the next one that is killed while it recovers from that: at its n-th
 * sync, rename, unlink or write of a page from its first instruction on. A third one makes it good.
 */
import { Breach } from './breach.ts'
import { checkDestinations, checkRecovery } from './invariants.ts'
import { tellUntilKilled } from './kill-rows.ts'
import { type Place, spread, tryPoints } from './points.ts'
import type { Row } from './row.ts'
import { whyNoStrace } from './strace.ts'

/** Of a start that recovers: more of them are not reached. */
const reached: Readonly<Record<string, number>> = { fsync: 16, rename: 3, unlink: 3, pwrite64: 60 }

const places: readonly Place[] = Object.entries(reached).flatMap(([call, most]) =>
  Array.from({ length: most }, (_, before) => ({ call, n: before + 1 })).filter(
    ({ n }) => call !== 'pwrite64' || n % 5 === 1,
  ),
)

export const recoveryRows: readonly Row[] = [
  {
    name: 'kill recovery',
    kind: 'row',
    proves: 'a recovery may be ended anywhere, too, and begun again',
    impossible: whyNoStrace,
    run: (bench) =>
      tryPoints(bench, {
        name: 'kill recovery',
        at: spread(places, { whole: places.length, quick: 4, few: 2 }[bench.extent]),
        try: async (point) => {
          const { call, n, lives, story, notes } = point
          // By turns before the rename and before the link: the intent is recorded, and no name has changed.
          await tellUntilKilled({ ...point, call: n % 2 === 0 ? 'rename' : 'link', n: 1 }, 'pool')
          checkDestinations(story)
          const inject = `inject=${call}:signal=KILL:when=${n}`
          const wrapper = ['strace', '-f', '-o', `${notes}-recovery`, '-e', `trace=${call}`, '-e', inject]
          const owner = await lives.lifeUnder(wrapper)
          const { phase } = story
          let missed = false
          try {
            if (owner !== undefined) {
              await story.tell(owner)
              missed = true
            }
          } catch (error) {
            if (error instanceof Breach) throw error
          }
          await lives.kill()
          checkDestinations(story)
          await checkRecovery(lives, story)
          return missed ? 'missed' : { hit: phase }
        },
      }),
  },
]
