import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as surface from '../../src/index.ts'

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
