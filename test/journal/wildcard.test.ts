/** Patterns with `*` and `?`. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { wildcard } from '../../src/journal/wildcard.ts'

test('a pattern fits the whole of a text, in any case', () => {
  const fits = (pattern: string, ...texts: readonly string[]): readonly boolean[] => texts.map(wildcard(pattern))
  assert.deepEqual(fits('model', 'model', 'Model', 'model.bin', 'a model', ''), [true, true, false, false, false])
  assert.deepEqual(fits('*.ZIP', 'a.zip', '.zip', 'a.zip.part', 'azip'), [true, true, false, false])
  assert.deepEqual(fits('file-?.bin', 'file-1.bin', 'file-12.bin', 'file-.bin'), [true, false, false])
  assert.deepEqual(fits('ab*ba', 'abba', 'aba', 'abxba'), [true, false, true], 'no character counts twice')
  assert.deepEqual(fits('a[1]+(b).$', 'a[1]+(b).$', 'a1b.'), [true, false])
  assert.deepEqual(fits('Stra?e*', 'straße.pdf', 'STRASSE.pdf'), [true, false])
  assert.deepEqual(fits('ΟΔΟΣ*', 'οδος.pdf', 'οδοσα.pdf'), [true, true])
  assert.deepEqual(fits('a*', '*a', 'a*'), [false, true])
  assert.deepEqual(fits('', '', 'a'), [true, false])
  assert.deepEqual(fits('*', '', 'two\nlines'), [true, true])
})

test('a pattern means the same as the expression that goes back and tries again', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'A', 'b', '.'), maxLength: 12 })
  const patterns = fc.string({ unit: fc.constantFrom('a', 'b', '.', '?', '*'), maxLength: 8 })
  fc.assert(
    fc.property(patterns, letters, (pattern, text) => {
      const source = pattern.replaceAll('.', '\\.').replaceAll('?', '.').replaceAll('*', '.*')
      assert.equal(wildcard(pattern)(text), new RegExp(`^${source}$`, 'is').test(text))
    }),
    { numRuns: 2000 },
  )
})

test('many stars cost no more than one', () => {
  // An expression that tries all ways would not come to an end.
  assert.equal(wildcard(`${'*'.repeat(1000)}.zip`)('https://cdn.test/'.repeat(1000)), false)
  assert.equal(wildcard(`${'*a'.repeat(1000)}b`)('a'.repeat(10_000)), false)
  assert.equal(wildcard(`${'*a'.repeat(1000)}b`)(`${'a'.repeat(10_000)}b`), true)
})
