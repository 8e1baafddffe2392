import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Origins } from '../../src/transfer/origins.ts'

const day = 86_400_000
const here = 'https://a.test'

test('an origin of which nothing was learnt is not recalled', () => {
  assert.equal(new Origins().recall(here, 0), undefined)
})

test('the most connections that an origin served at once are remembered, fewer take nothing back', () => {
  const origins = new Origins()
  origins.remember(here, { kind: 'served', connections: 4 }, 0)
  origins.remember(here, { kind: 'served', connections: 2 }, 10)
  assert.deepEqual(origins.recall(here, 20), { connections: 4, untilMs: day })
})

test('an origin that refuses more connections is remembered with the number it takes', () => {
  const origins = new Origins()
  origins.remember(here, { kind: 'served', connections: 4 }, 0)
  origins.remember(here, { kind: 'refused', above: 2 }, 5)
  assert.deepEqual(origins.recall(here, 5), { connections: 2, refusedAbove: 2, untilMs: day })
})

test('more connections served than were once refused end the memory of the refusal', () => {
  const origins = new Origins()
  origins.remember(here, { kind: 'refused', above: 2 }, 0)
  origins.remember(here, { kind: 'served', connections: 2 }, 1)
  assert.equal(origins.recall(here, 1)?.refusedAbove, 2)
  origins.remember(here, { kind: 'served', connections: 3 }, 2)
  assert.deepEqual(origins.recall(here, 2), { connections: 3, untilMs: day + 2 })
})

test('a server that lied about a range stays a liar until its day is over', () => {
  const origins = new Origins()
  origins.remember(here, { kind: 'ranges', ranges: 'yes' }, 0)
  origins.remember(here, { kind: 'ranges', ranges: 'lies' }, 100)
  origins.remember(here, { kind: 'ranges', ranges: 'yes' }, 200)
  assert.equal(origins.recall(here, 100 + day - 1)?.ranges, 'lies')
  assert.equal(origins.recall(here, 100 + day), undefined)
  origins.remember(here, { kind: 'ranges', ranges: 'yes' }, 101 + day)
  assert.equal(origins.recall(here, 101 + day)?.ranges, 'yes')
})

test('each fact of an origin is forgotten a day after it was last seen', () => {
  const origins = new Origins()
  origins.remember(here, { kind: 'ranges', ranges: 'no' }, 0)
  origins.remember(here, { kind: 'served', connections: 1 }, 1000)
  assert.deepEqual(origins.recall(here, day - 1), { connections: 1, ranges: 'no', untilMs: day })
  assert.deepEqual(origins.recall(here, day), { connections: 1, untilMs: day + 1000 })
  origins.remember(here, { kind: 'served', connections: 1 }, day + 500)
  assert.deepEqual(origins.recall(here, day + 1000), { connections: 1, untilMs: 2 * day + 500 })
  assert.equal(origins.recall(here, 2 * day + 500), undefined)
  assert.equal(origins.size, 0)
})

test('of more than a thousand origins the one that was told of longest ago is forgotten', () => {
  const origins = new Origins()
  for (let i = 0; i < 1000; i++) origins.remember(`https://${i}.test`, { kind: 'served', connections: 1 }, i)
  origins.remember('https://0.test', { kind: 'served', connections: 1 }, 1000)
  origins.remember(here, { kind: 'served', connections: 1 }, 1001)
  assert.equal(origins.size, 1000)
  assert.equal(origins.recall('https://1.test', 1002), undefined)
  assert.notEqual(origins.recall('https://0.test', 1002), undefined)
  assert.notEqual(origins.recall(here, 1002), undefined)
})
