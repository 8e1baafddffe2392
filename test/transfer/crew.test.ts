import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Crew } from '../../src/transfer/download/crew.ts'

/** `count` looks at a steady rate of bytes per ms. */
function run(crew: Crew, bytesPerMs: number, from: number, count: number): number {
  let now = from
  for (let i = 0; i < count * 10; i++) {
    now += 10
    crew.took(bytesPerMs * 10, crew.wanted, now)
  }
  return now
}

test('a file begins with two connections and gets more while the rate holds, up to the most', () => {
  const crew = new Crew(4, undefined)
  assert.equal(crew.wanted, 2)
  const now = run(crew, 1000, 0, 2)
  assert.equal(crew.wanted, 4)
  run(crew, 2000, now, 20)
  assert.equal(crew.wanted, 4)
})

test('while fewer run than are wanted, it says so at each look', () => {
  const crew = new Crew(4, 4)
  assert.equal(crew.took(1000, 1, 0), false)
  assert.equal(crew.took(1000, 1, 100), true)
  assert.equal(crew.took(1000, 1, 150), false, 'no look')
  assert.equal(crew.took(1000, 4, 200), false)
})

test('one connection at the most means one', () => {
  const crew = new Crew(1, 6)
  run(crew, 1000, 0, 10)
  assert.equal(crew.wanted, 1)
})

test('what the server served before is where it begins', () => {
  assert.equal(new Crew(8, 6).wanted, 6)
  assert.equal(new Crew(4, 6).wanted, 4)
})

test('a server that refuses one more gets half, is not asked again for a minute, and then up to what it took', () => {
  const crew = new Crew(8, 8)
  crew.refused(5, 0)
  assert.equal(crew.wanted, 4)
  const now = run(crew, 1000, 0, 590)
  assert.equal(crew.wanted, 4)
  run(crew, 1000, now, 30)
  assert.equal(crew.wanted, 5)
})

test('a server that asked for a longer wait is not asked again before that', () => {
  const crew = new Crew(8, 8)
  crew.refused(5, 0, 3_600_000)
  const now = run(crew, 1000, 0, 35_990)
  assert.equal(crew.wanted, 4)
  run(crew, 1000, now, 30)
  assert.equal(crew.wanted, 5)
})

test('a shorter wait that a server asked for after a longer one takes nothing of it away', () => {
  const crew = new Crew(8, 8)
  crew.refused(6, 0, 3_600_000)
  crew.refused(5, 0, 1000)
  run(crew, 1000, 0, 1000)
  assert.equal(crew.wanted, 2)
})

for (const everyMs of [90, 100, 150, 400])
  test(`a steady rate is one from the first look on, where bytes come each ${everyMs} ms`, () => {
    const crew = new Crew(8, undefined)
    for (let looks = 0; looks < 20; looks++) crew.took(1_000_000, crew.wanted, looks * everyMs)
    assert.equal(crew.wanted, 8)
  })

test('connections that are in each other’s way become fewer', () => {
  const crew = new Crew(8, undefined)
  let now = run(crew, 1000, 0, 2)
  assert.equal(crew.wanted, 4)
  crew.added(now)
  now = run(crew, 300, now, 1)
  assert.equal(crew.wanted, 4, 'once may be a hiccup')
  run(crew, 300, now, 2)
  assert.equal(crew.wanted, 2)
})

test('a server that gives this file to one connection alone is never asked for another', () => {
  const crew = new Crew(8, undefined)
  crew.alone()
  run(crew, 1000, 0, 1000)
  assert.equal(crew.wanted, 1)
})

test('one that broke off leaves its work to those that run', () => {
  const crew = new Crew(4, 4)
  crew.failed(3, 0)
  assert.equal(crew.wanted, 3)
  crew.failed(0, 0)
  assert.equal(crew.wanted, 1)
})
