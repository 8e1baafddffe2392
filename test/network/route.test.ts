/** Which proxy serves which address. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { bypassed, bypassRule, bypassRules } from '../../src/contract/bypass.ts'
import { credentialProblem, proxyAddress, proxyUrl } from '../../src/contract/proxy.ts'
import { proxySettings, routeKey, routeOf } from '../../src/network/route.ts'
import { NetworkFailure } from '../../src/world/transport.ts'

test('an address of a proxy is read in the ways in which people write it', () => {
  const read = (text: string): string => {
    const proxy = proxyAddress(text)
    if (typeof proxy === 'string') return proxy
    const { credential } = proxy
    return proxyUrl(proxy) + (credential === undefined ? '' : ` ${credential.user} ${credential.password}`)
  }
  const expected = {
    'http://proxy.example:3128': 'http://proxy.example:3128',
    'http://proxy.example:3128/': 'http://proxy.example:3128',
    'proxy.example:3128': 'http://proxy.example:3128',
    'PROXY.example': 'http://proxy.example:80',
    'https://proxy.example': 'https://proxy.example:443',
    'https://proxy.example:80': 'https://proxy.example:80',
    'socks5://proxy.example': 'socks5://proxy.example:1080',
    'SOCKS5H://proxy.example:80': 'socks5://proxy.example:80',
    'socks://10.1.2.3': 'socks5://10.1.2.3:1080',
    'http://[2001:DB8::1]:8080': 'http://[2001:db8::1]:8080',
    'http://bücher.example:1': 'http://xn--bcher-kva.example:1',
    'http://me:p%40ss%3Aword@proxy:1': 'http://proxy:1 me p@ss:word',
    'socks5://me@proxy': 'socks5://proxy:1080 me ',
    'http://me:100%@proxy:1': 'http://proxy:1 me 100%',
    ' proxy:1\n': 'http://proxy:1',
  }
  for (const [text, url] of Object.entries(expected)) assert.equal(read(text), url, text)
})

test('what is no address of a proxy is refused in words that give no secret away', () => {
  const refused = [
    '',
    'http://',
    'ftp://me:swordfish@proxy',
    'socks4://me:swordfish@proxy',
    'socks4a://proxy',
    'constructor://proxy',
    'http://me:swordfish@proxy/path',
    'http://me:swordfish@proxy?x',
    'http://me:swordfish@proxy:99999',
    'http://me:swordfish@proxy:0',
    'http://me:swordfish@pro xy',
  ]
  for (const text of refused) {
    const why = proxyAddress(text)
    assert.ok(typeof why === 'string', text)
    assert.ok(!why.includes('swordfish'), why)
  }
})

test('a credential that this kind of proxy cannot take is told', () => {
  assert.match(credentialProblem('http', { user: 'a:b', password: 'c' }) ?? '', /colon/)
  assert.equal(credentialProblem('socks5', { user: 'a:b', password: '' }), undefined)
  assert.match(credentialProblem('socks5', { user: 'é'.repeat(128), password: '' }) ?? '', /255 bytes/)
})

const cases: readonly (readonly [list: string, direct: readonly string[], byProxy: readonly string[]])[] = [
  [
    '',
    ['http://localhost/', 'http://a.localhost/', 'http://127.9.9.9/', 'https://[::1]:4/'],
    ['http://a/', 'http://10.0.0.1/'],
  ],
  ['<-loopback>', [], ['http://localhost/', 'http://127.0.0.1/', 'http://[::1]/', 'http://[::ffff:7f00:1]/']],
  ['*', ['http://a/', 'https://[2001:db8::1]/'], []],
  [
    'example.com',
    ['http://example.com/', 'http://EXAMPLE.com./', 'https://a.b.example.com:8/'],
    ['http://badexample.com/', 'http://com/'],
  ],
  ['.example.com', ['http://a.example.com/'], ['http://example.com/', 'http://xexample.com/']],
  ['*.example.com.', ['http://a.example.com/'], ['http://example.com/']],
  [
    'a.example:8080',
    ['http://a.example:8080/', 'http://b.a.example:8080/'],
    ['http://a.example/', 'https://a.example/'],
  ],
  ['a.example:443', ['https://a.example/'], ['http://a.example/']],
  ['bücher.example', ['http://xn--bcher-kva.example/'], ['http://bucher.example/']],
  ['10.1.2.3', ['http://10.1.2.3/', 'http://0xa010203/', 'http://[::ffff:10.1.2.3]/'], ['http://10.1.2.4/']],
  ['10.1.2.3:81', ['http://10.1.2.3:81/'], ['http://10.1.2.3/']],
  ['10.0.0.0/8', ['http://10.255.0.1/'], ['http://11.0.0.1/', 'http://ten.example/', 'http://[a00::]/']],
  ['10.1.2.3/31', ['http://10.1.2.2/'], ['http://10.1.2.4/']],
  ['0.0.0.0/0', ['http://1.2.3.4/'], ['http://[2001:db8::1]/', 'http://a/']],
  ['2001:db8::/32', ['http://[2001:db8:1::2]/'], ['http://[2001:db9::]/', 'http://10.0.0.1/']],
  ['2001:DB8::1, [2001:db8::2]:81', ['http://[2001:db8::1]/', 'http://[2001:db8::2]:81/'], ['http://[2001:db8::2]/']],
  [
    'a.example b.example,,  c.example',
    ['http://a.example/', 'http://b.example/', 'http://c.example/'],
    ['http://d.example/'],
  ],
  ['http://a.example, b@c, x/99, 1.2.3.4/33', [], ['http://a.example/', 'http://c/', 'http://1.2.3.4/']],
]
for (const [list, direct, byProxy] of cases) {
  test(`the list "${list}" of what is asked for directly`, () => {
    const rules = bypassRules(list)
    for (const url of direct) assert.equal(bypassed(new URL(url), rules), true, url)
    for (const url of byProxy) assert.equal(bypassed(new URL(url), rules), false, url)
  })
}

test('any text is an entry of the list, or none, and never breaks it', () => {
  const url = fc
    .constantFrom('http://a.example/', 'http://10.0.0.1:8/', 'https://[2001:db8::1]/')
    .map((text) => new URL(text))
  const piece = fc.constantFrom(
    'a',
    '.',
    ':',
    '*',
    '[',
    ']',
    '/',
    '1',
    '255',
    '::',
    'example',
    '%',
    'é',
    '0x',
    '<',
    '-',
  )
  fc.assert(
    fc.property(url, fc.array(piece, { maxLength: 8 }), (address, pieces) => {
      const rule = bypassRule(pieces.join(''))
      if (rule !== undefined) assert.equal(typeof bypassed(address, [rule]), 'boolean')
    }),
    { numRuns: 3000 },
  )
})

function routed(env: Readonly<Record<string, string>>, url = 'https://a.example/'): string {
  const proxy = routeOf(new URL(url), 'system', proxySettings(env))
  return proxy === undefined ? 'straight' : proxyUrl(proxy)
}

test('the environment names a proxy by the scheme of the address, else one for all', () => {
  const env = { http_proxy: 'h:1', https_proxy: 's:2', all_proxy: 'socks5://a:3' }
  assert.equal(routed(env), 'http://s:2')
  assert.equal(routed(env, 'http://a.example/'), 'http://h:1')
  assert.equal(routed({ all_proxy: 'socks5://a:3' }), 'socks5://a:3')
  assert.equal(routed({ http_proxy: 'h:1' }), 'straight')
  assert.equal(routed({}), 'straight')
  assert.equal(routed({ ...env, no_proxy: '.example' }), 'straight')
  assert.equal(routed({ ...env, NO_PROXY: '*' }), 'straight')
  assert.equal(routed(env, 'http://localhost/'), 'straight')
})

test('names in lower case count before those in upper case, and an empty one is none', () => {
  assert.equal(routed({ https_proxy: 'l:1', HTTPS_PROXY: 'u:2' }), 'http://l:1')
  assert.equal(routed({ https_proxy: ' ', HTTPS_PROXY: 'u:2' }), 'http://u:2')
  assert.equal(routed({ https_proxy: '', ALL_PROXY: 'a:3' }), 'http://a:3')
})

test('in a CGI program HTTP_PROXY is a header of its client and does not count', () => {
  const cgi = { REQUEST_METHOD: 'GET', HTTP_PROXY: 'evil:1' }
  assert.equal(routed(cgi, 'http://a.example/'), 'straight')
  assert.equal(routed({ ...cgi, http_proxy: 'h:1' }, 'http://a.example/'), 'http://h:1')
  assert.equal(routed({ HTTP_PROXY: 'h:1' }, 'http://a.example/'), 'http://h:1')
  assert.equal(routed({ REQUEST_METHOD: 'GET', HTTPS_PROXY: 's:1' }), 'http://s:1')
})

test('the choice of a request stands above the environment', () => {
  const settings = proxySettings({ all_proxy: 'a:1' })
  const url = new URL('http://a.example/')
  assert.equal(routeOf(url, 'none', settings), undefined)
  const own = { url: 'socks5://own:1', bypass: ['b.example'], credential: { user: 'u', password: 'p' } }
  assert.deepEqual(routeOf(url, own, settings), {
    kind: 'socks5',
    host: 'own',
    port: 1,
    credential: { user: 'u', password: 'p' },
  })
  assert.equal(routeOf(new URL('http://b.example/'), own, settings), undefined)
})

test('a setting that cannot be understood stops what it would concern, and nothing else', () => {
  const settings = proxySettings({ https_proxy: 'ftp://me:swordfish@p', http_proxy: 'h:1', no_proxy: 'b.example' })
  assert.throws(
    () => routeOf(new URL('https://a.example/'), 'system', settings),
    (error: unknown) =>
      error instanceof NetworkFailure &&
      error.reason === 'proxy refused' &&
      error.message.startsWith('https_proxy in the environment of the daemon cannot be used: its scheme "ftp"') &&
      !error.message.includes('swordfish'),
  )
  assert.equal(routeOf(new URL('https://b.example/'), 'system', settings), undefined)
  assert.equal(routeOf(new URL('http://a.example/'), 'system', settings)?.host, 'h')
})

test('ways are told apart by proxy and by who asks', () => {
  const keys = [
    'http://p',
    'http://p:81',
    'https://p',
    'socks5://p',
    'http://u:x@p',
    'http://u:y@p',
    'http://v:x@p',
  ].map((url) => routeKey(proxyAddress(url) as Exclude<ReturnType<typeof proxyAddress>, string>))
  assert.equal(new Set([...keys, routeKey(undefined)]).size, keys.length + 1)
})
