import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  contentLength,
  dispositionFilename,
  field,
  isCoded,
  parseContentRange,
  parseEtag,
  parseHttpDate,
  parseRetryAfter,
  sameStrongEtag,
} from '../../src/transfer/http/fields.ts'

const now = Date.UTC(2026, 10, 24, 12, 0, 0)

test('every well-formed Content-Range is read as it was written', () => {
  const position = fc.nat(Number.MAX_SAFE_INTEGER - 10)
  fc.assert(
    fc.property(position, position, fc.nat(9), (a, b, more) => {
      const [from, last] = a <= b ? [a, b] : [b, a]
      const total = last + 1 + more
      fc.pre(Number.isSafeInteger(total))
      assert.deepEqual(parseContentRange(`bytes ${from}-${last}/${total}`), { from, to: last + 1, total })
      assert.deepEqual(parseContentRange(`bytes ${from}-${last}/*`), { from, to: last + 1, total: undefined })
      assert.deepEqual(parseContentRange(`bytes */${total}`), { unsatisfied: true, total })
    }),
  )
})

test('a malformed Content-Range is no Content-Range', () => {
  const malformed = [
    '',
    'bytes',
    'bytes 5-4/10',
    'bytes 0-10/10',
    'bytes 0-4/4',
    'bytes -4/10',
    'bytes 0-/10',
    'bytes 0-4',
    'bytes */*',
    'bytes=0-4/10',
    'items 0-4/10',
    'bytes 0-4/10, bytes 6-7/10',
    'bytes 0x0-4/10',
    'bytes +0-4/10',
    'bytes 0-99999999999999999999/999999999999999999999',
    'bytes 0 - 4/10',
  ]
  for (const text of malformed) assert.equal(parseContentRange(text), undefined, text)
  assert.equal(parseContentRange(undefined), undefined)
})

test('no text makes the Content-Range parser throw, or give a range outside its total', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.stringMatching(/^bytes [-0-9*/]{0,20}$/)), (text) => {
      const range = parseContentRange(text)
      if (range === undefined || 'unsatisfied' in range) return
      assert.ok(range.from < range.to && range.to <= (range.total ?? Infinity))
    }),
  )
})

test('reads the three forms of an HTTP date as one moment', () => {
  const moment = Date.UTC(1994, 10, 6, 8, 49, 37)
  assert.equal(parseHttpDate('Sun, 06 Nov 1994 08:49:37 GMT', now), moment)
  assert.equal(parseHttpDate('Sunday, 06-Nov-94 08:49:37 GMT', now), moment)
  assert.equal(parseHttpDate('Sun Nov  6 08:49:37 1994', now), moment)
  assert.equal(parseHttpDate('Tuesday, 01-Dec-76 00:00:00 GMT', now), Date.UTC(2076, 11, 1))
  assert.equal(parseHttpDate('Tuesday, 01-Dec-77 00:00:00 GMT', now), Date.UTC(1977, 11, 1))
})

test('every moment written as an HTTP date is read back', () => {
  fc.assert(
    fc.property(fc.date({ min: new Date(0), max: new Date('2200-01-01'), noInvalidDate: true }), (date) => {
      const seconds = Math.floor(date.getTime() / 1000) * 1000
      assert.equal(parseHttpDate(date.toUTCString(), now), seconds)
    }),
  )
})

test('what is nearly an HTTP date is none', () => {
  for (const text of [
    'Sun, 31 Feb 2026 00:00:00 GMT',
    'Sun, 06 Nov 1994 24:00:00 GMT',
    'Sun, 06 Nov 1994 08:49:37 +0000',
    'Sun, 6 Nov 1994 08:49:37 GMT',
    '1994-11-06T08:49:37Z',
    'soon',
  ])
    assert.equal(parseHttpDate(text, now), undefined, text)
})

test('Retry-After is seconds or a date, and a date that has passed is no wait', () => {
  fc.assert(
    fc.property(fc.nat(1_000_000), (seconds) => {
      assert.equal(parseRetryAfter(String(seconds), now), seconds * 1000)
      assert.equal(parseRetryAfter(new Date(now + seconds * 1000).toUTCString(), now), seconds * 1000)
      assert.equal(parseRetryAfter(new Date(now - seconds * 1000).toUTCString(), now), 0)
    }),
  )
  const century = 36_525 * 86_400_000
  for (const text of ['9'.repeat(20), '9'.repeat(400), 'Fri, 31 Dec 9999 23:59:59 GMT'])
    assert.equal(parseRetryAfter(text, now), century, text)
  for (const text of ['-1', '1.5', '1s', '', 'later']) assert.equal(parseRetryAfter(text, now), undefined, text)
})

test('only two strong entity tags of the same octets are the same', () => {
  assert.equal(sameStrongEtag('"a"', '"a"'), true)
  assert.equal(sameStrongEtag('"a"', '"b"'), false)
  assert.equal(sameStrongEtag('W/"a"', 'W/"a"'), false)
  assert.equal(sameStrongEtag('a', 'a'), false)
  assert.equal(sameStrongEtag(undefined, undefined), false)
  assert.deepEqual(parseEtag('W/"x y'), undefined)
})

test('a field that was sent with values that differ is as if it had not been sent', () => {
  assert.equal(
    field(
      [
        ['etag', '"a"'],
        ['etag', '"b"'],
      ],
      'etag',
    ),
    undefined,
  )
  assert.equal(
    field(
      [
        ['etag', '"a"'],
        ['etag', '"a"'],
      ],
      'etag',
    ),
    '"a"',
  )
  assert.equal(contentLength([['content-length', '+5']]), undefined)
  assert.equal(contentLength([['content-length', '1e3']]), undefined)
})

test('identity is no coding, everything else is', () => {
  assert.equal(isCoded([['content-encoding', 'identity']]), false)
  assert.equal(isCoded([['content-encoding', 'Identity, gzip']]), true)
  assert.equal(isCoded([]), false)
})

test('reads the file name of Content-Disposition in all its spellings', () => {
  const name = (value: string): string | undefined => dispositionFilename([['content-disposition', value]])
  assert.equal(name('attachment; filename="a b.txt"'), 'a b.txt')
  assert.equal(name('attachment; filename=plain.bin'), 'plain.bin')
  assert.equal(name(`attachment; filename="fallback"; filename*=UTF-8''%e2%82%ac.txt`), '€.txt')
  assert.equal(name(Buffer.from('attachment; filename="naïve.txt"').toString('latin1')), 'naïve.txt')
  assert.equal(name('inline'), undefined)
  assert.equal(name(''), undefined)
})
