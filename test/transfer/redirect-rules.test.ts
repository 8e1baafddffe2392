import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AttemptFailed } from '../../src/transfer/endings.ts'
import { isPrivateAddress, ledBack, redirected } from '../../src/transfer/http/redirect.ts'
import type { RequestFacts } from '../../src/contract/task.ts'

const rules = { keepHeadersAcrossOrigins: [], allowPrivateRedirects: false }
const request: RequestFacts = {
  url: 'https://files.test/a/b',
  method: 'GET',
  headers: [
    ['Authorization', 'Bearer secret'],
    ['Cookie', 'a=b'],
    ['Proxy-Authorization', 'Basic x'],
    ['X-API-Key', 'secret'],
    ['Accept-Language', 'de'],
    ['User-Agent', 'mine'],
    ['Range', 'bytes=5-'],
    ['If-Range', '"v"'],
    ['Want-Repr-Digest', 'sha-256=1'],
  ],
}

function names(facts: RequestFacts): readonly string[] {
  return facts.headers.map(([name]) => name)
}

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    assert.ok(error instanceof AttemptFailed)
    return error.error.code
  }
  return 'allowed'
}

test('on the same origin every header goes along, and the address is taken relative to the last', () => {
  const next = redirected(request, 302, '../c?d#e', undefined, rules)
  assert.equal(next.url, 'https://files.test/c?d')
  assert.deepEqual(next.headers, request.headers)
})

test('to another scheme, host or port only harmless headers go along', () => {
  const safe = ['Accept-Language', 'User-Agent', 'Range', 'If-Range', 'Want-Repr-Digest']
  for (const target of ['https://other.test/', 'https://files.test:8443/', 'https://sub.files.test/'])
    assert.deepEqual(names(redirected(request, 302, target, undefined, rules)), safe, target)
  const upgraded = redirected({ ...request, url: 'http://files.test/' }, 302, 'https://files.test/', undefined, rules)
  assert.deepEqual(names(upgraded), safe)
})

test('to where redirects led before goes what may go to another origin, even where it is the same', () => {
  const basic: RequestFacts = { ...request, authorization: 'from address' }
  for (const place of ['https://other.test/c?d', 'https://files.test/c?d']) {
    const next = ledBack(basic, place, undefined, rules)
    assert.deepEqual(names(next), ['Accept-Language', 'User-Agent', 'Range', 'If-Range', 'Want-Repr-Digest'])
    assert.equal(next.authorization, undefined)
    assert.equal(next.url, place)
  }
  const kept = { ...rules, keepHeadersAcrossOrigins: ['x-api-key'] }
  assert.ok(names(ledBack(basic, 'https://other.test/', undefined, kept)).includes('X-API-Key'))
  for (const place of ['http://other.test/', 'https://127.0.0.1/'])
    assert.equal(
      codeOf(() => ledBack(basic, place, undefined, rules)),
      'INSECURE_REDIRECT',
    )
})

test('a header that the request names may cross origins', () => {
  const next = redirected(request, 302, 'https://other.test/', undefined, {
    ...rules,
    keepHeadersAcrossOrigins: ['x-api-KEY'],
  })
  assert.ok(names(next).includes('X-API-Key'))
  assert.ok(!names(next).includes('Authorization'))
})

test('credentials that a server puts into an address are not taken over', () => {
  assert.equal(redirected(request, 302, 'https://u:p@files.test/x', undefined, rules).url, 'https://files.test/x')
})

test('https never leads to http, and nothing to another scheme', () => {
  assert.equal(
    codeOf(() => redirected(request, 302, 'http://files.test/', undefined, rules)),
    'INSECURE_REDIRECT',
  )
  assert.equal(
    codeOf(() => redirected(request, 302, 'file:///etc/passwd', undefined, rules)),
    'INSECURE_REDIRECT',
  )
  assert.equal(
    codeOf(() => redirected(request, 302, 'data:,x', undefined, rules)),
    'INSECURE_REDIRECT',
  )
  assert.equal(
    codeOf(() => redirected(request, 302, 'https://[', undefined, rules)),
    'BAD_SERVER_RESPONSE',
  )
})

test('a public address never leads to a private one unless that is allowed', () => {
  for (const host of [
    '127.0.0.1',
    'localhost',
    '10.1.2.3',
    '169.254.169.254',
    '192.168.0.1',
    '[::1]',
    '[fe80::1]',
    '[::ffff:7f00:1]',
    '2130706433',
    '0x7f.1',
    'app.localhost',
  ])
    assert.equal(
      codeOf(() => redirected(request, 302, `https://${host}/`, undefined, rules)),
      'INSECURE_REDIRECT',
      host,
    )
  const allowed = { ...rules, allowPrivateRedirects: true }
  assert.equal(
    codeOf(() => redirected(request, 302, 'https://10.0.0.1/', undefined, allowed)),
    'allowed',
  )
  const inside = { ...request, url: 'https://127.0.0.1:9/' }
  assert.equal(
    codeOf(() => redirected(inside, 302, 'https://127.0.0.1:8/', undefined, rules)),
    'allowed',
  )
  assert.equal(
    codeOf(() => redirected(request, 302, 'https://10.0.0.1/', '10.0.0.7', rules)),
    'allowed',
  )
  assert.equal(
    codeOf(() => redirected(request, 302, 'https://1.1.1.1/', undefined, rules)),
    'allowed',
  )
})

test('knows private addresses of both families in every way of writing them', () => {
  const inside = [
    '::',
    '::1',
    'fc00::1',
    'fdab::',
    'fe80::1%eth0',
    '::ffff:10.0.0.1',
    '64:ff9b::a00:1',
    '::127.0.0.1',
    '100.64.0.1',
    '172.31.255.255',
    '0.0.0.0',
  ]
  const outside = [
    '2606:4700::1111',
    '::ffff:8.8.8.8',
    '172.32.0.1',
    '100.128.0.1',
    '8.8.8.8',
    'localhost.example',
    '64:ff9b::808:808',
  ]
  for (const address of inside) assert.equal(isPrivateAddress(address), true, address)
  for (const address of outside) assert.equal(isPrivateAddress(address), false, address)
})

test('a redirect changes the method as RFC 9110 says', () => {
  const after = (status: number, method: string): string =>
    redirected({ ...request, method }, status, '/x', undefined, rules).method
  assert.equal(after(303, 'POST'), 'GET')
  assert.equal(after(303, 'HEAD'), 'HEAD')
  assert.equal(after(301, 'POST'), 'GET')
  assert.equal(after(302, 'PUT'), 'PUT')
  assert.equal(after(307, 'POST'), 'POST')
  assert.equal(after(308, 'POST'), 'POST')
})
