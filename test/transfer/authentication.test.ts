import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { test, type TestContext } from 'node:test'
import type { KnownCredential } from '../../src/contract/credential.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { HeaderPairs, RequestFacts } from '../../src/contract/task.ts'
import { createTransport } from '../../src/network/transport.ts'
import { createClock, random } from '../../src/platform/clock.ts'
import { Access } from '../../src/transfer/access.ts'
import { AttemptStopped } from '../../src/transfer/endings.ts'
import { introduced } from '../../src/transfer/http/introduced.ts'
import { type Answer, ask } from '../../src/transfer/http/request.ts'
import { Measures } from '../../src/transfer/measures.ts'
import { GuardedServer, parse } from '../support/guarded-server.ts'

const mufasa = { user: 'Mufasa', password: 'Circle of Life' }

interface Stage {
  readonly server: GuardedServer
  readonly credentials: Map<string, KnownCredential | LonghaulError>
  /** Asks as one attempt of the session, and reads the answer to its end. */
  get(
    url: string,
    more?: { readonly headers?: HeaderPairs; readonly from?: 'address'; readonly keep?: readonly string[] },
  ): Promise<Answer>
  readonly measures: Measures
}

async function stage(t: TestContext): Promise<Stage> {
  const server = await GuardedServer.start()
  const transport = createTransport()
  t.after(async () => {
    await server[Symbol.asyncDispose]()
    await transport.close()
  })
  const clock = createClock()
  const credentials: Stage['credentials'] = new Map()
  const access = new Access(
    {
      credential: (origin) => {
        const found = credentials.get(origin)
        return found instanceof LonghaulError ? Promise.reject(found) : Promise.resolve(found)
      },
      storedCookies: () => Promise.resolve(undefined),
      cookiesChanged: () => {},
      cookiesLost: () => {},
    },
    { clock, random },
  )
  const measures = new Measures()
  return {
    server,
    credentials,
    measures,
    get: async (url, { headers = [], from, keep = [] } = {}) => {
      const request: RequestFacts = { url, method: 'GET', headers, ...(from && { authorization: 'from address' }) }
      const policy = {
        stallMs: 10_000,
        cookies: 'session',
        tls: {},
        proxy: 'none',
        keepHeadersAcrossOrigins: keep,
        allowPrivateRedirects: true,
      } as const
      const answer = await ask(request, policy, { transport, clock, measures, access }, new AbortController().signal)
      await answer.receive(() => undefined)
      return answer
    },
  }
}

function statuses({ server }: Stage): readonly number[] {
  return server.seen.map(({ status }) => status)
}

function basicOf(user: string, password: string): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

function originOf(url: string): string {
  return new URL(url).origin
}

for (const algorithm of [undefined, 'MD5', 'MD5-sess', 'SHA-256', 'SHA-256-sess'] as const)
  for (const qop of [true, false])
    test(`a Digest challenge with ${algorithm ?? 'no algorithm'} and ${qop ? 'qop=auth' : 'no qop'} is answered, later requests at once`, async (t) => {
      const here = await stage(t)
      here.server.digest({ ...(algorithm !== undefined && { algorithm }), qop }, (_, response) => response.end('in'))
      here.credentials.set(originOf(here.server.url('/')), mufasa)
      for (const path of ['/a?b=c', '/a', '/d/e%20f']) assert.equal((await here.get(here.server.url(path))).status, 200)
      assert.deepEqual(statuses(here), [401, 200, 200, 200])
    })

test('the strongest challenge that can be answered is chosen, whatever the order', async (t) => {
  const here = await stage(t)
  const weaker = ['Negotiate', 'Basic realm="files", Digest realm="files", nonce="weak", qop="auth", algorithm=MD5']
  here.server.digest({ algorithm: 'SHA-256' }, (_, response) => response.end('in'), weaker)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  assert.equal((await here.get(here.server.url('/'))).status, 200)
  assert.equal(parse(here.server.seen[1]?.authorization)?.['algorithm'], 'SHA-256')
})

test('Digest goes on with each nextnonce, and a nonce that is over costs one question more', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.server.digest({ nextnonce: true, uses: 1 }, (_, response) => response.end('in'))
  for (let i = 0; i < 3; i++) assert.equal((await here.get(here.server.url('/'))).status, 200)
  assert.deepEqual(statuses(here), [401, 200, 200, 200])
  for (const silent of [false, true]) {
    here.server.seen.length = 0
    here.server.digest({ uses: 2, silent }, (_, response) => response.end('in'))
    for (let i = 0; i < 4; i++) assert.equal((await here.get(here.server.url('/'))).status, 200)
    assert.deepEqual(statuses(here), [401, 200, 200, 401, 200, 200])
  }
})

test('connections that ask at the same time never use one count twice', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.server.digest({}, (_, response) => response.end('in'))
  assert.equal((await here.get(here.server.url('/'))).status, 200)
  const answers = await Promise.all(Array.from({ length: 24 }, (_, i) => here.get(here.server.url(`/${i}`))))
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
  assert.equal(statuses(here).filter((status) => status === 401).length, 1)
})

test('connections that share nonces of one use each get in', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.server.digest({ nextnonce: true, uses: 1 }, (_, response) => response.end('in'))
  const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => here.get(here.server.url(`/${i}`))))
  assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200])
})

test('Digest is sent unasked to the addresses of its domain alone, and to no other origin that it names', async (t) => {
  const here = await stage(t)
  const other = here.server.url('/', 'localhost')
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.server.digest({ domain: `/a/ ${other}` }, (_, response) => response.end('in'))
  for (const path of ['/a/1', '/a/2', '/b']) assert.equal((await here.get(here.server.url(path))).status, 200)
  assert.deepEqual(statuses(here), [401, 200, 200, 401, 200])
  assert.equal((await here.get(other)).status, 401)
  assert.equal(here.server.seen.at(-1)?.authorization, undefined)
})

test('Basic is sent unasked at and below the folder that asked for it, not beside it', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), { user: 'ä', password: 'p:q' })
  here.server.basic('ä', 'p:q', (_, response) => response.end('in'))
  for (const path of ['/a/b/1', '/a/b/2?x', '/a/b/c/3', '/a/4', '/a/b/5'])
    assert.equal((await here.get(here.server.url(path))).status, 200)
  assert.deepEqual(statuses(here), [401, 200, 200, 200, 401, 200, 200])
})

test('a bearer token goes to its origin without being asked, and is not tried twice', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), { bearer: 'abc.def' })
  here.server.answer((request, response) => {
    if (request.headers.authorization === 'Bearer abc.def' && request.url === '/in') return response.end('in')
    return response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end()
  })
  assert.equal((await here.get(here.server.url('/in'))).status, 200)
  const refused = await here.get(here.server.url('/out'))
  assert.deepEqual(statuses(here), [200, 401])
  assert.match(refused.unauthorised?.why ?? '', /refused the bearer token/)
  await here.get(here.server.url('/in', 'localhost'))
  assert.equal(here.server.seen.at(-1)?.authorization, undefined)
})

test('wrong credentials are refused in words after one answer, and not sent unasked afterwards', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), { ...mufasa, password: 'wrong' })
  here.server.digest({}, (_, response) => response.end('in'))
  for (let i = 0; i < 2; i++) {
    const { status, unauthorised } = await here.get(here.server.url('/'))
    assert.equal(status, 401)
    assert.match(unauthorised?.why ?? '', /refused the user and password \(Digest, realm "files"\)/)
    assert.doesNotMatch(JSON.stringify(unauthorised), /wrong|Mufasa/)
  }
  assert.deepEqual(statuses(here), [401, 401, 401, 401])
  assert.equal(here.server.seen[2]?.authorization, undefined)
})

test('a realm that is not ASCII is proven by its octets and told as it is meant', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  for (const algorithm of ['MD5', 'SHA-256-sess'] as const) {
    here.server.digest({ realm: 'Geschützt', algorithm }, (_, response) => response.end('in'))
    assert.equal((await here.get(here.server.url(`/${algorithm}`))).status, 200)
  }
  here.server.digest({ realm: 'Geschützt', password: 'another' }, (_, response) => response.end('in'))
  const { unauthorised } = await here.get(here.server.url('/'))
  assert.match(unauthorised?.why ?? '', /\(Digest, realm "Geschützt"\)/)
  here.credentials.clear()
  assert.match((await here.get(here.server.url('/'))).unauthorised?.why ?? '', /for the realm "Geschützt"/)
})

test('a server that calls every nonce stale is answered twice, not for ever', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.server.digest({ uses: 0 }, (_, response) => response.end('in'))
  assert.equal((await here.get(here.server.url('/'))).status, 401)
  assert.deepEqual(statuses(here), [401, 401, 401])
})

test('who and how is said when nothing can be answered', async (t) => {
  const here = await stage(t)
  const say = async (challenge: string | undefined): Promise<string> => {
    here.server.answer((_, response) => {
      response.writeHead(401, challenge === undefined ? {} : { 'www-authenticate': challenge }).end()
    })
    const { unauthorised } = await here.get(here.server.url('/'))
    return `${unauthorised?.why} | ${unauthorised?.hint}`
  }
  assert.match(
    await say('Negotiate, Basic realm="the \\"vault\\""'),
    /asks for credentials \(Negotiate, Basic\) for the realm "the \\"vault\\"", and there are none.*setCredential\('http:/,
  )
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  assert.match(await say('Negotiate'), /asks for Negotiate, which a user and password cannot answer/)
  assert.match(await say(undefined), /names no way to authenticate/)
  here.credentials.set(
    originOf(here.server.url('/')),
    new LonghaulError('USER_AUTHENTICATION_REQUIRED', 'The file is gone.'),
  )
  assert.match(await say('Basic realm="a"'), /asks for credentials\. The file is gone\./)
})

test('a credential that cannot be read just now ends the attempt in passing, not as one that is missing', async (t) => {
  const here = await stage(t)
  const tooManyFiles = new LonghaulError('NO_PERMISSIONS_TO_READ_FILE', 'EMFILE', { retryable: true })
  here.credentials.set(originOf(here.server.url('/')), tooManyFiles)
  here.server.answer((_, response) => {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="a"' }).end()
  })
  await assert.rejects(here.get(here.server.url('/')), tooManyFiles)
})

test("a request's own Authorization is sent as it is and never replaced", async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.server.digest({}, (_, response) => response.end('in'))
  const own = basicOf('own', 'header')
  const { status, unauthorised } = await here.get(here.server.url('/'), { headers: [['Authorization', own]] })
  assert.equal(status, 401)
  assert.match(unauthorised?.why ?? '', /refused the Authorization header of the request/)
  assert.deepEqual(
    here.server.seen.map(({ authorization }) => authorization),
    [own],
  )
})

test('user and password of the address are shown as Basic until Digest is asked for, then as Digest alone', async (t) => {
  const here = await stage(t)
  const headers: HeaderPairs = [['Authorization', basicOf('Mufasa', 'Circle of Life')]]
  // The session's credential is for others.
  here.credentials.set(originOf(here.server.url('/')), { user: 'somebody', password: 'else' })
  here.server.basic('Mufasa', 'Circle of Life', (_, response) => response.end('in'))
  assert.equal((await here.get(here.server.url('/'), { headers, from: 'address' })).status, 200)
  assert.deepEqual(statuses(here), [200])
  here.server.digest({}, (_, response) => response.end('in'))
  assert.equal((await here.get(here.server.url('/'), { headers, from: 'address' })).status, 200)
  assert.equal((await here.get(here.server.url('/x'), { headers, from: 'address' })).status, 200)
  const written = new URL(here.server.url('/y'))
  written.username = 'Mufasa'
  written.password = 'Circle of Life'
  assert.equal((await here.get(written.href)).status, 200)
  assert.deepEqual(statuses(here), [200, 401, 200, 200, 200])
  for (const { authorization } of here.server.seen.slice(2)) assert.match(authorization ?? '', /^Digest /)
})

test('a server that has asked for Digest does not get the password by asking for Basic', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.server.digest({}, (_, response) => response.end('in'))
  assert.equal((await here.get(here.server.url('/'))).status, 200)
  here.server.basic('Mufasa', 'Circle of Life', (_, response) => response.end('in'))
  const { status, unauthorised } = await here.get(here.server.url('/'))
  assert.equal(status, 401)
  assert.match(unauthorised?.why ?? '', /asks for Basic credentials where it has asked for Digest before/)
  assert.equal(
    here.server.seen.some(({ authorization }) => authorization?.startsWith('Basic') === true),
    false,
  )
})

test('no credential and no cookie goes along with a redirect to another origin', async (t) => {
  const here = await stage(t)
  await using other = await GuardedServer.start()
  other.answer((_, response) => response.writeHead(401, { 'www-authenticate': 'Basic realm="files"' }).end())
  const away = other.url('/stolen', 'localhost')
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  const inside = (_: unknown, response: ServerResponse): void => {
    response.writeHead(302, { location: away, 'set-cookie': 'id=secret; Path=/' }).end()
  }
  here.server.basic('Mufasa', 'Circle of Life', inside)
  const headers: HeaderPairs = [['Authorization', basicOf('Mufasa', 'Circle of Life')]]
  assert.equal((await here.get(here.server.url('/1'), { headers, from: 'address' })).status, 401)
  await here.get(here.server.url('/2'), { headers: [...headers, ['Cookie', 'own=1']] })
  here.server.digest({}, inside)
  await here.get(here.server.url('/3'))
  assert.equal(other.seen.length, 3)
  for (const { authorization, cookie } of other.seen) assert.deepEqual([authorization, cookie], [undefined, undefined])
})

test('an origin that is redirected to is shown its own credential and its own cookies', async (t) => {
  const here = await stage(t)
  await using other = await GuardedServer.start()
  const away = other.url('/file', 'localhost')
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.credentials.set(originOf(away), { user: 'Nala', password: 'Pride' })
  other.digest({ user: 'Nala', password: 'Pride' }, (_, response) => {
    response.setHeader('set-cookie', 'other=1')
    response.end('in')
  })
  here.server.digest({}, (_, response) => response.writeHead(307, { location: away, 'set-cookie': 'id=1' }).end())
  for (let i = 0; i < 2; i++) assert.equal((await here.get(here.server.url('/'))).status, 200)
  assert.deepEqual(
    other.seen.map(({ status, cookie }) => [status, cookie]),
    [
      [401, undefined],
      [200, undefined],
      [200, 'other=1'],
    ],
  )
  assert.deepEqual(
    here.server.seen.map(({ cookie }) => cookie),
    [undefined, undefined, 'id=1'],
  )
})

test('cookies of redirects and of refusals are taken, and are there for the very next question', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), { user: 'u', password: 'p' })
  here.server.answer((request, response) => {
    if (request.url === '/') return response.writeHead(302, { location: '/login', 'set-cookie': ['a=1', 'b=2'] }).end()
    if (request.headers.authorization === undefined)
      return response.writeHead(401, { 'www-authenticate': 'Basic realm="r"', 'set-cookie': 'c=3' }).end()
    return response.end('in')
  })
  assert.equal((await here.get(here.server.url('/'))).status, 200)
  assert.deepEqual(
    here.server.seen.map(({ cookie }) => cookie),
    [undefined, 'a=1; b=2', 'a=1; b=2; c=3'],
  )
})

test("a request's own Cookie is sent alone, and what the server sets is kept for others", async (t) => {
  const here = await stage(t)
  here.server.answer((_, response) => response.writeHead(200, { 'set-cookie': 'jar=1' }).end())
  await here.get(here.server.url('/'), { headers: [['cookie', 'own=1']] })
  await here.get(here.server.url('/'), { headers: [['cookie', 'own=1']] })
  await here.get(here.server.url('/'))
  assert.deepEqual(
    here.server.seen.map(({ cookie }) => cookie),
    ['own=1', 'own=1', 'jar=1'],
  )
})

test('an attempt that is stopped does not wait for what the session has stored', async () => {
  const never = new Promise<never>(() => {})
  const keeper = {
    credential: () => never,
    storedCookies: () => never,
    cookiesChanged: () => {},
    cookiesLost: () => {},
  }
  const access = new Access(keeper, { clock: createClock(), random })
  const stopping = new AbortController()
  const who = { access, cookies: 'session', site: 'strict', signal: stopping.signal } as const
  const asked = introduced({ url: 'http://h/', method: 'GET', headers: [] }, who, () => never)
  stopping.abort()
  await assert.rejects(asked, AttemptStopped)
  await assert.rejects(
    introduced({ url: 'http://h/', method: 'GET', headers: [] }, who, () => never),
    AttemptStopped,
  )
})

test('what is recorded of questions and answers holds no password, no cookie and no token', async (t) => {
  const here = await stage(t)
  here.credentials.set(originOf(here.server.url('/')), mufasa)
  here.server.digest({}, (_, response) =>
    response.writeHead(200, { 'set-cookie': ['id=secret; Path=/', 'broken'] }).end(),
  )
  const headers: HeaderPairs = [
    ['Authorization', basicOf('Mufasa', 'Circle of Life')],
    ['Cookie', 'id=secret'],
  ]
  const { response } = await here.get(here.server.url('/'), { headers, from: 'address' })
  await here.get(here.server.url('/'))
  assert.deepEqual(
    response.headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value),
    ['id=***; Path=/', 'broken'],
  )
  const recorded = JSON.stringify([response, here.measures.taken()])
  for (const secret of ['secret', 'Circle', basicOf('Mufasa', 'Circle of Life').slice(6), 'response='])
    assert.equal(recorded.includes(secret), false, secret)
})
