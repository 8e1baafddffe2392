/** What is said to proxies, byte by byte: however the answers are split, they mean the same; and no bytes break the reader. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type ProxyAddress, proxyAddress } from '../../src/contract/proxy.ts'
import { connectParley } from '../../src/network/proxy/connect.ts'
import { Challenged } from '../../src/network/proxy/identity.ts'
import type { Parley } from '../../src/network/proxy/parley.ts'
import { socks5Parley } from '../../src/network/proxy/socks5.ts'
import { NetworkFailure } from '../../src/world/transport.ts'

function proxyOf(url: string): ProxyAddress {
  const proxy = proxyAddress(url)
  assert.ok(typeof proxy === 'object')
  return proxy
}

const connect = (): Parley => connectParley('the proxy', 'a.example:443', 'Basic dTpw')
const socks = (): Parley =>
  socks5Parley(proxyOf('socks5://u:p@proxy.example'), 'the proxy', { host: 'a.example', port: 443 })

interface Heard {
  readonly ended: 'open' | 'failed' | 'waits'
  readonly said: string
  readonly left: number
}

/** As `hold` does it, without a socket. */
function heard(parley: Parley, pieces: readonly Uint8Array[]): Heard {
  let held: Buffer = Buffer.alloc(0)
  let said = ''
  let open = false
  for (const piece of pieces) {
    held = Buffer.concat([held, piece])
    while (!open && held.length > 0) {
      let step: ReturnType<Parley['read']>
      try {
        step = parley.read(held)
      } catch (error) {
        assert.ok(error instanceof NetworkFailure, String(error))
        return { ended: 'failed', said: error.message, left: 0 }
      }
      if (step === undefined) break
      assert.ok(step.used > 0 && step.used <= held.length)
      held = held.subarray(step.used)
      said += Buffer.from(step.say ?? []).toString('hex')
      open = step.open === true
    }
  }
  return { ended: open ? 'open' : 'waits', said, left: held.length }
}

/** The text cut at these places. */
function cut(bytes: Buffer, places: readonly number[]): readonly Uint8Array[] {
  const at = [0, ...places.map((place) => place % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length]
  return at.slice(1).map((end, i) => bytes.subarray(at[i], end))
}

const heads = [
  'HTTP/1.1 200 OK\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200\r\nVia: 1.1 squid\r\nContent-Length: 3\r\n\r\n',
  'HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm="x"\r\n\r\n',
  'HTTP/1.1 200 OK\r\nA b: c\r\n\r\n',
  'HTTP/3 200\r\n\r\n',
].map((text) => Buffer.from(text, 'latin1'))
const replies = [
  [5, 0, 5, 0, 0, 1, 127, 0, 0, 1, 1, 187],
  [5, 2, 1, 0, 5, 0, 0, 3, 1, 120, 1, 187],
  [5, 2, 1, 0, 5, 0, 0, 4, ...Array<number>(16).fill(0), 1, 187],
  [5, 2, 1, 1],
  [5, 0, 5, 5, 0, 1, 0, 0, 0, 0, 0, 0],
].map((bytes) => Buffer.from(bytes))

for (const [name, parley, whole] of [
  ['CONNECT', connect, heads],
  ['SOCKS5', socks, replies],
] as const) {
  test(`an answer to ${name} means the same however it is split`, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...whole),
        fc.uint8Array({ maxLength: 4 }),
        fc.array(fc.nat(400), { maxLength: 30 }),
        (answer, behind, places) => {
          const bytes = Buffer.concat([answer, behind])
          const atOnce = heard(parley(), [bytes])
          assert.deepEqual(heard(parley(), cut(bytes, places)), atOnce)
          if (atOnce.ended === 'open') assert.equal(atOnce.left, behind.length)
        },
      ),
      { numRuns: 500 },
    )
  })

  test(`any bytes in answer to ${name} open the way, are waited upon, or fail as a failure of the proxy`, () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...whole),
        fc.nat(60),
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.nat(400), { maxLength: 5 }),
        (answer, keep, noise, places) => {
          const bytes = Buffer.concat([answer.subarray(0, keep % (answer.length + 1)), noise])
          heard(parley(), cut(bytes, places))
        },
      ),
      { numRuns: 2000 },
    )
  })
}

test('SOCKS5 says who asks and for what, as the standard has it', () => {
  const parley = socks()
  assert.equal(Buffer.from(parley.opening).toString('hex'), '05020002')
  const { said } = heard(parley, [Buffer.from([5, 2, 1, 0])])
  assert.equal(said, `01${'0175'}${'0170'}` + `05010003${'09'}${Buffer.from('a.example').toString('hex')}01bb`)
})

const targets: readonly (readonly [host: string, words: string])[] = [
  ['10.1.2.3', '010a010203'],
  ['2001:db8::1:ffff', '0420010db800000000000000000001ffff'],
  ['::', `04${'00'.repeat(16)}`],
  ['1:2:3:4:5:6:7:8', '0400010002000300040005000600070008'],
]
test('SOCKS5 names an address by its bytes', () => {
  for (const [host, words] of targets) {
    const parley = socks5Parley(proxyOf('socks5://p'), 'the proxy', { host, port: 80 })
    assert.equal(Buffer.from(parley.opening).toString('hex'), '050100')
    assert.equal(heard(parley, [Buffer.from([5, 0])]).said, `050100${words}0050`)
  }
})

test('the head of a proxy takes no time to read, however it is filled', () => {
  const parley = connect()
  for (const long of [' ', '\t', ' \t', 'b ', ':', 'a: ']) {
    const filled = long.repeat(60_000 / long.length)
    const started = process.cpuUsage().user
    const step = parley.read(Buffer.from(`HTTP/1.1 200 OK\r\nA: b${filled}b\r\n\r\n`))
    assert.ok(process.cpuUsage().user - started < 500_000, `${JSON.stringify(long)} takes long`)
    assert.equal(step?.open, true)
  }
})

test('blanks round the value of a field of a proxy are no part of it', () => {
  assert.throws(
    () => connect().read(Buffer.from('HTTP/1.1 407 No\r\nProxy-Authenticate: \t Basic realm="r" \t \r\nA:\r\n\r\n')),
    (error: unknown) => {
      assert.ok(error instanceof Challenged)
      assert.deepEqual(error.headers, [
        ['proxy-authenticate', 'Basic realm="r"'],
        ['a', ''],
      ])
      return true
    },
  )
})
