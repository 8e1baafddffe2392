import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as surface from '../../src/index.ts'
import * as testing from '../../src/testing/index.ts'

test('the package exports what is documented, and nothing else', () => {
  assert.deepEqual(Object.keys(surface).toSorted(), [
    'BackgroundSession',
    'LonghaulError',
    'download',
    'handleEventsForBackgroundSession',
    'isLonghaulError',
    'sessions',
  ])
})

test('all that longhaul/testing exports is named in docs/testing.md', () => {
  const text = readFileSync('docs/testing.md', 'utf8')
  const unnamed = Object.keys(testing).filter((name) => !new RegExp(`\\b${name}\\b`).test(text))
  assert.deepEqual(unnamed, [])
})
