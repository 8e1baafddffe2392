import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { digestBytes } from '../../src/contract/digests.ts'
import { digestField, wantedDigests } from '../../src/transfer/http/digest-field.ts'

const names = { 'sha-512': 'sha-512', 'sha-256': 'sha-256', sha: 'sha-1', md5: 'md5' } as const
const hex = (bytes: number): string => 'ab'.repeat(bytes)
const value = (bytes: number): string => `:${Buffer.alloc(bytes, 0xab).toString('base64')}:`
const sha256 = { algorithm: 'sha-256', hex: hex(32) }

function read(...lines: readonly string[]): unknown {
  return digestField(
    lines.map((line) => ['Repr-Digest', line]),
    'repr-digest',
  )
}

test('a digest of each registered algorithm is read, alone and with what may stand beside it', () => {
  for (const [name, algorithm] of Object.entries(names)) {
    const found = { algorithm, hex: hex(digestBytes[algorithm]) }
    const text = `${name}=${value(digestBytes[algorithm])}`
    for (const field of [
      text,
      ` ${text} `,
      `${text};note="a, \\"b\\""; *=?1;x=:AAAA:`,
      `unknown=:AAAA:,${text}`,
      `a, b;c=1 \t,\t ${text}, z=(1 "two" three;q=0.5);n=-1.5`,
      `d=@1659578233, e=%"f%c3%bc", t=*t/o:k, ${text}`,
    ])
      assert.deepEqual(read(field), found, field)
  }
})

test('the strongest known digest counts, whatever the order, the lines and the unknown ones', () => {
  const [weak, strong] = [`md5=${value(16)}, sha=${value(20)}`, `sha-512=${value(64)}`]
  const all = [`${weak}, ${strong}, sha-256=${value(32)}`, `blake9=${value(128)}, ${strong}, ${weak}`]
  for (const field of all) assert.deepEqual(read(field), { algorithm: 'sha-512', hex: hex(64) })
  assert.deepEqual(read(weak, `sha-256=${value(32)}`), sha256)
  assert.deepEqual(read(weak), { algorithm: 'sha-1', hex: hex(20) })
  assert.equal(read(`blake9=${value(32)}, sha-384=${value(48)}, crc32=${value(4)}, toString=:AAAA:`), undefined)
  assert.equal(read(), undefined)
})

test('of equal keys the last counts, and a digest of another field is not looked at', () => {
  assert.deepEqual(read(`sha-256=:${Buffer.alloc(32).toString('base64')}:`, `sha-256=${value(32)}`), sha256)
  assert.equal(digestField([['content-digest', `sha-256=${value(32)}`]], 'repr-digest'), undefined)
  assert.deepEqual(digestField([['Content-Digest', `sha-256=${value(32)}`]], 'content-digest'), sha256)
})

test('a digest that has no bytes, or another number of them than its algorithm, says nothing; the next does', () => {
  for (const wrong of ['sha-512', 'sha-512=1', 'sha-512="x"', 'sha-512=::', 'sha-512=:AAAA:', `sha-512=${value(32)}`]) {
    assert.deepEqual(read(`${wrong}, sha-256=${value(32)}`), sha256, wrong)
    assert.equal(read(wrong), undefined)
  }
})

test('a field that is malformed anywhere is no field', () => {
  const good = `sha-256=${value(32)}`
  for (const bad of [
    `${good},`,
    `,${good}`,
    `${good},,a=1`,
    `${good} a=1`,
    `${good};`,
    `${good}, A=1`,
    `${good}, a=`,
    `${good}, a="open`,
    `${good}, a=1.`,
    `${good}, a=1234567890123456`,
    `${good}, a=(1 2`,
    `${good}, a=(1,2)`,
    `${good}, a=:not base64:`,
    `${good}, ü=1`,
    `sha-256=${value(32).slice(1)}`,
    `SHA-256=${value(32)}`,
    `${good}\u00a0`,
    `sha-256:${hex(32)}`,
    value(32),
  ])
    assert.equal(read(bad), undefined, bad)
})

const key = fc.stringMatching(/^[a-z*][a-z0-9_.*-]{0,8}$/)
const integer = fc.integer({ min: -999_999_999, max: 999_999_999 }).map(String)
const base64 = fc.uint8Array({ maxLength: 70 }).map((bytes) => `:${Buffer.from(bytes).toString('base64')}:`)
const quoted = fc.stringMatching(/^[ -~]{0,9}$/).map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`)
const item = fc.oneof(
  integer,
  integer.map((number) => `${number}.5`),
  base64,
  quoted,
  fc.stringMatching(/^[A-Za-z*][A-Za-z0-9:/*!#$%&'+.^_`|~-]{0,9}$/),
  fc.constantFrom('?0', '?1', '@12', '%"caf%c3%a9"'),
)
const parameters = fc
  .array(fc.tuple(key, fc.option(item)), { maxLength: 3 })
  .map((list) => list.map(([name, found]) => (found === null ? `; ${name}` : `;${name}=${found}`)).join(''))
const innerList = fc
  .array(fc.tuple(item, parameters), { maxLength: 3 })
  .map((list) => `( ${list.map((pair) => pair.join('')).join('  ')} )`)
const member = fc
  .tuple(key, fc.option(fc.oneof(item, innerList)), parameters)
  .map(([name, found, rest]) => name + (found === null ? '' : `=${found}`) + rest)

test('whatever well-formed members stand around it, a digest is found', () => {
  fc.assert(
    fc.property(fc.array(member, { maxLength: 4 }), fc.array(member, { maxLength: 4 }), (before, after) => {
      const others = [...before, ...after].some((text) => /^(?:sha|md5)/.test(text))
      fc.pre(!others)
      assert.deepEqual(read([...before, `sha-256=${value(32)}`, ...after].join(', ')), sha256)
    }),
  )
})

test('no field, however strange or long, is more than a field without a digest', () => {
  const strange = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 200 }),
    fc.stringMatching(/^[a-z=:;,"() \\?@%*0-9.-]{0,200}$/),
  )
  fc.assert(
    fc.property(strange, (text) => {
      const found = digestField([['repr-digest', text]], 'repr-digest')
      assert.ok(found === undefined || /^[0-9a-f]+$/.test(found.hex))
    }),
  )
  for (const long of [' ', 'a', 'a=(', 'a=( ', 'a;', 'a,', '"', 'a="\\', 'a=:A', ';a=a', 'a=(1;a=1 ', '=', '(a ']) {
    const started = process.cpuUsage().user
    read(`a=(${long.repeat(60_000 / long.length)}`)
    read(long.repeat(60_000 / long.length))
    read(`a${long.repeat(60_000 / long.length)}b`)
    assert.ok(process.cpuUsage().user - started < 500_000, `${JSON.stringify(long)} takes long`)
  }
})

test('what we ask for is itself a well-formed field', () => {
  assert.equal(read(`${wantedDigests}, sha-256=${value(32)}`) !== undefined, true)
})
