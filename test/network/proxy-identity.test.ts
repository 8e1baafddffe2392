/** What a proxy is shown, and what its 407 teaches. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Identity } from '../../src/network/proxy/identity.ts'
import type { HeaderList } from '../../src/world/transport.ts'

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

test('nothing is shown before the proxy asks, and then the same to every request', () => {
  const one = identity()
  assert.equal(one.introduce('GET', 'http://a/'), undefined)
  assert.equal(one.learn(asks('Basic realm="p"'), undefined, 0), undefined)
  for (const uri of ['http://a/', 'http://b/']) assert.equal(one.introduce('GET', uri)?.value, basic)
})

test('Digest is taken where it is offered, the stronger one, and each request counts', () => {
  const one = identity()
  const offered = asks('Basic realm="p"', digest('old'), digest('new', ', algorithm=SHA-256'))
  assert.equal(one.learn(offered, undefined, 0), undefined)
  const first = one.introduce('CONNECT', 'a.example:443')
  assert.match(
    first?.value ?? '',
    /^Digest username="me", realm="p", uri="a\.example:443", algorithm=SHA-256, nonce="new"/,
  )
  assert.match(first?.value ?? '', /nc=00000001/)
  assert.match(one.introduce('CONNECT', 'a.example:443')?.value ?? '', /nc=00000002/)
  assert.ok(!first?.value.includes('swordfish'))
})

test('a nonce that has gone stale is replaced, also by the one that an answer brings', () => {
  const one = identity()
  one.learn(asks(digest('n1')), undefined, 0)
  const first = one.introduce('GET', 'http://a/')
  assert.equal(one.learn(asks(digest('n2', ', stale=true')), first, 1), undefined)
  assert.match(one.introduce('GET', 'http://a/')?.value ?? '', /nonce="n2", nc=00000001/)
  one.told([['proxy-authentication-info', 'nextnonce="n3"']])
  const third = one.introduce('GET', 'http://a/')
  assert.match(third?.value ?? '', /nonce="n3", nc=00000001/)
  // Asked with the old one, refused after another request has learnt of the new one.
  assert.equal(one.learn(asks(digest('n9')), first, 1), undefined)
  assert.match(one.introduce('GET', 'http://a/')?.value ?? '', /nonce="n3", nc=00000002/)
})

test('an algorithm whose name means something in JavaScript is one that nobody knows', () => {
  const one = identity()
  assert.match(
    one.learn(asks(digest('n1', ', algorithm=constructor')), undefined, 0) ?? '',
    /^wants authentication by Digest/,
  )
  assert.equal(one.introduce('GET', 'http://a/'), undefined)
})

test('what was refused is not shown again', () => {
  const refused = 'did not accept the user and the password (407)'
  const byBasic = identity()
  byBasic.learn(asks('Basic realm="p"'), undefined, 0)
  assert.equal(byBasic.learn(asks('Basic realm="p"'), byBasic.introduce('GET', 'http://a/'), 1), refused)
  const byDigest = identity()
  byDigest.learn(asks(digest('n1')), undefined, 0)
  assert.equal(byDigest.learn(asks(digest('n2')), byDigest.introduce('GET', 'http://a/'), 1), refused)
  const forEver = identity()
  forEver.learn(asks(digest('n1')), undefined, 0)
  assert.equal(forEver.learn(asks(digest('n2', ', stale=true')), forEver.introduce('GET', 'http://a/'), 2), refused)
})

test('a proxy that took Digest is not given the password in the clear afterwards', () => {
  const one = identity()
  one.learn(asks(digest('n1')), undefined, 0)
  const why = one.learn(asks('Basic realm="p"'), one.introduce('GET', 'http://a/'), 1)
  assert.equal(why, 'wants the password in the clear, and did not before (407)')
  assert.match(one.introduce('GET', 'http://a/')?.value ?? '', /^Digest /)
})

test('a proxy that cannot be satisfied is told with what it wants', () => {
  const nobody = new Identity(undefined, () => new Uint8Array())
  assert.equal(nobody.learn(asks('Basic realm="p"'), undefined, 0), 'wants a user and a password (407)')
  const bad: readonly (readonly [HeaderList, RegExp])[] = [
    [asks('Negotiate', 'NTLM'), /^wants authentication by Negotiate or Ntlm \(407\), and what we have/],
    [asks('Digest realm="p", nonce="n", algorithm=SHA-512-256'), /^wants authentication by Digest \(407\)/],
    [[], /^wants authentication without saying which \(407\)$/],
    [asks('realm="p" Basic'), /^wants authentication without saying which/],
  ]
  for (const [headers, why] of bad) assert.match(identity().learn(headers, undefined, 0) ?? '', why)
})
