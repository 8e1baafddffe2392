// What was seen once stays what the journal would show, start by start.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Outlook, type Seen } from '../../src/scheduler/outlook.ts'
import type { LaneHead } from '../../src/scheduler/view.ts'

/** The queues themselves: of each lane its tasks, the next one first. */
interface Queue {
  readonly session: number
  readonly origin: string
  readonly tasks: string[]
}

function shown(queues: readonly Queue[], lastStart: readonly number[], most: number): Seen {
  return {
    sessions: lastStart.map((last, session) => ({
      session,
      maximumActiveTasks: 4,
      maximumConnectionsPerHost: 2,
      held: false,
      lastStart: last,
    })),
    lanes: queues.flatMap(({ session, origin, tasks }) =>
      tasks.slice(0, most).map((task) => ({ session, origin, task, priority: 0.5, ready: tasks.length })),
    ),
    wakeAtMs: 9000,
  }
}

test('an outlook shows what the journal would show, until it is spent', () => {
  const someQueues = fc.uniqueArray(
    fc.record({
      session: fc.nat(2),
      origin: fc.constantFrom('http://a', 'http://b'),
      length: fc.integer({ min: 1, max: 9 }),
    }),
    { selector: ({ session, origin }) => `${session} ${origin}`, minLength: 1, maxLength: 6 },
  )
  fc.assert(
    fc.property(
      someQueues,
      fc.integer({ min: 1, max: 6 }),
      fc.array(fc.nat(), { maxLength: 30 }),
      (some, most, picks) => {
        const queues = some.map(({ session, origin, length }, lane) => ({
          session,
          origin,
          tasks: Array.from({ length }, (_, n) => `${lane}-${n}`),
        }))
        const lastStart = [3, 1, 2]
        let starts = 3
        const outlook = new Outlook(shown(queues, lastStart, most))
        for (const pick of picks) {
          const filled = queues.filter(({ tasks }) => tasks.length > 0)
          const next = filled[pick % Math.max(1, filled.length)]
          if (next === undefined) break
          const { lanes } = outlook.seen(1)
          const head = lanes.find(({ session, origin }) => session === next.session && origin === next.origin)
          assert.equal(head === undefined, outlook.isSpent && !lanes.some(({ task }) => task === next.tasks[0]))
          if (head === undefined) break
          assert.equal(head.task, next.tasks.shift())
          lastStart[next.session] = ++starts
          outlook.started(head)
          const isSpent = queues.some(({ tasks }, lane) => {
            const gone = some[lane]!.length - tasks.length
            return tasks.length > 0 && gone >= most
          })
          assert.equal(outlook.isSpent, isSpent)
          if (!isSpent) assert.deepEqual(outlook.seen(1), shown(queues, lastStart, 1))
        }
      },
    ),
  )
})

test('an outlook knows the first thing that is due', () => {
  const queues: readonly Queue[] = [{ session: 0, origin: 'http://a', tasks: ['1', '2'] }]
  const outlook = new Outlook(shown(queues, [0], 2))
  outlook.due(12_000)
  assert.equal(outlook.seen(1).wakeAtMs, 9000)
  outlook.due(5000)
  assert.equal(outlook.seen(1).wakeAtMs, 5000)
})

test('a start that an outlook did not give changes nothing', () => {
  const seen = shown([{ session: 0, origin: 'http://a', tasks: ['1', '2'] }], [0], 2)
  const outlook = new Outlook(seen)
  const other: LaneHead = { session: 0, origin: 'http://a', task: '3', priority: 0.5, ready: 1 }
  outlook.started(other)
  outlook.started({ ...other, origin: 'http://b' })
  assert.deepEqual(outlook.seen(2), seen)
})
