/** A proxy as a user writes it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { explicitConfiguration } from '../../src/client/configuration.ts'
import { checkDownloadOptions, newTask } from '../../src/client/options.ts'
import { proxyChoice } from '../../src/client/proxy-choice.ts'
import { isLonghaulError } from '../../src/contract/errors.ts'
import type { ProxyChoice, ProxyJson } from '../../src/contract/proxy.ts'
import { checkParams } from '../../src/daemon/checks.ts'

const choices: readonly (readonly [ProxyChoice, ProxyJson])[] = [
  ['none', 'none'],
  ['system', 'system'],
  [{ url: 'proxy.example:3128' }, { url: 'http://proxy.example:3128', bypass: [] }],
  [{ url: new URL('https://proxy.example') }, { url: 'https://proxy.example:443', bypass: [] }],
  [
    { url: 'socks5h://me:p%40ss@proxy.example', bypass: [' .example.com', '10.0.0.0/8', '<-loopback>', '*'] },
    {
      url: 'socks5://proxy.example:1080',
      bypass: ['.example.com', '10.0.0.0/8', '<-loopback>', '*'],
      credential: { user: 'me', password: 'p@ss' },
    },
  ],
  [
    { url: 'http://proxy.example', credential: { user: 'me', password: '' } },
    { url: 'http://proxy.example:80', bypass: [], credential: { user: 'me', password: '' } },
  ],
]

test('a proxy is stored with its credential beside its address, and what is stored passes the door of the daemon', () => {
  for (const [given, stored] of choices) {
    assert.deepEqual(explicitConfiguration({ proxy: given }), { proxy: stored })
    checkDownloadOptions({ proxy: given })
    const { policy } = newTask(
      { proxy: given },
      {
        id: '01ARZ3NDEKTSV4RRFFQ69G5FAV',
        request: { url: 'http://h/', method: 'GET', headers: [] },
        destination: { kind: 'file', folder: '/d', name: 'f' },
        umask: 0o022,
        start: true,
      },
    )
    assert.deepEqual(policy, { proxy: stored })
    const open = { identifier: 'a', configuration: { proxy: stored }, strictConfiguration: false }
    assert.deepEqual(checkParams('session.open', open), open)
  }
})

test('a proxy that cannot be meant is refused by its field, without its password', () => {
  const url = 'http://proxy.example'
  const bad: readonly (readonly [unknown, RegExp])[] = [
    ['http://me:swordfish@proxy.example', /^proxy: write 'none', 'system', or \{ url/],
    [null, /^proxy: write/],
    [{}, /^proxy\.url: undefined is not an address/],
    [{ url: 'ftp://me:swordfish@proxy' }, /^proxy\.url: its scheme "ftp" is not/],
    [{ url: 'http://me:swordfish@proxy/path' }, /^proxy\.url: .*no path/],
    [{ url: 'http://me:swordfish@' }, /^proxy\.url: it is not the address of a proxy/],
    [{ url, bypass: '*' }, /^proxy\.bypass: "\*" is not an array/],
    [{ url, bypass: ['http://a'] }, /^proxy\.bypass: "http:\/\/a" is not one of/],
    [{ url, bypass: ['10.0.0.0/33'] }, /^proxy\.bypass/],
    [{ url, bypass: [1] }, /^proxy\.bypass: 1 is/],
    [{ url, credential: 'me:swordfish' }, /^proxy\.credential/],
    [{ url, credential: { user: 'me' } }, /^proxy\.credential: user and password must be texts/],
    [{ url, credential: { user: 'a:b', password: 'swordfish' } }, /^proxy\.credential: .*colon/],
    [
      { url: 'http://me@proxy', credential: { user: 'me', password: 'swordfish' } },
      /^proxy\.credential: .*one of them/,
    ],
    [{ url: 'socks5://proxy', credential: { user: 'a'.repeat(256), password: '' } }, /255 bytes/],
    [{ url, username: 'me' }, /'username' is not among the fields of proxy/],
  ]
  for (const [given, message] of bad) {
    assert.throws(
      () => proxyChoice(given as ProxyChoice, 'proxy', 'Nothing was added.'),
      (error: unknown) => {
        assert.ok(isLonghaulError(error, 'INVALID_ARGUMENT'), String(error))
        assert.match(error.message, message)
        assert.match(error.message, /Nothing was added\.$/)
        assert.ok(!error.message.includes('swordfish'), error.message)
        return true
      },
    )
  }
})

test('the door lets no proxy in that shows its credential, or that nobody could use', () => {
  const bad: readonly (readonly [unknown, string])[] = [
    ['sometimes', 'configuration.proxy'],
    [{ url: 'http://me:swordfish@proxy:80', bypass: [] }, 'configuration.proxy.url'],
    [{ url: 'http://proxy', bypass: [] }, 'configuration.proxy.url'],
    [{ url: 'http://proxy:80', bypass: ['a b'] }, 'configuration.proxy.bypass[0]'],
    [
      { url: 'http://proxy:80', bypass: [], credential: { user: 'a:b', password: 'swordfish' } },
      'configuration.proxy.credential',
    ],
  ]
  for (const [proxy, field] of bad) {
    assert.throws(
      () => checkParams('session.open', { identifier: 'a', configuration: { proxy }, strictConfiguration: false }),
      (error: unknown) => {
        assert.ok(isLonghaulError(error, 'INVALID_ARGUMENT'))
        assert.ok(error.message.startsWith(`${field}: `), error.message)
        assert.ok(!error.message.includes('swordfish'))
        return true
      },
    )
  }
})
