/** When a server counts as silent before it has given its head. Afterwards: see the scenarios. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { AttemptFailed } from '../../src/transfer/endings.ts'
import { ask } from '../../src/transfer/http/request.ts'
import { Measures } from '../../src/transfer/measures.ts'
import { NetworkFailure, type Transport } from '../../src/world/transport.ts'
import { ManualClock } from '../support/manual-clock.ts'

const policy = {
  stallMs: 1000,
  tls: {},
  cookies: 'none',
  proxy: 'none',
  keepHeadersAcrossOrigins: [],
  allowPrivateRedirects: false,
} as const

/** A question to a server that never comes to the end of its head; `heard` is called when it says something. */
function endlessHead(clock: ManualClock): { readonly heard: () => void; readonly failures: readonly unknown[] } {
  let heard: (() => void) | undefined
  const transport: Transport = {
    open: (request, signal) => {
      heard = request.heard
      const { promise, reject } = Promise.withResolvers<never>()
      signal.addEventListener('abort', () => reject(new NetworkFailure('aborted', 'head', 'given up')))
      return promise
    },
    close: async () => {},
  }
  const world = { transport, clock, measures: new Measures() }
  const failures: unknown[] = []
  const request = { url: 'https://start.test/', method: 'GET', headers: [] }
  ask(request, policy, world, new AbortController().signal).catch((error: unknown) => failures.push(error))
  return { heard: () => heard?.(), failures }
}

function stalled([failure]: readonly unknown[], words: RegExp): void {
  assert.ok(failure instanceof AttemptFailed)
  assert.equal(failure.error.code, 'STALLED')
  assert.match(failure.error.message, words)
}

test('whatever comes before the head puts the stall off, and silence after it does not', async () => {
  const clock = new ManualClock()
  const { heard, failures } = endlessHead(clock)
  await setImmediate()
  for (let i = 0; i < 5; i++) {
    clock.advance(900)
    heard()
  }
  await setImmediate()
  assert.equal(failures.length, 0)
  assert.equal(clock.waiting, 1)
  clock.advance(1000)
  await setImmediate()
  stalled(failures, /No byte came from https:\/\/start\.test\/ for 1 s/)
})

test('a head that drips has ten times the time of a silence to end', async () => {
  const clock = new ManualClock()
  const { heard, failures } = endlessHead(clock)
  await setImmediate()
  for (let at = 0; at < 9900; at += 900) {
    clock.advance(900)
    heard()
  }
  await setImmediate()
  assert.equal(failures.length, 0)
  clock.advance(100)
  await setImmediate()
  stalled(failures, /did not come to the end of its head in 10 s/)
  assert.equal(clock.waiting, 0)
})
