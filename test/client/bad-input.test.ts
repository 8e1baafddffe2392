import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explicitConfiguration } from '../../src/client/configuration.ts'
import { methodsOf } from '../../src/client/delegate.ts'
import { expectedDigests } from '../../src/client/digests.ts'
import { download } from '../../src/client/download.ts'
import { checkFilter } from '../../src/client/filters.ts'
import { checkDownloadOptions, checkRequestUpdate, newTask } from '../../src/client/options.ts'
import { requestFacts } from '../../src/client/requests.ts'
import { type ErrorCode, isLonghaulError } from '../../src/contract/errors.ts'
import type { RequestLike } from '../../src/contract/task.ts'

const hex = 'ab'.repeat(32)
const base64 = Buffer.from(hex, 'hex').toString('base64')
const making = {
  id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  request: { url: 'http://h/', method: 'GET', headers: [] },
  destination: { kind: 'file', folder: '/d', name: 'f' },
  umask: 0o022,
  start: true,
} as const

/** What a user may write, whatever the types say. */
function refused(run: () => unknown, code: ErrorCode, ...words: readonly string[]): void {
  assert.throws(run, (error) => {
    assert.ok(isLonghaulError(error, code), `${code} was expected, not ${String(error)}`)
    for (const word of words) assert.ok(error.message.includes(word), `'${word}' is missing in: ${error.message}`)
    return true
  })
}

test('an address that cannot be fetched is refused with what is wrong and what was perhaps meant', () => {
  const bad: readonly (readonly [unknown, ErrorCode, string])[] = [
    ['', 'BAD_URL', 'not a valid URL'],
    ['example.com/file', 'BAD_URL', 'https://example.com/file'],
    ['/etc/passwd', 'BAD_URL', 'not a valid URL'],
    ['https://', 'BAD_URL', 'not a valid URL'],
    [undefined, 'BAD_URL', 'undefined'],
    [42, 'BAD_URL', '42'],
    [{ url: undefined }, 'BAD_URL', 'url'],
    ['ftp://example.com/a', 'UNSUPPORTED_URL', 'ftp:'],
    ['file:///etc/passwd', 'UNSUPPORTED_URL', 'file:'],
    ['localhost:8080/a', 'UNSUPPORTED_URL', 'http://localhost:8080/a'],
    [new URL('data:text/plain,hello'), 'UNSUPPORTED_URL', 'data:'],
    [{ uri: 'http://h/' }, 'INVALID_ARGUMENT', "'url'"],
    ['http://%zz@h/', 'BAD_URL', 'not well encoded'],
    [`http://h/${'x'.repeat(65_536)}`, 'BAD_URL', 'more than 65536 characters'],
  ]
  for (const [given, code, word] of bad) refused(() => requestFacts(given as RequestLike), code, word)
})

test('download() of what is no request, or of nothing, says what a request is and not what is wrong with the options', async () => {
  for (const [given, said] of [
    [[], 'undefined'],
    [[5], '5'],
    [[null, { to: 'f' }], 'null'],
    [[['http://h/'], 7], 'an array'],
  ] as const) {
    await assert.rejects(
      () => download(...(given as unknown as Parameters<typeof download>)),
      (error) => {
        assert.ok(isLonghaulError(error, 'BAD_URL'), String(error))
        assert.ok(
          error.message.startsWith(
            `The request is ${said}; it must be an address (a string or a URL), a Request, or {`,
          ),
          error.message,
        )
        return true
      },
    )
  }
})

test('a secret in an address that cannot be parsed is not shown', () => {
  assert.throws(
    () => requestFacts('https://user:secret@:99999/x?token=hidden'),
    (error) =>
      isLonghaulError(error, 'BAD_URL') && !error.message.includes('secret') && !error.message.includes('hidden'),
  )
})

test('a request is taken as it is meant: fragment gone, credentials moved to a header, method in capitals', () => {
  assert.deepEqual(requestFacts('HTTP://Example.com:80/a b#top'), {
    url: 'http://example.com/a%20b',
    method: 'GET',
    headers: [],
  })
  const basic = `Basic ${Buffer.from('me:pä ss').toString('base64')}`
  assert.deepEqual(requestFacts('http://me:p%C3%A4%20ss@h/'), {
    url: 'http://h/',
    method: 'GET',
    headers: [['Authorization', basic]],
    authorization: 'from address',
  })
  assert.deepEqual(requestFacts({ url: 'http://me:x@h/', headers: { authorization: 'Bearer t' } }), {
    url: 'http://h/',
    method: 'GET',
    headers: [['authorization', 'Bearer t']],
  })
  assert.deepEqual(requestFacts({ url: 'http://h/', method: 'post', headers: [['X-A', ' 1 ']] }), {
    url: 'http://h/',
    method: 'POST',
    headers: [['X-A', '1']],
  })
  const request = new Request('http://h/x', { headers: { 'x-b': '2' } })
  assert.deepEqual(requestFacts(request), { url: 'http://h/x', method: 'GET', headers: [['x-b', '2']] })
})

test('a header that could break the message or the proof of sameness is refused by its name', () => {
  const bad: readonly (readonly [unknown, string])[] = [
    [{ 'X-A': 'a\r\nX-B: b' }, 'X-A'],
    [{ 'X-A': 'a\0' }, 'X-A'],
    [{ 'X-A': 'ā' }, 'X-A'],
    [{ 'X A': '1' }, 'X A'],
    [{ '': '1' }, 'header name'],
    [{ 'X-A': 1 }, 'X-A'],
    [[['X-A']], '[name, value]'],
    ['X-A: 1', 'headers'],
    [{ Host: 'other' }, 'Host'],
    [{ 'HTTP2-Settings': 'AAMAAABk' }, 'HTTP2-Settings'],
    [
      [
        ['User-Agent', 'a'],
        ['user-agent', 'b'],
      ],
      "'user-agent' stands there twice",
    ],
    [{ 'Content-Length': '3' }, 'Content-Length'],
    [{ 'proxy-authorization': 'x' }, 'proxy-authorization'],
    [{ Range: 'bytes=0-1' }, 'Range'],
    [{ 'If-Range': '"a"' }, 'If-Range'],
    [{ 'Accept-Encoding': 'gzip' }, 'Accept-Encoding'],
  ]
  for (const [headers, word] of bad) {
    refused(
      () => requestFacts({ url: 'http://h/', headers: headers as Record<string, string> }),
      'INVALID_ARGUMENT',
      word,
    )
  }
})

test('a method without a body in its answer, and a request with a body, are refused', () => {
  for (const method of ['HEAD', 'connect', 'TRACE', 'G ET', '']) {
    refused(() => requestFacts({ url: 'http://h/', method }), 'INVALID_ARGUMENT', 'Nothing was added')
  }
  refused(() => requestFacts(new Request('http://h/', { method: 'POST', body: 'x' })), 'INVALID_ARGUMENT', 'body')
})

test('expectedDigest is read in its three spellings', () => {
  const found = [{ algorithm: 'sha-256', hex }]
  for (const spelling of [
    `sha-256:${hex}`,
    `SHA-256:${hex.toUpperCase()}`,
    `sha256:${hex}`,
    `sha256-${base64}`,
    `sha-256=:${base64}:`,
  ]) {
    assert.deepEqual(expectedDigests(spelling), found, spelling)
  }
  assert.deepEqual(expectedDigests([`sha-256:${hex}`, `sha256-${base64}`]), found)
})

test('expectedDigest takes every algorithm under each of its names, and several at once', () => {
  const names = {
    'sha-512': [64, 'sha512'],
    'sha-384': [48, 'sha384'],
    'sha-1': [20, 'sha1', 'sha'],
    md5: [16],
    crc32: [4],
  } as const
  for (const [algorithm, [bytes, ...others]] of Object.entries(names)) {
    const value = Buffer.alloc(bytes, 0xfb)
    for (const name of [algorithm, ...others]) {
      const found = [{ algorithm, hex: value.toString('hex') }]
      assert.deepEqual(expectedDigests(`${name}:${value.toString('hex')}`), found)
      assert.deepEqual(expectedDigests(`${name}=:${value.toString('base64')}:`), found)
      if (!name.includes('-')) assert.deepEqual(expectedDigests(`${name}-${value.toString('base64')}`), found)
    }
  }
  const both = [
    { algorithm: 'sha-256', hex },
    { algorithm: 'md5', hex: 'ab'.repeat(16) },
  ]
  const [first, second] = [`sha-256=:${base64}:`, `md5:${'ab'.repeat(16)}`]
  for (const several of [
    [first, second],
    `${first}, ${second}`,
    ` ${first}\n${second} `,
    [`${first} ${second}`, first],
  ])
    assert.deepEqual(expectedDigests(several), both)
})

test('a digest of the wrong length, form or algorithm is refused', () => {
  const bad: readonly (readonly [unknown, string])[] = [
    [hex, 'sha-256:HEX'],
    [`sha-256:${hex.slice(2)}`, '62 hexadecimal digits'],
    [`sha-256:${hex}a`, '65 hexadecimal digits'],
    [`sha-256:${'zz'.repeat(32)}`, 'not a digest'],
    [`sha256-${base64.slice(4)}`, '29 bytes'],
    ['sha-256=::', '0 bytes'],
    [`sha-224:${'ab'.repeat(28)}`, 'Known are sha-512, sha-384, sha-256, sha-1, md5, crc32'],
    [`crc32:${'ab'.repeat(5)}`, '8'],
    ['', 'not a digest'],
    ['sha-256', 'not a digest'],
    [' , ', 'not a digest'],
    [`sha-256:${hex} and more`, 'not a digest'],
    [7, 'not a digest'],
    [[`sha-256:${hex}`, `sha-256:${'cd'.repeat(32)}`], 'two different'],
  ]
  for (const [given, word] of bad) refused(() => expectedDigests(given), 'INVALID_ARGUMENT', word)
})

test('a misspelt option is refused with the right name, one of a later version as such', () => {
  refused(() => checkDownloadOptions({ prority: 1 }), 'INVALID_ARGUMENT', "'prority'", "'priority'")
  refused(() => checkDownloadOptions({ expectedDigset: 'x' }), 'INVALID_ARGUMENT', "'expectedDigest'")
  refused(() => checkDownloadOptions({ zzzzzzzz: 1 }), 'INVALID_ARGUMENT', 'Known are')
  refused(() => checkDownloadOptions({ discretionary: true }), 'INVALID_ARGUMENT', 'not in this version yet')
  refused(() => checkDownloadOptions('x'), 'INVALID_ARGUMENT', 'options')
  refused(() => checkRequestUpdate({ urls: 'x' }), 'INVALID_ARGUMENT', "'url'")
  refused(() => checkRequestUpdate({ ifDifferent: 'restart' }), 'INVALID_ARGUMENT', 'not in this version yet')
  refused(() => checkFilter({ grup: 'held' } as object, 'Nothing was listed.'), 'INVALID_ARGUMENT', "'group'")
  refused(() => checkFilter({ group: 'runing' as 'active' }, 'x'), 'INVALID_ARGUMENT', 'suspended')
  checkDownloadOptions({ priority: undefined, zzz: undefined })
})

test('a value that is not what an option takes is refused by the name of the option', () => {
  const bad: readonly (readonly [object, string])[] = [
    [{ priority: 2 }, 'priority'],
    [{ priority: Number.NaN }, 'priority'],
    [{ metadata: 1n }, 'metadata'],
    [{ metadata: () => {} }, 'metadata'],
    [{ metadata: 'x'.repeat(65_535) }, '65536'],
    [{ tags: 'a' }, 'tags'],
    [{ key: '' }, 'key'],
    [{ earliestBeginDate: 'tomorrow' }, 'earliestBeginDate'],
    [{ earliestBeginDate: new Date(Number.NaN) }, 'earliestBeginDate'],
    [{ after: ['7K2M'] }, 'after'],
    [{ expectedLength: -1 }, 'expectedLength'],
    [{ expectedLength: 1.5 }, 'expectedLength'],
    [{ timeoutIntervalForRequest: 60 }, "'60s'"],
    [{ timeoutIntervalForRequest: '0s' }, 'timeoutIntervalForRequest'],
    [{ timeoutIntervalForResource: '7 days' }, 'timeoutIntervalForResource'],
    [{ retry: { maxAttempts: 3 } }, 'maximumAttempts'],
    [{ retry: { initialDelay: '10s', maximumDelay: '1s' } }, 'maximumDelay'],
    [{ retry: { nonIdempotent: true } }, 'not in this version'],
    [{ acceptableStatusCodes: [] }, 'acceptableStatusCodes'],
    [{ acceptableStatusCodes: [99] }, '99'],
    [{ acceptableStatusCodes: [{ from: 300, to: 200 }] }, 'acceptableStatusCodes'],
    [{ tls: { pins: [] } }, 'tls.pins'],
    [{ tls: { ca: ['/etc/ssl/ca.pem'] } }, 'PEM'],
    [{ tls: { minimumVersion: 'TLSv1' } }, 'TLSv1.2'],
    [{ ifExists: 'overwrite' }, 'keepBoth'],
    [{ maximumSegments: 0 }, 'maximumSegments'],
    [{ allowPrivateRedirects: 'yes' }, 'allowPrivateRedirects'],
  ]
  for (const [options, word] of bad) {
    refused(() => newTask(options, making), 'INVALID_ARGUMENT', word)
  }
})

test('options become the record that the daemon keeps, with nothing in it that was not said', () => {
  assert.deepEqual(newTask({}, making), {
    ...making,
    kind: 'download',
    ifExists: 'replace',
    priority: 0.5,
    policy: {},
  })
  const folder = { ...making, destination: { kind: 'folder', folder: '/d' } } as const
  assert.equal(newTask({}, folder).ifExists, 'fail', 'a name that the server chose replaces nothing')
  const task = newTask(
    { metadata: { a: 1 }, timeoutIntervalForRequest: { minutes: 1 }, earliestBeginDate: '2026-12-24T18:00:00Z' },
    making,
  )
  assert.equal(task.metadata, '{"a":1}')
  assert.deepEqual(task.policy, { timeoutIntervalForRequestMs: 60_000 })
  assert.equal(task.earliestBeginMs, Date.UTC(2026, 11, 24, 18))
})

test('a configuration is turned into explicit values only, and what it promises beyond this version is refused', () => {
  assert.deepEqual(explicitConfiguration(undefined), {})
  assert.deepEqual(
    explicitConfiguration({ timeoutIntervalForRequest: '30s', maximumActiveTasks: 4, discretionary: false }),
    {
      timeoutIntervalForRequestMs: 30_000,
      maximumActiveTasks: 4,
      discretionary: false,
    },
  )
  const bad: readonly (readonly [object, string])[] = [
    [{ identifier: 'x' }, 'identifier'],
    [{ timeoutIntervalForRequest: 30 }, "'30s'"],
    [{ timeoutIntervalForReqest: '30s' }, "'timeoutIntervalForRequest'"],
    [{ maximumActiveTasks: 0 }, 'maximumActiveTasks'],
    [{ httpAdditionalHeaders: { Authorization: 'x' } }, 'Authorization'],
    [{ discretionary: true }, 'not in this version'],
    [{ allowsExpensiveNetworkAccess: false }, 'not in this version'],
    [{ quota: 5 }, 'not in this version'],
    [{ proxy: 'http://proxy.example:3128' }, "write 'none'"],
    [{ sendsLaunchEvents: 'no' }, 'sendsLaunchEvents'],
  ]
  for (const [given, word] of bad) refused(() => explicitConfiguration(given), 'INVALID_ARGUMENT', word)
})

test('a delegate method that nearly matches an event is refused with the right name', () => {
  const bad: readonly (readonly [object, string])[] = [
    [{ didFinishDownloding: () => {} }, "'didFinishDownloading'"],
    [{ didcomplete: () => {} }, "'didComplete'"],
    [{ didCompleteWithError: () => {} }, "'didComplete'"],
    [{ didFinishDownload: () => {} }, "'didFinishDownloading'"],
    [{ didReceiveChallenge: () => {} }, 'not in this version'],
    [{ didComplete: 'x' }, 'not a function'],
  ]
  for (const [delegate, word] of bad) refused(() => methodsOf(delegate), 'INVALID_ARGUMENT', word)
  refused(() => methodsOf(null), 'INVALID_ARGUMENT', 'delegate')
})

test("the app's own members, inherited methods and undefined ones are no mistake", () => {
  class Base {
    didComplete(): void {}
  }
  class App extends Base {
    readonly window = {}
    didWriteData(): void {}
    save(): void {}
  }
  assert.deepEqual(methodsOf(new App()), ['didWriteData', 'didComplete'])
  assert.deepEqual(methodsOf({ didComplete: undefined, title: 'x' }), [])
})
