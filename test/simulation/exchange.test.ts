/** To give up, to be slow, to die: the simulated exchange does what the real one does. Each act runs against both. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createTransport } from '../../src/network/transport.ts'
import { type Transport } from '../../src/world/transport.ts'
import { open } from '../support/ask.ts'
import { FaultServer, stallAfter, stallBeforeHead } from '../../src/testing/index.ts'
import { OneServer, honest, size, url } from './one-server.ts'
import { type Behaviour } from './server-plan.ts'

/** A server whose first answer stalls: before its head, or after half of its body. */
interface Stage {
  readonly transport: Transport
  readonly url: string
  /** Resolves when the server has the request. */
  readonly asked: () => Promise<void>
  /** Lets time go on until it settles. */
  readonly settle: <T>(promise: Promise<T>) => Promise<T>
}

type Stall = 'head' | 'body' | 'nowhere'

function onBoth(name: string, stall: Stall, act: (stage: Stage) => Promise<void>): void {
  test(`${name} (simulated)`, async () => {
    const weather: Readonly<Record<Stall, readonly Behaviour[]>> = {
      head: [{ kind: 'hangs before head' }],
      body: [{ kind: 'stall', after: 0.5 }],
      nowhere: [],
    }
    const twin = new OneServer({ weather: weather[stall] })
    const { transport } = twin
    const asked = (): Promise<void> => twin.until(() => twin.internet.requests > 0)
    await act({ transport, url, asked, settle: (promise) => twin.settle(promise) })
  })
  test(`${name} (real)`, async () => {
    await using server = await FaultServer.start()
    const script = { head: [stallBeforeHead()], body: [stallAfter(size / 2)], nowhere: [] }[stall]
    const transport = createTransport()
    const asked = async (): Promise<void> => void (await server.received(1))
    await act({ transport, url: server.file('/a', { size, script }), asked, settle: (promise) => promise })
    await transport.close()
  })
}

const aborted = (phase: string): object => ({ name: 'NetworkFailure', reason: 'aborted', phase })

onBoth('a request given up before it is made is made nowhere', 'nowhere', async ({ transport, url, settle }) => {
  await assert.rejects(settle(open(transport, url, { signal: AbortSignal.abort() })), aborted('connect'))
})

onBoth('a request given up before the head fails so', 'head', async ({ transport, url, asked, settle }) => {
  const giveUp = new AbortController()
  const opening = open(transport, url, { signal: giveUp.signal })
  await asked()
  giveUp.abort(new Error('not told to anybody'))
  await assert.rejects(settle(opening), aborted('head'))
})

onBoth('a request given up in the body keeps what came', 'body', async ({ transport, url, settle }) => {
  const giveUp = new AbortController()
  const exchange = await settle(open(transport, url, { signal: giveUp.signal }))
  let bytes = 0
  const received = exchange.receive((chunk) => {
    bytes += chunk.length
    if (bytes === size / 2) giveUp.abort()
    return undefined
  })
  await assert.rejects(settle(received), aborted('body'))
  assert.equal(bytes, size / 2)
})

onBoth('an exchange that was closed is not received', 'body', async ({ transport, url, settle }) => {
  const exchange = await settle(open(transport, url))
  exchange.close()
  await assert.rejects(settle(exchange.receive(() => assert.fail('a byte came'))), aborted('body'))
})

onBoth('closing and giving up after the end are harmless', 'nowhere', async ({ transport, url, settle }) => {
  const giveUp = new AbortController()
  const exchange = await settle(open(transport, url, { signal: giveUp.signal }))
  const end = await settle(exchange.receive(() => undefined))
  assert.deepEqual(end, { proof: 'length', bytes: size, trailers: [] })
  exchange.close()
  giveUp.abort()
  await assert.rejects(settle(exchange.receive(() => undefined)), { code: 'INVALID_ARGUMENT' })
})

onBoth('what the sink fails with is what receive fails with', 'nowhere', async ({ transport, url, settle }) => {
  const full = new Error('the disk is full')
  const sinks = [
    () => Promise.reject(full),
    () => {
      throw full
    },
  ]
  for (const sink of sinks) {
    const exchange = await settle(open(transport, url))
    await assert.rejects(settle(exchange.receive(sink)), (error) => error === full)
  }
})

onBoth('receive settles only when the sink has, also when given up', 'body', async ({ transport, url, settle }) => {
  const exchange = await settle(open(transport, url))
  const writing = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  let written = false
  const received = exchange.receive(() => {
    begun.resolve()
    return writing.promise
  })
  const settledWith = received.catch(() => written)
  await settle(begun.promise)
  exchange.close()
  await new Promise((resolve) => setImmediate(resolve))
  written = true
  writing.resolve()
  assert.equal(await settle(settledWith), true)
  await assert.rejects(received, aborted('body'))
})

onBoth('closing the transport ends what runs and refuses what comes', 'body', async ({ transport, url, settle }) => {
  const exchange = await settle(open(transport, url))
  const failed = assert.rejects(settle(exchange.receive(() => undefined)), aborted('body'))
  await settle(transport.close())
  await failed
  await assert.rejects(settle(open(transport, url)), aborted('connect'))
})

onBoth('an address that is none is refused', 'nowhere', async ({ transport, settle }) => {
  await assert.rejects(settle(open(transport, 'ftp://files.test/a')), { code: 'UNSUPPORTED_URL' })
  await assert.rejects(settle(open(transport, 'nonsense')), { code: 'BAD_URL' })
})

test('a simulated name that nothing has is not found, and a simulated server without a file has none', async () => {
  const { transport, settle } = withSettle(new OneServer())
  const notFound = { reason: 'cannot find host', phase: 'lookup' }
  await assert.rejects(settle(open(transport, 'https://nowhere.test/')), notFound)
  assert.equal((await settle(open(transport, 'https://files.test/b'))).head.status, 404)
})

test('a simulated sink that does not settle is one chunk behind the network, and lent bytes are taken back', async () => {
  const twin = new OneServer({ size: 50_000, nature: { ...honest.nature, bytesPerSecond: 10_000 } })
  const exchange = await twin.settle(open(twin.transport, url))
  const gate = Promise.withResolvers<void>()
  const lent: Uint8Array[] = []
  const received = exchange.receive((bytes) => {
    lent.push(bytes)
    return gate.promise
  })
  await twin.quiet()
  assert.equal(lent.length, 1)
  const first = Buffer.from(lent[0]!)
  assert.deepEqual(first, Buffer.from(twin.internet.versions(url)[0]!.subarray(0, first.length)))
  const before = twin.timeline.now
  gate.resolve()
  assert.equal((await twin.settle(received)).bytes, 50_000)
  assert.ok(lent[0]!.every((byte) => byte === 0xa5))
  assert.ok(twin.timeline.now - before > 1000, 'the rest took its time')
})

test('nothing of a dead life is asked, answered or given', async () => {
  const twin = new OneServer()
  let settled = 0
  const count = (promise: Promise<unknown>): void =>
    void promise.then(
      () => settled++,
      () => settled++,
    )
  const exchange = await twin.settle(open(twin.transport, url))
  let bytes = 0
  count(exchange.receive((chunk) => void (bytes += chunk.length)))
  count(open(twin.transport, url))
  twin.life.end()
  count(open(twin.transport, url))
  exchange.close()
  await twin.quiet()
  assert.deepEqual([settled, bytes, twin.internet.requests], [0, 0, 1])
})

test('when the simulated network breaks, what runs is lost and what comes is served', async () => {
  const twin = new OneServer({ weather: [{ kind: 'stall', after: 0.5 }] })
  const exchange = await twin.settle(open(twin.transport, url))
  const received = exchange.receive(() => undefined)
  received.catch(() => {})
  await twin.quiet()
  twin.internet.breakConnections()
  await assert.rejects(twin.settle(received), { reason: 'connection lost', phase: 'body' })
  assert.equal((await twin.body()).length, size)
})

function withSettle(twin: OneServer): Pick<Stage, 'transport' | 'settle'> {
  return { transport: twin.transport, settle: (promise) => twin.settle(promise) }
}

test('some simulated connections put bytes into the room that a sink lends, others lend their own', async () => {
  const ways = new Set<'room' | 'own'>()
  for (let seed = 0; seed < 12; seed++) {
    const twin = new OneServer({}, seed)
    const file = Buffer.alloc(size)
    let filled = 0
    const sink = (bytes: Uint8Array): undefined => {
      const isThere = bytes.buffer === file.buffer
      ways.add(isThere ? 'room' : 'own')
      if (!isThere) file.set(bytes, filled)
      filled += bytes.byteLength
    }
    const exchange = await twin.settle(open(twin.transport, url))
    await twin.settle(exchange.receive(Object.assign(sink, { room: () => file.subarray(filled) })))
    assert.equal(twin.internet.describe(url, file), 'the whole of version 0')
  }
  assert.deepEqual([...ways].toSorted(), ['own', 'room'])
})
