/** When a server counts as silent before it has given its head. Afterwards: see the scenarios. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
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

test('whatever comes before the head puts the stall off, and silence after it does not', async () => {
  const clock = new ManualClock()
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
  const asked = ask(
    { url: 'https://start.test/', method: 'GET', headers: [] },
    policy,
    world,
    new AbortController().signal,
  ).catch((error: unknown) => failures.push(error))
  for (let i = 0; i < 5; i++) {
    clock.advance(900)
    heard?.()
  }
  await Promise.resolve()
  assert.equal(failures.length, 0)
  assert.equal(clock.waiting, 1)
  clock.advance(1000)
  await asked
  const [failure] = failures
  assert.ok(failure instanceof AttemptFailed)
  assert.equal(failure.error.code, 'STALLED')
})
