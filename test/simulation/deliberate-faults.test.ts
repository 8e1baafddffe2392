// Whether the simulator would find what it is for: with each deliberate fault some seed has to fail, and without it the same
// seeds pass. A fault that is not found is a hole in the plans or in the rules. See README.md.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Hand, runSeeds } from './crew.ts'
import { deliberateFaults } from './faults.ts'
import { rules } from './rules/all.ts'

const firstSeed = 1
const mostSeeds = 2000
/** Beyond that, it is said how long it took. */
const quick = 100

const ruleNames: ReadonlySet<string> = new Set([...rules.map((rule) => rule.name), 'no unexpected failure in an app'])

/** Seeds that found a fault. */
const needed = new Set<number>()

test('the rules that have to see a deliberate fault are there', () => {
  for (const { name, by } of deliberateFaults) assert.ok(by === undefined || ruleNames.has(by), `${name}: ${by}`)
})

describe('the simulator', { concurrency: 2 }, () => {
  for (const { name, says, by, from = firstSeed } of deliberateFaults)
    test(`catches the deliberate fault ${name}`, { timeout: 280_000 }, async (t) => {
      const hand = new Hand({ fault: name })
      t.after(() => hand.stop())
      for (let seed = from; seed < from + mostSeeds; seed++) {
        const { verdict } = await hand.run({ seed, trace: 'no trace' })
        if (verdict.ok || (by !== undefined && ruleNames.has(verdict.invariant) && verdict.invariant !== by)) continue
        // Not by breaking: a fault that no longer fits its surroundings would be caught at once, and prove nothing.
        assert.ok(ruleNames.has(verdict.invariant), `${name} breaks the run: ${verdict.invariant}: ${verdict.what}`)
        needed.add(seed)
        const found = `${name}: seed ${seed}, ${verdict.invariant}: ${verdict.what.split('\n')[0]!.slice(0, 200)}`
        process.stdout.write(`${found}\n`)
        if (seed >= from + quick) t.diagnostic(`${name} was caught as late as seed ${seed}, from ${from}`)
        return
      }
      assert.fail(`${says} No seed from ${from} to ${from + mostSeeds - 1} found it.`)
    })
})

test('without a deliberate fault the seeds that caught one pass', { timeout: 280_000 }, async () => {
  const failed: string[] = []
  await runSeeds({
    jobs: 2,
    seeds: needed,
    ran: (seed, verdict) => {
      if (!verdict.ok) failed.push(`seed ${seed}: ${verdict.invariant}: ${verdict.what}`)
      return 'go on'
    },
  })
  assert.deepEqual(failed, [])
})
