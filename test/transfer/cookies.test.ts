import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Cookies, isSameSite } from '../../src/transfer/http/cookies.ts'
import { ManualClock } from '../support/manual-clock.ts'

const home = 'https://www.example.com/a/b'

function jar(limits?: ConstructorParameters<typeof Cookies>[2]): {
  clock: ManualClock
  cookies: Cookies
  changes: () => number
} {
  const clock = new ManualClock()
  let changes = 0
  const cookies = new Cookies(clock, () => changes++, limits)
  return { clock, cookies, changes: () => changes }
}

test('a cookie goes back to the host that set it, by path, and to the domain that it names', () => {
  const { cookies } = jar()
  cookies.take(home, ['one=1', 'two=2; Path=/', 'three=3; Domain=example.com; Path=/'])
  assert.equal(cookies.header('https://www.example.com/a/c', 'strict'), 'one=1; two=2; three=3')
  assert.equal(cookies.header('https://www.example.com/x', 'strict'), 'two=2; three=3')
  assert.equal(cookies.header('https://other.example.com/a/c', 'strict'), 'three=3')
  assert.equal(cookies.header('https://example.org/a/c', 'strict'), undefined)
})

test('a cookie for a public suffix, or for a stranger, is not taken', () => {
  const { cookies, changes } = jar()
  cookies.take(home, ['a=1; Domain=com', 'b=1; Domain=example.org', 'c=1; Domain=api.example.com'])
  cookies.take('https://user.github.io/', ['d=1; Domain=github.io'])
  assert.equal(changes(), 0)
  for (const url of [home, 'https://example.org/', 'https://other.github.io/', 'https://api.example.com/'])
    assert.equal(cookies.header(url, 'strict'), undefined, url)
})

test('a Secure cookie comes and goes over https alone, and http does not displace it', () => {
  const { cookies } = jar()
  cookies.take('http://www.example.com/', ['early=1; Secure'])
  cookies.take('https://www.example.com/', ['id=good; Secure; Path=/'])
  cookies.take('http://www.example.com/', ['id=bad; Path=/', 'id=bad; Domain=example.com; Path=/'])
  assert.equal(cookies.header('http://www.example.com/', 'strict'), undefined)
  assert.equal(cookies.header('https://www.example.com/', 'strict'), 'id=good')
})

test('cookies with the prefixes __Secure- and __Host- are held to them', () => {
  const { cookies } = jar()
  cookies.take(home, ['__Secure-a=1', '__Host-b=1; Secure; Path=/; Domain=example.com', '__Host-c=1; Secure; Path=/'])
  assert.equal(cookies.header(home, 'strict'), '__Host-c=1')
})

test('cookies end by our clock, as Max-Age and Expires say, however often they are sent', () => {
  const { cookies, clock } = jar()
  const date = new Date(clock.wall() + 60_000).toUTCString()
  cookies.take(home, [
    'age=1; Max-Age=60; Path=/',
    `date=1; Expires=${date}; Path=/`,
    'both=1; Max-Age=120; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/',
    'session=1; Path=/',
  ])
  clock.advance(40_000)
  assert.equal(cookies.header(home, 'strict'), 'age=1; date=1; both=1; session=1')
  clock.advance(21_000)
  assert.equal(cookies.header(home, 'strict'), 'both=1; session=1')
  assert.equal(cookies.toText().includes('"age"'), false)
})

test('a server takes a cookie back by one that is over', () => {
  const { cookies, changes } = jar()
  cookies.take(home, ['a=1; Path=/', 'b=1; Path=/'])
  cookies.take(home, ['a=; Max-Age=0; Path=/', 'b=; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/'])
  assert.equal(cookies.header(home, 'strict'), undefined)
  assert.equal(cookies.toText(), '[]')
  assert.equal(changes(), 2)
  cookies.take(home, ['a=; Max-Age=0; Path=/'])
  assert.equal(changes(), 2)
})

test('the same cookie again is no change', () => {
  const { cookies, changes } = jar()
  cookies.take(home, ['a=1; Path=/'])
  cookies.take(home, ['a=1; Path=/'])
  assert.equal(changes(), 1)
  cookies.take(home, ['a=2; Path=/'])
  assert.equal(changes(), 2)
})

test('a SameSite=Strict cookie does not follow a redirect from another site', () => {
  const { cookies } = jar()
  cookies.take(home, ['a=1; SameSite=Strict; Path=/', 'b=1; SameSite=Lax; Path=/'])
  assert.equal(cookies.header(home, 'strict'), 'a=1; b=1')
  assert.equal(cookies.header(home, 'lax'), 'b=1')
  assert.equal(cookies.header(home, 'none'), undefined)
  assert.equal(isSameSite('https://a.example.com/', 'https://b.example.com/x'), true)
  assert.equal(isSameSite('http://a.example.com/', 'https://a.example.com/'), false)
  assert.equal(isSameSite('https://a.github.io/', 'https://b.github.io/'), false)
  assert.equal(isSameSite('http://127.0.0.1:80/', 'http://127.0.0.1:81/'), true)
  assert.equal(isSameSite('http://127.0.0.1/', 'http://127.0.0.2/'), false)
})

test('a jar has a size: cookies that are too large are not taken, those that were used least lately go', () => {
  const { cookies } = jar({ size: 20, perSite: 3, all: 4 })
  cookies.take(home, ['large=0123456789abcdef', 'a=1; Path=/', 'b=1; Path=/', 'c=1; Path=/'])
  cookies.take('https://www.example.org/', ['x=1'])
  assert.equal(cookies.header('https://www.example.org/', 'strict'), 'x=1')
  cookies.take('https://api.example.com/', ['d=1; Domain=example.com; Path=/'])
  assert.equal(cookies.header(home, 'strict'), 'b=1; c=1; d=1')
  cookies.take('https://www.example.net/', ['y=1'])
  cookies.take('https://www.example.edu/', ['z=1'])
  assert.equal((JSON.parse(cookies.toText()) as unknown[]).length, 4)
  assert.equal(cookies.header('https://www.example.edu/', 'strict'), 'z=1')
  assert.equal(cookies.header('https://www.example.org/', 'strict'), undefined)
})

test('no head has room for so many cookies that taking them holds anybody up, however full the jar is', () => {
  const { cookies } = jar()
  const sites = Array.from({ length: 20 }, (_, i) => `https://www.example${i}.com/`)
  for (const site of sites) cookies.take(site, manyCookies(50, '; Secure'))
  for (const url of ['http://www.example.com/', home]) {
    const started = process.cpuUsage().user
    cookies.take(url, manyCookies(5000))
    assert.ok(process.cpuUsage().user - started < 1_000_000, `${url} takes long`)
    assert.equal(cookies.header(url, 'strict')?.split('; ').length, 50)
  }
  const { cookies: restored } = jar()
  const started = process.cpuUsage().user
  restored.restore(cookies.toText())
  assert.ok(process.cpuUsage().user - started < 500_000, 'reading it again takes long')
})

function manyCookies(count: number, attributes = ''): readonly string[] {
  return Array.from({ length: count }, (_, i) => `a${i}=b${attributes}`)
}

test('a jar that was written down is the same when it is read, and what came meanwhile wins', () => {
  const before = jar()
  before.cookies.take(home, ['a=1; Max-Age=60; Path=/; HttpOnly', 'b=1; Domain=example.com; Path=/; Secure'])
  const after = jar()
  after.cookies.take(home, ['a=new; Path=/'])
  after.cookies.restore(before.cookies.toText())
  assert.equal(after.cookies.header('https://www.example.com/', 'strict'), 'a=new; b=1')
  assert.equal(after.cookies.header('https://sub.example.com/', 'strict'), 'b=1')
  assert.equal(after.cookies.header('http://www.example.com/', 'strict'), 'a=new')
  assert.throws(() => after.cookies.restore('{}'))
})

test('what is not a cookie is left out', () => {
  const { cookies, changes } = jar()
  cookies.take(home, ['', ';', '=', 'a\u0000=1', 'Path=/'])
  assert.ok(changes() <= 1)
  cookies.take('http://[::1]:8080/', ['v6=1'])
  assert.equal(cookies.header('http://[::1]:9090/', 'strict'), 'v6=1')
})
