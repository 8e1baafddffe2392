import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseChallenges, parseParameters, quoted } from '../../src/authentication/challenges.ts'

/** Of each challenge its scheme, its parameters and its token68. */
function read(...fields: readonly string[]): readonly unknown[] {
  return parseChallenges(fields).map(({ scheme, parameters, token68 }) => [
    scheme,
    Object.fromEntries(parameters),
    ...(token68 === undefined ? [] : [token68]),
  ])
}

test('several challenges are read from one field and from many, in their order', () => {
  assert.deepEqual(read('Newauth realm="apps", type=1, title="Login to \\"apps\\"", Basic realm="simple"'), [
    ['newauth', { realm: 'apps', type: '1', title: 'Login to "apps"' }],
    ['basic', { realm: 'simple' }],
  ])
  assert.deepEqual(read('Negotiate', 'Basic realm=a , Digest realm = "b",nonce="n"'), [
    ['negotiate', {}],
    ['basic', { realm: 'a' }],
    ['digest', { realm: 'b', nonce: 'n' }],
  ])
  assert.deepEqual(read('Negotiate, NTLM, Basic realm="x"'), [
    ['negotiate', {}],
    ['ntlm', {}],
    ['basic', { realm: 'x' }],
  ])
})

test('empty members of a list of challenges are nothing', () => {
  assert.deepEqual(read(',, Basic realm="a",, charset="UTF-8" , ,Bearer ,'), [
    ['basic', { realm: 'a', charset: 'UTF-8' }],
    ['bearer', {}],
  ])
  assert.deepEqual(read('', ' , '), [])
})

test('a token68 is told from a parameter, padding or not', () => {
  assert.deepEqual(read('Negotiate dGVzdA==, Basic realm="a"'), [
    ['negotiate', {}, 'dGVzdA=='],
    ['basic', { realm: 'a' }],
  ])
  assert.deepEqual(read('Negotiate YII+/a'), [['negotiate', {}, 'YII+/a']])
  assert.deepEqual(read('Custom a=b'), [['custom', { a: 'b' }]])
})

test('commas and schemes inside of quotes do not begin a challenge', () => {
  assert.deepEqual(read('Basic realm="a, Digest realm=\\"b\\"", charset=utf-8'), [
    ['basic', { realm: 'a, Digest realm="b"', charset: 'utf-8' }],
  ])
})

test('a malformed challenge and the rest of its field are left out, what stood before it and other fields are not', () => {
  for (const broken of [
    'Digest realm="open',
    'Digest realm="a" nonce="b"',
    'Digest realm=a, realm=b',
    '"',
    'Digest (x)',
  ])
    assert.deepEqual(
      read(`Basic realm="a", ${broken}, Basic realm="c"`, 'Bearer realm=d'),
      [
        ['basic', { realm: 'a' }],
        ['bearer', { realm: 'd' }],
      ],
      broken,
    )
})

test('a list of parameters alone is read whole or not at all', () => {
  assert.deepEqual(
    [...(parseParameters('nextnonce="abc", qop=auth') ?? [])],
    [
      ['nextnonce', 'abc'],
      ['qop', 'auth'],
    ],
  )
  assert.equal(parseParameters('nextnonce="abc'), undefined)
  assert.equal(parseParameters('nextnonce="abc", and more'), undefined)
})

test('what is quoted can be read back', () => {
  const text = 'a "b" \\ c'
  assert.equal(parseParameters(`x=${quoted(text)}`)?.get('x'), text)
})
