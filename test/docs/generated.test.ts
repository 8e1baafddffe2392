import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { errorCodes, errorTable } from '../../src/contract/errors.ts'
import { generatedDocs } from '../../tools/generated-docs.ts'

for (const [path, make] of Object.entries(generatedDocs)) {
  test(`${path} says what the program says`, () => {
    assert.equal(readFileSync(path, 'utf8'), make(), `${path} is stale: node tools/generated-docs.ts writes it anew`)
  })
}

test('every error has a meaning and a hint that are sentences, and no number of Apple stands twice', () => {
  const numbers = errorCodes.flatMap((code) => errorTable[code].urlErrorCode ?? [])
  assert.equal(new Set(numbers).size, numbers.length)
  for (const code of errorCodes) {
    assert.match(errorTable[code].meaning, /^[A-Z].*\.$/s, code)
    assert.match(errorTable[code].hint, /^[A-Z].*\.$/s, code)
  }
})
