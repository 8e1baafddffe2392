/** Which of several addresses is connected to, by sockets that do what the test says, under a clock of its own. */
import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import type { LookupFunction, Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { test, type TestContext } from 'node:test'
import { addressesOf, firstToAnswer } from '../../src/network/happy-eyeballs.ts'

class Attempt extends EventEmitter {
  readonly address: string
  destroyed = false
  constructor(address: string) {
    super()
    this.address = address
  }
  get socket(): Socket {
    return this as unknown as Socket
  }
  destroy(): void {
    this.destroyed = true
  }
  answers(): void {
    this.emit('connect')
  }
  fails(code: string): void {
    this.emit('error', Object.assign(new Error(code), { code }))
  }
}

interface Race {
  readonly attempts: readonly Attempt[]
  readonly begun: () => readonly string[]
  readonly result: Promise<Attempt>
  readonly passes: (ms: number) => void
}

function race(t: TestContext, addresses: readonly string[], stop: AbortSignal = new AbortController().signal): Race {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const attempts: Attempt[] = []
  const begin = (address: string): Attempt => {
    const attempt = new Attempt(address)
    // As `dial` does, for life.
    attempt.on('error', () => {})
    attempts.push(attempt)
    return attempt
  }
  const result = firstToAnswer(addresses, begin, stop)
  result.catch(() => {})
  return {
    attempts,
    begun: () => attempts.map(({ address }) => address),
    result,
    passes: (ms) => t.mock.timers.tick(ms),
  }
}

test('the next address is tried after a quarter of a second, and the first keeps its chance', async (t) => {
  const { attempts, begun, result, passes } = race(t, ['a', 'b'])
  passes(249)
  assert.deepEqual(begun(), ['a'])
  passes(1)
  assert.deepEqual(begun(), ['a', 'b'])
  attempts[1]!.fails('ECONNREFUSED')
  passes(10_000)
  attempts[0]!.answers()
  assert.equal((await result).address, 'a')
  assert.equal(attempts[0]!.destroyed, false)
})

test('an address that fails makes room for the next one at once', async (t) => {
  const { attempts, begun, result, passes } = race(t, ['a', 'b', 'c'])
  attempts[0]!.fails('ENETUNREACH')
  assert.deepEqual(begun(), ['a', 'b'])
  passes(249)
  assert.deepEqual(begun(), ['a', 'b'])
  attempts[1]!.answers()
  assert.equal((await result).address, 'b')
  passes(10_000)
  assert.deepEqual(begun(), ['a', 'b'])
})

test('those that were slower are destroyed, also one that answers in the same moment; an error of theirs begins nothing', async (t) => {
  const { attempts, begun, result, passes } = race(t, ['a', 'b', 'c', 'd'])
  passes(250)
  passes(250)
  attempts[1]!.answers()
  attempts[2]!.answers()
  assert.equal((await result).address, 'b')
  assert.deepEqual(
    attempts.map(({ destroyed }) => destroyed),
    [true, false, true],
  )
  attempts[0]!.fails('ECONNRESET')
  passes(10_000)
  assert.deepEqual(begun(), ['a', 'b', 'c'])
})

test('where all of them fail, all that they said is told; of one alone, its own error', async (t) => {
  const both = race(t, ['a', 'b'])
  both.passes(250)
  both.attempts[1]!.fails('ECONNREFUSED')
  both.attempts[0]!.fails('ETIMEDOUT')
  await assert.rejects(both.result, (error: AggregateError) => {
    assert.deepEqual(
      error.errors.map(({ code }: NodeJS.ErrnoException) => code),
      ['ECONNREFUSED', 'ETIMEDOUT'],
    )
    return true
  })
  t.mock.timers.reset()
  const alone = race(t, ['a'])
  alone.attempts[0]!.fails('ECONNREFUSED')
  await assert.rejects(alone.result, { code: 'ECONNREFUSED' })
})

test('a stop destroys all of them, and none is begun after it', async (t) => {
  const controller = new AbortController()
  const { attempts, result, passes } = race(t, ['a', 'b', 'c'], controller.signal)
  passes(250)
  const reason = new Error('given up')
  controller.abort(reason)
  await assert.rejects(result, reason)
  passes(10_000)
  assert.deepEqual(
    attempts.map(({ destroyed }) => destroyed),
    [true, true],
  )
  t.mock.timers.reset()
  await assert.rejects(race(t, ['a'], controller.signal).result, reason)
})

const never = new AbortController().signal
const finding =
  (...list: readonly string[]): LookupFunction =>
  (_host, _options, found) =>
    found(
      null,
      list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )

test('families take turns, beginning with what the system would take first', async () => {
  const mixed = await addressesOf('h', finding('::1', '::2', '::3', '10.0.0.1'), never)
  assert.deepEqual(mixed, ['::1', '10.0.0.1', '::2', '::3'])
  const other = await addressesOf('h', finding('10.0.0.1', '::1', '::2', '::3'), never)
  assert.deepEqual(other, ['10.0.0.1', '::1', '::2', '::3'])
})

test('a name without addresses is not found, and a look-up that does not end can be stopped', async () => {
  await assert.rejects(addressesOf('h', finding(), never), { code: 'ENOTFOUND' })
  const controller = new AbortController()
  const asked = addressesOf('h', () => {}, controller.signal)
  await setImmediate()
  controller.abort(new Error('given up'))
  await assert.rejects(asked, { message: 'given up' })
})
