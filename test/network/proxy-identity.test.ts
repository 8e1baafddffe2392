/** What a proxy is shown, and what its 407 teaches. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Identity, type Shown } from '../../src/network/proxy/identity.ts'
import { createTransport } from '../../src/network/transport.ts'
import type { HeaderList } from '../../src/world/transport.ts'
import { ask } from '../support/ask.ts'

const credential = { user: 'me', password: 'swordfish' }
const basic = 'Basic bWU6c3dvcmRmaXNo'

function identity(): Identity {
  let count = 0
  return new Identity(credential, (bytes) => new Uint8Array(bytes).fill(++count))
}

function asks(...challenges: readonly string[]): HeaderList {
  return challenges.map((challenge) => ['proxy-authenticate', challenge])
}

const digest = (nonce: string, more = ''): string => `Digest realm="p", nonce="${nonce}", qop="auth"${more}`

const get = { method: 'GET', uri: 'http://a/' }

function whyNot(one: Identity, headers: HeaderList, shown?: Shown, answered = 0): string {
  const answer = one.learn(get, headers, shown, answered)
  assert.ok('why' in answer)
  return answer.why
}

/** Learns what to answer, and has it accepted. */
function learns(one: Identity, headers: HeaderList, shown?: Shown, answered = 0): Shown {
  const answer = one.learn(get, headers, shown, answered)
  assert.ok('value' in answer)
  one.accepted(answer)
  return answer
}

test('nothing is shown before the proxy asks, and then the same to every request', () => {
  const one = identity()
  assert.equal(one.introduce(get), undefined)
  assert.equal(learns(one, asks('Basic realm="p"')).value, basic)
  for (const uri of ['http://a/', 'http://b/']) assert.equal(one.introduce({ method: 'GET', uri })?.value, basic)
})

test('Digest is taken where it is offered, the stronger one, and each request counts', () => {
  const one = identity()
  const offered = asks('Basic realm="p"', digest('old'), digest('new', ', algorithm=SHA-256'))
  const first = learns(one, offered)
  assert.match(first.value, /^Digest username="me", realm="p", uri="http:\/\/a\/", algorithm=SHA-256, nonce="new"/)
  assert.match(first.value, /nc=00000001/)
  assert.match(one.introduce({ method: 'CONNECT', uri: 'a.example:443' })?.value ?? '', /nc=00000002/)
  assert.ok(!first.value.includes('swordfish'))
})

test('a nonce that has gone stale is replaced, also by the one that an answer brings', () => {
  const one = identity()
  const first = learns(one, asks(digest('n1')))
  const second = learns(one, asks(digest('n2', ', stale=true')), first, 1)
  assert.match(second.value, /nonce="n2", nc=00000001/)
  one.told(second, [['proxy-authentication-info', 'nextnonce="n3"']])
  assert.match(one.introduce(get)?.value ?? '', /nonce="n3", nc=00000001/)
})

test('a new nonce is for its first request alone until the proxy took it', () => {
  const one = identity()
  const first = learns(one, asks(digest('n1')))
  const answers = ['n2', 'n3'].map((nonce) => one.learn(get, asks(digest(nonce, ', stale=true')), first, 0))
  assert.match(one.introduce(get)?.value ?? '', /nonce="n1", nc=00000002/)
  for (const [i, answer] of answers.entries()) {
    assert.ok('value' in answer)
    assert.match(answer.value, new RegExp(`nonce="n${i + 2}", nc=00000001`))
    one.accepted(answer)
  }
  assert.match(one.introduce(get)?.value ?? '', /nonce="n3", nc=00000002/)
})

test('an algorithm whose name means something in JavaScript is one that nobody knows', () => {
  const one = identity()
  assert.match(whyNot(one, asks(digest('n1', ', algorithm=constructor'))), /^wants authentication by Digest/)
  assert.equal(one.introduce(get), undefined)
})

test('what was refused is not shown again', () => {
  const refused = 'did not accept the user and the password (407)'
  const byBasic = identity()
  const inTheClear = learns(byBasic, asks('Basic realm="p"'))
  assert.equal(whyNot(byBasic, asks('Basic realm="p"'), inTheClear, 1), refused)
  const byDigest = identity()
  const proved = learns(byDigest, asks(digest('n1')))
  assert.equal(whyNot(byDigest, asks(digest('n2')), proved, 1), refused)
  assert.equal(whyNot(byDigest, asks(digest('n1')), proved, 0), refused)
})

test('a proxy that forgot its nonces is answered with the new one, and once only', () => {
  const one = identity()
  const old = learns(one, asks(digest('n1')))
  assert.match(learns(one, asks(digest('n2')), old, 0).value, /nonce="n2", nc=00000001/)
})

test('a proxy that calls every nonce stale may take the next, some other time', () => {
  const one = identity()
  const shown = learns(one, asks(digest('n1')))
  const answer = one.learn(get, asks(digest('n2', ', stale=true')), shown, 2)
  assert.deepEqual(answer, { why: 'called each nonce stale that it had just given (407)', passes: true })
})

test('a proxy that took Digest is not given the password in the clear afterwards', () => {
  for (const taken of [true, false]) {
    const one = identity()
    const answer = one.learn(get, asks(digest('n1')), undefined, 0)
    assert.ok('value' in answer)
    if (taken) one.accepted(answer)
    const why = whyNot(one, asks('Basic realm="p"'), one.introduce(get), taken ? 1 : 0)
    assert.equal(why, 'wants the password in the clear, and did not before (407)')
    assert.doesNotMatch(one.introduce(get)?.value ?? '', /^Basic /)
  }
})

test('a proxy that cannot be satisfied is told with what it wants', () => {
  const nobody = new Identity(undefined, () => new Uint8Array())
  assert.equal(whyNot(nobody, asks('Basic realm="p"')), 'wants a user and a password (407)')
  const bad: readonly (readonly [HeaderList, RegExp])[] = [
    [asks('Negotiate', 'NTLM'), /^wants authentication by Negotiate or Ntlm \(407\), and what we have/],
    [asks('Digest realm="p", nonce="n", algorithm=SHA-512-256'), /^wants authentication by Digest \(407\)/],
    [[], /^wants authentication without saying which \(407\)$/],
    [asks('realm="p" Basic'), /^wants authentication without saying which/],
  ]
  for (const [headers, why] of bad) assert.match(whyNot(identity(), headers), why)
})

test('requests that overtake each other on the way to a proxy that wants the count to grow are all let through', async (t) => {
  const counts = new Map<string, number>()
  const waiting: (() => void)[] = []
  let awaited = 1
  // Takes up what came only when all that are under way are there, and the last one first.
  const proxy = createServer((request, response) => {
    waiting.push(() => {
      const proof = request.headers['proxy-authorization'] ?? ''
      const nonce = /nonce="(.+?)"/.exec(proof)?.[1] ?? ''
      const count = Number(`0x${/nc=(\w+)/.exec(proof)?.[1]}`)
      if (count > (counts.get(nonce) ?? Infinity)) {
        counts.set(nonce, count)
        awaited--
        response.end()
        return
      }
      const fresh = `n${counts.size}`
      counts.set(fresh, 0)
      response.writeHead(407, { 'Proxy-Authenticate': digest(fresh, nonce === '' ? '' : ', stale=true') }).end()
    })
    if (waiting.length === awaited) for (const take of waiting.splice(0).toReversed()) take()
  })
  proxy.listen(0, '127.0.0.1')
  t.after(() => {
    proxy.closeAllConnections()
    proxy.close()
  })
  await once(proxy, 'listening')
  const url = `http://me:swordfish@127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const transport = createTransport()
  const get = (): Promise<unknown> => ask(transport, 'http://files.example/a', { proxy: { url, bypass: [] } })
  await get()
  awaited = 5
  await Promise.all(Array.from({ length: 5 }, get))
  await transport.close()
})
