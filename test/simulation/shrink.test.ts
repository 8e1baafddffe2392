import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Seeded } from './seeded.ts'
import { countParts, shrink } from './shrink.ts'

interface Toy {
  readonly seed: number
  readonly faults: readonly { readonly kind: string; readonly atMs: number }[]
  readonly apps: readonly { readonly tasks: readonly { readonly bytes: number }[] }[]
  readonly span: readonly [number, number]
}

function toy(seed: number): Toy {
  const random = new Seeded(seed)
  return {
    seed,
    faults: Array.from({ length: 40 }, (_, i) => ({
      kind: i === 17 || i === 30 ? 'bad' : 'good',
      atMs: random.int(1, 9000),
    })),
    apps: Array.from({ length: 3 }, () => ({ tasks: Array.from({ length: 8 }, (_, i) => ({ bytes: 1000 + i })) })),
    span: [1, 2],
  }
}

/** Two bad faults and one large task. */
const fails = (plan: Toy): Promise<boolean> =>
  Promise.resolve(
    plan.faults.filter(({ kind }) => kind === 'bad').length === 2 &&
      plan.apps.some(({ tasks }) => tasks.some(({ bytes }) => bytes >= 1004)),
  )

test('a failing plan shrinks to the parts that make it fail', async () => {
  const small = await shrink(toy(1), fails)
  assert.deepEqual(
    small.faults.map(({ kind, atMs }) => [kind, atMs]),
    [
      ['bad', 0],
      ['bad', 0],
    ],
  )
  assert.equal(small.apps.length, 1)
  assert.equal(small.apps[0]!.tasks.length, 1)
  assert.equal(countParts(small), 4)
  assert.equal(small.seed, 1)
})

test('what a shrinker gives back still fails, also when it had to stop early', async () => {
  for (const mostRuns of [0, 1, 7, 30]) {
    let runs = 0
    const counted = (plan: Toy): Promise<boolean> => {
      runs++
      return fails(plan)
    }
    assert.ok(await fails(await shrink(toy(2), counted, { mostRuns })))
    assert.ok(runs <= mostRuns)
  }
})

test('a plan of which nothing can be left out stays as it is', async () => {
  const plan = toy(3)
  const text = JSON.stringify(plan)
  const same = await shrink(plan, (each) => Promise.resolve(JSON.stringify(each) === text))
  assert.equal(JSON.stringify(same), text)
})
