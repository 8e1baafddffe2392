// Who a session is to servers, through a real daemon: answered, kept sealed, and shown to nobody else.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BackgroundSession } from 'longhaul'
import { GuardedServer } from '../support/guarded-server.ts'
import { Stage, type ThrownThere } from '../support/stage.ts'

const identifier = 'com.example.accounts'
const user = 'Mufasa'
const password = 'Circle-of-Life-4711'

/** A file that can be gone on from; the first answers break after so many bytes. */
function file(
  content: Buffer,
  breaksAfter: readonly number[] = [],
): (request: IncomingMessage, response: ServerResponse) => void {
  const breaks = [...breaksAfter]
  return (request, response) => {
    const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
    const partial = request.headers.range !== undefined
    response.writeHead(partial ? 206 : 200, {
      etag: '"v1"',
      'accept-ranges': 'bytes',
      'content-length': content.length - from,
      ...(partial && { 'content-range': `bytes ${from}-${content.length - 1}/${content.length}` }),
    })
    const until = breaks.shift()
    if (until === undefined) response.end(content.subarray(from))
    else response.write(content.subarray(from, from + until), () => response.destroy())
  }
}

/** Every file of the daemon's home that holds one of these texts. */
function holding(home: string, texts: readonly string[]): readonly string[] {
  return readdirSync(home, { recursive: true, encoding: 'utf8' })
    .filter((name) => statSync(join(home, name)).isFile())
    .filter((name) => {
      const content = readFileSync(join(home, name)).toString('latin1')
      return texts.some((text) => content.includes(text))
    })
}

test('a download goes on through Digest with a nonce for each answer, over broken answers and a new daemon', async () => {
  await using server = await GuardedServer.start()
  await using stage = await Stage.open()
  const content = randomBytes(3_000_000)
  server.digest(
    { user, password, algorithm: 'SHA-256', nextnonce: true, uses: 1 },
    file(content, [1_000_000, 1_000_000]),
  )
  const app = await stage.start({ identifier })
  const configuration = { maximumSegmentsPerTask: 1, retry: { initialDelay: '1ms', maximumDelay: '1ms' } } as const
  const bytes = await app.run(
    async ({ open, kept }, options, credential, url, to) => {
      const session = await open(options)
      kept.set('session', session)
      await session.setCredential(new URL(url).origin, credential)
      const task = await session.download(url, { to })
      return (await task.finished()).bytes
    },
    { identifier: 'com.example.broken', configuration },
    { user, password },
    server.url('/a.bin?token=1'),
    stage.path('a.bin'),
  )
  assert.equal(bytes, content.length)
  assert.ok(readFileSync(stage.path('a.bin')).equals(content))
  assert.deepEqual(
    server.seen.map(({ status }) => status),
    [401, 200, 206, 206],
  )

  const former = await stage.killDaemon()
  const again = await app.run(
    async ({ kept }, url, to) => {
      const session = kept.get('session') as BackgroundSession
      const task = await session.download(url, { to })
      await task.finished()
      return JSON.stringify([
        task.snapshot,
        await task.explain(),
        (await task.finished()).metrics,
        session.configuration,
      ])
    },
    server.url('/b.bin'),
    stage.path('b.bin'),
  )
  await stage.newDaemon(former)
  assert.ok(readFileSync(stage.path('b.bin')).equals(content))
  assert.deepEqual(
    server.seen.slice(4).map(({ status }) => status),
    [401, 200],
  )
  assert.equal(again.includes(password) || again.includes('response='), false)
  const coded = Buffer.from(`${user}:${password}`).toString('base64')
  assert.deepEqual(holding(stage.home, [password, coded]), [])
})

test('cookies are kept over a new daemon, of each session apart, and go when the session becomes invalid', async () => {
  await using server = await GuardedServer.start()
  await using stage = await Stage.open()
  server.answer((request, response) => {
    if (request.url === '/login')
      return response.writeHead(302, { location: '/file', 'set-cookie': 'id=c00kie-value' }).end()
    const fields = request.url === '/for-the-app' ? { 'set-cookie': 'id=plain' } : {}
    return response.writeHead(200, { 'content-length': 2, ...fields }).end('in')
  })
  const app = await stage.start({ identifier })
  const get = (of: string, path: string, more: { readonly cookies?: 'none' } = {}): Promise<string> =>
    app.run(
      async ({ open }, options, url, to) => {
        const session = await open(options)
        const { response } = await (await session.download(url, { to, ifExists: 'replace' })).finished()
        await session.close()
        return JSON.stringify(response)
      },
      { identifier: of, ...(more.cookies !== undefined && { configuration: more }) },
      server.url(path),
      stage.path('file'),
    )
  const last = (): string | undefined => server.seen.at(-1)?.cookie
  await get('com.example.one', '/login')
  assert.equal(last(), 'id=c00kie-value')
  await get('com.example.two', '/file')
  assert.equal(last(), undefined)
  await get('com.example.none', '/for-the-app', { cookies: 'none' })
  assert.equal(last(), undefined)
  const former = (await stage.longhaul('daemon', 'stop')).code
  assert.equal(former, 0)
  await get('com.example.one', '/file')
  assert.equal(last(), 'id=c00kie-value')
  await get('com.example.none', '/file')
  assert.equal(last(), undefined)

  await app.run(async ({ open, kept }, of) => {
    const session = await open({ identifier: of })
    kept.set('session', session)
    await session.activate()
    await session.invalidateAndCancel()
  }, 'com.example.one')
  await stage.event('didBecomeInvalid', ({ session }) => session === 'com.example.one')
  await app.run(async ({ kept }) => (kept.get('session') as BackgroundSession).close())
  await get('com.example.one', '/file')
  assert.equal(last(), undefined)
  await stage.longhaul('daemon', 'stop')
  assert.deepEqual(holding(stage.home, ['c00kie-value']), [])
})

test('the short way keeps cookies, and a password in its address answers Digest', async () => {
  await using server = await GuardedServer.start()
  await using stage = await Stage.open()
  server.digest({ user, password }, (_, response) => response.writeHead(200, { 'set-cookie': 'a=1; Path=/' }).end('in'))
  const app = await stage.start({})
  const url = new URL(server.url('/x'))
  url.username = user
  url.password = password
  await app.run(
    async ({ longhaul }, address, folder) => {
      await longhaul.download(address, { to: `${folder}/1` })
      await longhaul.download(`${address}y`, { to: `${folder}/2` })
    },
    url.href,
    stage.files,
  )
  assert.deepEqual(
    server.seen.map(({ status, cookie }) => [status, cookie]),
    [
      [401, undefined],
      [200, undefined],
      [200, 'a=1'],
    ],
  )
  const ran = await stage.longhaul('get', '-u', `${user}:${password}`, server.url('/cli'), '-o', stage.path('cli'))
  assert.equal(ran.code, 0, ran.stderr)
})

test('credentials that a server refuses end the task with who refused what, and no secret', async () => {
  await using server = await GuardedServer.start()
  await using stage = await Stage.open()
  server.digest({ user, password }, (_, response) => response.end('in'))
  const app = await stage.start({ identifier })
  const failed = app.run(
    async ({ session }, credential, url, to) => {
      await session.setCredential(url, credential)
      await (await session.download(`${url}/a`, { to })).finished()
    },
    { user, password: 'not-the-one' },
    server.url(''),
    stage.path('a'),
  )
  await assert.rejects(failed, ({ code, message }: ThrownThere) => {
    assert.equal(code, 'USER_AUTHENTICATION_REQUIRED')
    assert.match(message, /answered with status 401: it refused the user and password \(Digest, realm "files"\)\./)
    return !message.includes('not-the-one')
  })
  assert.deepEqual(
    server.seen.map(({ status }) => status),
    [401, 401],
  )
})

test('what is wrong with a credential is told by its name when it is set, and nothing is changed', async () => {
  await using stage = await Stage.open()
  const app = await stage.start({ identifier })
  const refused = async (origin: string, credential: unknown, code: string, why: RegExp): Promise<void> => {
    await assert.rejects(
      app.run(
        async ({ session }, at, given) => session.setCredential(at, given as { bearer: string }),
        origin,
        credential,
      ),
      (error: ThrownThere) => error.code === code && why.test(error.message) && !error.message.includes('s3cret'),
    )
  }
  const origin = 'https://example.com'
  await refused('example.com', { bearer: 's3cret' }, 'INVALID_ARGUMENT', /is not an origin/)
  await refused(`${origin}/path`, { bearer: 's3cret' }, 'INVALID_ARGUMENT', /write 'https:\/\/example\.com'/)
  await refused('https://u:s3cret@example.com', { bearer: 's3cret' }, 'INVALID_ARGUMENT', /serves all of an origin/)
  await refused(origin, 's3cret', 'INVALID_ARGUMENT', /neither null nor/)
  await refused(origin, { user: 'u', pasword: 's3cret' }, 'INVALID_ARGUMENT', /Did you mean 'password'/)
  await refused(origin, { user: 'u', password: 's3cret\n' }, 'INVALID_ARGUMENT', /line breaks/)
  await refused(origin, { bearer: 's3cret blank' }, 'INVALID_ARGUMENT', /blanks/)
  await refused(origin, { certificate: { from: 'file', name: '/x' } }, 'INVALID_ARGUMENT', /not in this version/)
  await refused(origin, { bearer: { from: 'keyring', name: 'x' } }, 'INVALID_ARGUMENT', /not in this version/)
  await refused(
    origin,
    { bearer: { from: 'file', name: stage.path('none') } },
    'USER_AUTHENTICATION_REQUIRED',
    /ENOENT/,
  )
  await refused(origin, { bearer: { from: 'env', name: 'NOT_THERE' } }, 'USER_AUTHENTICATION_REQUIRED', /NOT_THERE/)
})
