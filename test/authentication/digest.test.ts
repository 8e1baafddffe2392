import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { parseChallenges, parseParameters } from '../../src/authentication/challenges.ts'
import { digestAuthorization, type DigestChallenge, digestChallenge } from '../../src/authentication/digest.ts'
import { DigestSession } from '../../src/authentication/digest-session.ts'

function challenge(field: string): DigestChallenge {
  const found = parseChallenges([field]).map(digestChallenge)[0]
  assert.ok(found)
  return found
}

function parameters(authorization: string): ReadonlyMap<string, string> {
  assert.match(authorization, /^Digest /)
  const found = parseParameters(authorization.slice('Digest '.length))
  assert.ok(found)
  return found
}

// RFC 7616 §3.9.1.
const example =
  `Digest realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v",
  opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"`.replaceAll(/\n */g, ' ')
const cnonce = 'f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ'

function answered(
  field: string,
  more: { readonly user?: string; readonly cnonce?: string; readonly password?: string } = {},
): ReadonlyMap<string, string> {
  const asked = challenge(field)
  const used = more.cnonce ?? cnonce
  return parameters(
    digestAuthorization({
      challenge: asked,
      nonce: asked.nonce,
      user: more.user ?? 'Mufasa',
      password: more.password ?? 'Circle of Life',
      method: 'GET',
      uri: '/dir/index.html',
      count: 1,
      cnonce: used,
      first: { nonce: asked.nonce, cnonce: used },
    }),
  )
}

test('Digest answers the examples of RFC 7616 with MD5 and SHA-256', () => {
  const md5 = answered(`${example}, algorithm=MD5`)
  assert.equal(md5.get('response'), '8ca523f5e9506fed4657c9700eebdbec')
  assert.equal(md5.get('nc'), '00000001')
  assert.equal(md5.get('qop'), 'auth')
  assert.equal(md5.get('algorithm'), 'MD5')
  assert.equal(md5.get('opaque'), 'FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS')
  const sha = answered(`${example}, algorithm=SHA-256`)
  assert.equal(sha.get('response'), '753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1')
})

test('Digest answers the examples of RFC 2617 and RFC 2069', () => {
  const field = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
  const password = 'Circle Of Life'
  assert.equal(
    answered(`${field}, qop="auth,auth-int"`, { password, cnonce: '0a4f113b' }).get('response'),
    '6629fae49393a05397450978507c4ef1',
  )
  // With the RFC's erratum 749.
  const old = answered(field, { password: 'CircleOfLife' })
  assert.equal(old.get('response'), '1949323746fe6a43ef61f9606e7febea')
  for (const name of ['nc', 'cnonce', 'qop', 'algorithm', 'opaque']) assert.equal(old.has(name), false, name)
})

test('a Digest key of a -sess algorithm holds the nonce and cnonce of the first request', () => {
  for (const [algorithm, hash] of [
    ['MD5-sess', 'md5'],
    ['SHA-256-sess', 'sha256'],
  ] as const) {
    const digest = (text: string): string => createHash(hash).update(text).digest('hex')
    let made = 0
    const session = new DigestSession(
      challenge(`Digest realm="r", nonce="n1", qop=auth, algorithm=${algorithm}`),
      { user: 'u', password: 'p' },
      (count) => new Uint8Array(count).fill(++made),
    )
    const first = parameters(session.authorization('GET', '/a'))
    const own = first.get('cnonce')
    session.told('nextnonce="n2"')
    const second = parameters(session.authorization('GET', '/b'))
    assert.equal(second.get('cnonce'), own)
    const key = digest(`${digest('u:r:p')}:n1:${own}`)
    assert.equal(first.get('response'), digest(`${key}:n1:00000001:${own}:auth:${digest('GET:/a')}`))
    assert.equal(second.get('response'), digest(`${key}:n2:00000001:${own}:auth:${digest('GET:/b')}`))
  }
})

test('Digest hides the name where the server asks for userhash', () => {
  const asked = answered(
    'Digest realm="api@example.org", nonce="n", qop=auth, algorithm=SHA-256, charset=UTF-8, userhash=true',
    {
      user: 'J\u00e4s\u00f8n Doe',
    },
  )
  const hash = createHash('sha256').update('J\u00e4s\u00f8n Doe:api@example.org').digest('hex')
  assert.equal(asked.get('username'), hash)
  assert.equal(asked.get('userhash'), 'true')
})

test('a name that a quoted-string cannot carry goes as username* in one way of writing it', () => {
  const field = 'Digest realm="r", nonce="n", qop=auth, charset=UTF-8'
  const composed = answered(field, { user: "J\u00e4s\u00f8n (Doe)'" })
  assert.equal(composed.get('username*'), "UTF-8''J%C3%A4s%C3%B8n%20%28Doe%29%27")
  assert.equal(composed.has('username'), false)
  const decomposed = answered(field, { user: "Ja\u0308s\u00f8n (Doe)'" })
  assert.equal(decomposed.get('response'), composed.get('response'))
})

test('names and realms with quotes are hashed without their escapes', () => {
  const answer = answered('Digest realm="the \\"r\\"", nonce="n"', { user: 'a"b' })
  assert.equal(answer.get('realm'), 'the "r"')
  assert.equal(answer.get('username'), 'a"b')
  const digest = (text: string): string => createHash('md5').update(text).digest('hex')
  const secret = digest('a"b:the "r":Circle of Life')
  assert.equal(answer.get('response'), digest(`${secret}:n:${digest('GET:/dir/index.html')}`))
})

test('what a server sent is hashed as the octets that came, user and password as UTF-8', () => {
  const sent = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
  const field = `Digest realm="${sent('Geschützt')}", nonce="${sent('nönce')}", algorithm=MD5-sess, charset=UTF-8, userhash=true`
  const answer = answered(field, { user: 'Jäsøn', password: 'pässword' })
  const digest = (text: string): string => createHash('md5').update(text, 'utf8').digest('hex')
  const key = digest(`${digest('Jäsøn:Geschützt:pässword')}:nönce:${cnonce}`)
  assert.equal(answer.get('response'), digest(`${key}:nönce:${digest('GET:/dir/index.html')}`))
  assert.equal(answer.get('username'), digest('Jäsøn:Geschützt'))
  assert.equal(answer.get('realm'), sent('Geschützt'))
  assert.equal(answer.get('nonce'), sent('nönce'))
})

test('a Digest challenge that cannot be answered is none', () => {
  for (const field of [
    'Digest nonce="n"',
    'Digest realm="r"',
    'Digest realm="r", nonce="n", algorithm=SHA-512-256',
    'Digest realm="r", nonce="n", algorithm=constructor',
    'Digest realm="r", nonce="n", algorithm=__proto__',
    'Digest realm="r", nonce="n", qop="auth-int"',
    'Basic realm="r"',
  ])
    assert.equal(parseChallenges([field]).map(digestChallenge)[0], undefined, field)
})

test('Digest counts each use of a nonce, and from one again for the next', () => {
  let made = 0
  const session = new DigestSession(
    challenge('Digest realm="r", nonce="n1", qop="auth"'),
    { user: 'u', password: 'p' },
    (count) => new Uint8Array(count).fill(++made),
  )
  const uses = (): readonly unknown[] => {
    const sent = parameters(session.authorization('GET', '/'))
    return [sent.get('nonce'), sent.get('nc')]
  }
  assert.deepEqual(uses(), ['n1', '00000001'])
  assert.deepEqual(uses(), ['n1', '00000002'])
  session.told('rspauth="x", nextnonce="n2", qop=auth')
  assert.deepEqual(uses(), ['n2', '00000001'])
  session.told('nextnonce="broken')
  session.told('nextnonce="n2"')
  assert.deepEqual(uses(), ['n2', '00000002'])
  assert.equal(made, 4, 'another cnonce for each request')
})
