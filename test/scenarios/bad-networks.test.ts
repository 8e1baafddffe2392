/** What networks and servers do to a download, and that an app gets the right bytes, or the truth about why it does not. */
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import type { DownloadOptions, DownloadResult } from 'longhaul'
import {
  bothLengths,
  cutAfter,
  framed,
  ignoreRange,
  lie,
  ok,
  other,
  raw,
  redirect,
  resetAfter,
  stallAfter,
  status,
} from '../../src/testing/index.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { type Report, Stage } from '../support/stage.ts'

const size = 600_000
const part = 250_000

const server = await CertifiedServer.start()
const stage = await Stage.open()
after(() => Promise.all([stage[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]))
const app = await stage.start({ identifier: 'com.example.networks' })

interface Fetched {
  readonly id: string
  readonly result?: Omit<DownloadResult, 'response'> & { readonly status: number; readonly url: string }
  readonly error?: Readonly<Record<string, unknown>>
}

/** Downloads to the end, with hardly a pause between attempts. */
function fetched(url: string, options: DownloadOptions<undefined> = {}): Promise<Fetched> {
  return app.run(
    async ({ session }, address, given): Promise<Fetched> => {
      const task = await session.download(address, { retry: { initialDelay: '1ms', maximumDelay: '5ms' }, ...given })
      try {
        const { response, ...result } = await task.finished()
        return { id: task.id, result: { ...result, status: response.status, url: response.url } }
      } catch (error) {
        return { id: task.id, error: (error as { toJSON(): Readonly<Record<string, unknown>> }).toJSON() }
      }
    },
    url,
    options,
  )
}

async function assertWhole({ result, error }: Fetched, path: string): Promise<void> {
  assert.equal(error, undefined)
  assert.equal(await stage.digest(result!.path), server.digest(path))
}

/** Why attempts of this task failed, as the delegate was told. */
function causes(id: string): readonly unknown[] {
  return stage.reports
    .which(({ name, task }) => name === 'didRetry' && task === id)
    .map(({ fields }) => (fields['cause'] as { readonly code: string }).code)
}

async function ended(id: string): Promise<Report> {
  return stage.event('didComplete', ({ task }) => task === id)
}

test('a server without ranges whose line is cut time and again is asked until the file is whole', async () => {
  const path = '/no-ranges.bin'
  const script = Array.from({ length: 9 }, () => cutAfter(100_000))
  // Half of the answers are for nothing: each attempt asks for the rest first, and once more without a condition.
  const url = server.file(path, { size, etag: '"v1"', ranges: false, script: script.flatMap((cut) => [cut, cut]) })
  const done = await fetched(url, { to: stage.path('no-ranges.bin') })
  await assertWhole(done, path)
  await ended(done.id)
  assert.deepEqual(new Set(causes(done.id)), new Set(['NETWORK_CONNECTION_LOST']))
  assert.ok(causes(done.id).length > 6)
})

for (const [how, breaks] of [
  ['cut', cutAfter],
  ['reset', resetAfter],
] as const) {
  test(`a line that is ${how} three times: the file is whole, and no byte that arrived is asked for again`, async () => {
    const path = `/${how}.bin`
    const script = [breaks(100_000), breaks(100_000), breaks(100_000)]
    const done = await fetched(server.file(path, { size, etag: '"v1"', script }), { to: stage.path(`${how}.bin`) })
    await assertWhole(done, path)
    await ended(done.id)
    assert.deepEqual(causes(done.id), Array(3).fill('NETWORK_CONNECTION_LOST'))
    const requests = server.requestsFor(path)
    // A reset may overtake what was sent before it; every next request begins where the last one had come to.
    const offsets = requests.map(({ headers }) => Number(/^bytes=(\d+)-$/.exec(headers['range'] ?? 'bytes=0-')![1]))
    assert.deepEqual(
      offsets,
      offsets.toSorted((a, b) => a - b),
    )
    if (how === 'cut') assert.deepEqual(offsets, [0, 100_000, 200_000, 300_000])
    const conditions = requests.slice(1).map(({ headers }) => headers['if-range'])
    assert.ok(conditions.every((condition, index) => condition === '"v1"' || offsets[index + 1] === 0))
    assert.equal(done.result!.metrics.attempts, 4)
    const resumed = stage.events(({ name, task }) => name === 'didResumeAtOffset' && task === done.id)
    assert.deepEqual(
      resumed.map(({ fields }) => fields['fileOffset']),
      offsets.filter((offset) => offset > 0),
    )
  })
}

test('a server that falls silent ends the attempt after timeoutIntervalForRequest, and the next goes on', async () => {
  const url = server.file('/stalled.bin', { size, etag: '"v1"', script: [stallAfter(part)] })
  const done = await fetched(url, { timeoutIntervalForRequest: '400ms' })
  await assertWhole(done, '/stalled.bin')
  await ended(done.id)
  assert.deepEqual(causes(done.id), ['STALLED'])
  assert.equal(server.requestsFor('/stalled.bin')[1]!.headers['range'], `bytes=${part}-`)
  server.release()
})

test('a file that has changed between two attempts is fetched anew, and bytes of two never meet', async () => {
  const url = server.file('/changed.bin', { size, etag: '"v1"', script: [cutAfter(part)] })
  server.change('/changed.bin', {
    etag: '"v2"',
    seed: 'changed',
    script: [{ ...other('first', '"v1"'), ...cutAfter(part) }],
  })
  const done = await fetched(url)
  await assertWhole(done, '/changed.bin')
  assert.deepEqual(
    server.requestsFor('/changed.bin').map(({ headers }) => [headers['range'], headers['if-range']]),
    [
      [undefined, undefined],
      [`bytes=${part}-`, '"v1"'],
    ],
  )
  const resumed = stage.events(({ name, task }) => name === 'didResumeAtOffset' && task === done.id)
  assert.deepEqual(resumed, [])
})

test('a mirror that serves other bytes under the old ETag is caught by the digest, and its file replaced by the right one', async () => {
  const path = '/lying.bin'
  const url = server.file(path, { size, etag: '"v1"', script: [cutAfter(part), lie('other bytes')] })
  const done = await fetched(url, { expectedDigest: `sha-256:${server.digest(path)}` })
  await assertWhole(done, path)
  await ended(done.id)
  assert.deepEqual(causes(done.id), ['NETWORK_CONNECTION_LOST', 'DIGEST_MISMATCH'])
  assert.equal(done.result!.digest, `sha-256:${server.digest(path)}`)
})

test('a link that leads to another mirror at each attempt costs nothing of what came: the first one gives the rest', async () => {
  const script = [cutAfter(part), cutAfter(part)]
  const first = `${server.file('/mirror-a.bin', { size, etag: '"v1"', script })}?signature=1`
  const second = server.file('/mirror-b.bin', { size, etag: '"v1"' })
  const done = await fetched(server.answers('/mirrors', redirect(first), redirect(second)))
  await assertWhole(done, '/mirror-a.bin')
  assert.equal(done.result!.url, first)
  assert.deepEqual(
    server.requestsFor('/mirror-a.bin?signature=1').map(({ headers }) => headers['range']),
    [undefined, `bytes=${part}-`, `bytes=${2 * part}-`],
  )
})

test('a server that ignores ranges sends all of it again, and the file is whole', async () => {
  const url = server.file('/rangeless.bin', { size, ranges: false, script: [cutAfter(part), ignoreRange()] })
  await assertWhole(await fetched(url), '/rangeless.bin')
})

for (const [framing, breaks] of [
  ['length', cutAfter],
  ['length', resetAfter],
  ['chunked', cutAfter],
  ['chunked', resetAfter],
  ['close', resetAfter],
] as const) {
  const how = breaks === cutAfter ? 'closed early' : 'reset'
  test(`a body that is framed by ${framing} and ${how} never passes for complete`, async () => {
    const path = `/short-${framing}-${how.replace(' ', '-')}.bin`
    const url = server.file(path, { size, etag: '"v1"', script: [{ ...framed(framing), ...breaks(part) }] })
    const done = await fetched(url)
    await assertWhole(done, path)
    assert.equal(server.requestsFor(path).length, 2)
    await ended(done.id)
    assert.deepEqual(causes(done.id), ['NETWORK_CONNECTION_LOST'])
  })
}

test('a body that only a close ends is not called verified, and what is expected of it tells a short one', async () => {
  const path = '/close.bin'
  const whole = await fetched(server.file(path, { size, framing: 'close' }))
  await assertWhole(whole, path)
  assert.equal(whole.result!.lengthVerified, false)
  server.change(path, { script: [cutAfter(part)] })
  const short = await fetched(server.url(path), { expectedLength: size })
  await assertWhole(short, path)
  await ended(short.id)
  assert.deepEqual(causes(short.id), ['NETWORK_CONNECTION_LOST'])
  server.change(path, { script: [cutAfter(part)] })
  const wrong = await fetched(server.url(path), { expectedDigest: `sha-256:${server.digest(path)}` })
  assert.equal(wrong.error?.['code'], 'DIGEST_MISMATCH')
})

test('503 with Retry-After is waited for, as explain() says, and then it goes on', async () => {
  const path = '/busy.bin'
  const url = server.file(path, { size, script: [status(503, { 'Retry-After': '2' }, 'come back')] })
  const began = performance.now()
  const said = await app.run(async ({ session }, address) => {
    const task = await session.download(address)
    for await (const _ of task.updates({ interval: '50ms' })) {
      const { phase, blockers, nextWakeUp, why } = await task.explain()
      if (phase === 'waiting') return { blockers, nextWakeUp: nextWakeUp?.getTime(), why, id: task.id }
    }
    throw new Error('it never waited')
  }, url)
  assert.equal(said.blockers[0]?.code, 'serverAskedToWait')
  assert.ok(Math.abs(said.nextWakeUp! - Date.now()) <= 2000)
  assert.match(said.why, /asked/)
  const end = await ended(said.id)
  assert.equal(end.fields['error'], undefined)
  assert.ok(performance.now() - began >= 2000, 'what a server asks for is never shortened')
})

test('404 is final, with its status and what the server said', async () => {
  const url = server.answers('/gone.bin', status(404, {}, 'it was moved to the archive'))
  const { error } = await fetched(url)
  assert.equal(error?.['code'], 'HTTP_STATUS')
  assert.equal(error['status'], 404)
  assert.equal(Buffer.from(error['body'] as string, 'base64').toString(), 'it was moved to the archive')
  assert.equal(server.requestsFor('/gone.bin').length, 1)
})

test('401 tells that credentials are wanted', async () => {
  const { error } = await fetched(server.answers('/locked.bin', status(401, { 'WWW-Authenticate': 'Basic' }, 'no')))
  assert.equal(error?.['code'], 'USER_AUTHENTICATION_REQUIRED')
  assert.equal(error['urlErrorCode'], -1013)
})

test('an answer that breaks the rules of HTTP is tried a second time and then final', async () => {
  const { id, error } = await fetched(server.answers('/broken.bin', raw('HTTP/1.1 nonsense\r\n\r\n')))
  assert.equal(error?.['code'], 'BAD_SERVER_RESPONSE')
  assert.equal(server.requestsFor('/broken.bin').length, 2)
  await ended(id)
  const both = await fetched(server.file('/both.bin', { size: 5, script: [bothLengths()] }))
  await assertWhole(both, '/both.bin')
})

test('a server that sends more than it announced is asked a second time, and then given up with the reason', async () => {
  const longer = 'HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfour and more'
  const { id, error } = await fetched(server.answers('/longer.bin', raw(longer)))
  assert.equal(error?.['code'], 'LENGTH_MISMATCH')
  assert.match(String(error?.['message']), /more/)
  assert.equal(server.requestsFor('/longer.bin').length, 2)
  await ended(id)
})

test('redirects are followed to the file, in a circle given up', async () => {
  const final = server.file('/final.bin', { size, etag: '"v1"' })
  const done = await fetched(server.answers('/moved.bin', redirect('/moved-again.bin', 301)), {
    to: stage.path('moved.bin'),
  })
  assert.equal(done.error?.['code'], 'HTTP_STATUS', 'there is nothing there yet')
  server.answers('/moved-again.bin', redirect(final, 307))
  const moved = await fetched(server.url('/moved.bin'), { to: stage.path('moved.bin') })
  await assertWhole(moved, '/final.bin')
  assert.equal(moved.result!.url, final)
  assert.equal(moved.result!.metrics.redirectCount, 2)
  const { error } = await fetched(server.answers('/circle.bin', redirect('/circle.bin')))
  assert.equal(error?.['code'], 'TOO_MANY_REDIRECTS')
})

test('https with an authority of one’s own works; without it, or towards http, it is refused', async () => {
  await using secure = await CertifiedServer.start({ certificate: 'good', name: 'localhost' })
  const url = secure.file('/secure.bin', { size, etag: '"v1"', script: [ok(), ok()] })
  const unknown = await fetched(url)
  assert.equal(unknown.error?.['code'], 'SERVER_CERTIFICATE_HAS_UNKNOWN_ROOT')
  const tls = { ca: [secure.authority] }
  const done = await fetched(url, { tls })
  assert.equal(done.error, undefined)
  assert.equal(await stage.digest(done.result!.path), secure.digest('/secure.bin'))
  const down = await fetched(secure.answers('/down.bin', redirect(server.url('/final.bin'))), { tls })
  assert.equal(down.error?.['code'], 'INSECURE_REDIRECT')
})

test('a digest that is right is confirmed, one that is wrong leaves nothing behind', async () => {
  const url = server.file('/digest.bin', { size })
  const hex = server.digest('/digest.bin')
  const right = await fetched(url, { expectedDigest: `sha256-${Buffer.from(hex, 'hex').toString('base64')}` })
  await assertWhole(right, '/digest.bin')
  assert.equal(right.result!.digest, `sha-256:${hex}`)
  const to = stage.path('wrong.bin')
  const wrong = await fetched(url, { to, expectedDigest: `sha-256:${'0'.repeat(64)}` })
  assert.equal(wrong.error?.['code'], 'DIGEST_MISMATCH')
  assert.deepEqual(
    (await stage.listed()).filter((name) => name.includes('wrong.bin')),
    [],
  )
})

test('a server that is away is waited for, and one that comes back is found', async () => {
  const url = server.file('/away.bin', { size, etag: '"v1"', script: [stallAfter(part)] })
  const id = await app.run(async ({ session }, address) => {
    const retry = { initialDelay: '20ms', maximumDelay: '50ms' } as const
    return (await session.download(address, { retry })).id
  }, url)
  await server.sent('/away.bin', part)
  await server.stop()
  await stage.reports.first(
    ({ name, task, fields }) =>
      name === 'didRetry' && task === id && (fields['cause'] as { code: string }).code === 'CANNOT_CONNECT_TO_HOST',
    'a refused connection',
  )
  await server.restart()
  const end = await ended(id)
  assert.equal(end.fields['error'], undefined)
  const range = server.requestsFor('/away.bin').at(-1)!.headers['range']
  assert.match(range ?? '', /^bytes=\d+-$/)
})
