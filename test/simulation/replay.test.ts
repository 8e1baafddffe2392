import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Hand, runSeeds } from './crew.ts'
import { makePlan } from './make-plan.ts'

const seeds = [1, 2, 3, 4, 5, 6]

test('a seed gives one trace, again in its process and in another one', { timeout: 120_000 }, async (t) => {
  const [one, other] = [new Hand(), new Hand()] as const
  t.after(() => {
    one.stop()
    other.stop()
  })
  const hashes = async (hand: Hand, order: readonly number[]): Promise<ReadonlyMap<number, string>> => {
    const found = new Map<number, string>()
    for (const seed of order) found.set(seed, (await hand.run({ seed, trace: 'no trace' })).verdict.hash)
    return found
  }
  const [first, backwards] = await Promise.all([hashes(one, seeds), hashes(other, seeds.toReversed())])
  const again = await hashes(one, seeds.toReversed())
  for (const seed of seeds) {
    assert.equal(again.get(seed), first.get(seed), `seed ${seed}, again in its process`)
    assert.equal(backwards.get(seed), first.get(seed), `seed ${seed}, in another process`)
  }
  assert.equal(new Set(first.values()).size, seeds.length)
})

test('a plan that went through JSON gives the trace of its seed, and the trace is there to read', async (t) => {
  const hand = new Hand()
  t.after(() => hand.stop())
  const plan = JSON.parse(JSON.stringify(makePlan(seeds[0]!))) as ReturnType<typeof makePlan>
  const of = await hand.run({ seed: seeds[0]!, trace: 'no trace' })
  const ran = await hand.run({ plan, trace: 'with trace' })
  assert.equal(ran.verdict.hash, of.verdict.hash)
  assert.deepEqual(of.lines, [])
  assert.ok(ran.lines.length > 10)
})

test('a plan that cannot be run is a failing run, and the process goes on with the next', async (t) => {
  const hand = new Hand()
  t.after(() => hand.stop())
  const broken = { ...makePlan(1), servers: 7 as never }
  const { verdict } = await hand.run({ plan: broken, trace: 'no trace' })
  assert.equal(verdict.ok, false)
  assert.equal((await hand.run({ seed: 1, trace: 'no trace' })).verdict.hash.length, 16)
})

test('a run that does not end fails after the patience of its crew', async () => {
  const found: string[] = []
  await runSeeds({
    jobs: 1,
    seeds: [1],
    patienceMs: 1,
    ran: (seed, verdict) => {
      found.push(verdict.ok ? 'passed' : `${seed}: ${verdict.invariant}`)
      return 'go on'
    },
  })
  assert.deepEqual(found, ['1: a run ends'])
})
