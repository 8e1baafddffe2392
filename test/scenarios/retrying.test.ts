/**
 * Section 8 of the contract: what is tried again by itself, what a second time, and what not at all. A daemon, a session, and
 * servers that fail in each of these ways.
 */
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { BackgroundSession, type DownloadOptions, isLonghaulError, type LonghaulError } from 'longhaul'
import {
  badChunk,
  type Behaviour,
  bothLengths,
  breakWireAfter,
  cutAfter,
  drip,
  hugeHead,
  httpDate,
  ignoreRange,
  lie,
  malformedHead,
  ok,
  other,
  otherRange,
  raw,
  resetAfter,
  stallAfter,
  stallBeforeHead,
  status,
  type Step,
  TestDaemon,
  together,
} from 'longhaul/testing'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'

const size = 300_000
const part = 100_000

const server = await CertifiedServer.start()
const daemon = await TestDaemon.start()
const session = await BackgroundSession.open({ identifier: 'com.example.retrying', daemon: daemon.options })
after(async () => {
  await session.close()
  await daemon[Symbol.asyncDispose]()
  await server[Symbol.asyncDispose]()
})

/** What it came to, and how many questions that took. */
async function fetched(
  path: string,
  options: DownloadOptions<undefined> = {},
  from = server,
): Promise<{
  readonly error: LonghaulError | undefined
  readonly asked: number
  readonly attempts: number | undefined
}> {
  const task = await session.download(from.url(path), {
    to: join(daemon.home, `${encodeURIComponent(path)}.bin`),
    retry: { initialDelay: '1ms', maximumDelay: '5ms' },
    ...options,
  })
  const ended = await task.finished().catch((error: unknown) => error)
  const asked = from.requestsFor(path).length
  if (isLonghaulError(ended)) return { error: ended, asked, attempts: undefined }
  if (ended instanceof Error) throw ended
  return { error: undefined, asked, attempts: (ended as { metrics: { attempts: number } }).metrics.attempts }
}

for (const code of [408, 425, 429, 500, 502, 503, 504])
  test(`status ${code} is tried again by itself, as often as it comes`, async () => {
    const path = `/passing-${code}`
    server.file(path, { size, script: [status(code), status(code), status(code)] })
    assert.deepEqual(await fetched(path), { error: undefined, asked: 4, attempts: 4 })
  })

for (const code of [300, 304, 400, 403, 404, 405, 406, 409, 410, 412, 413, 416, 418, 422, 423, 451, 501, 505, 507, 511])
  test(`status ${code} is not tried again`, async () => {
    const path = `/final-${code}`
    server.answers(path, status(code, {}, code === 304 ? '' : 'no'))
    const { error, asked } = await fetched(path)
    assert.equal(error?.code, 'HTTP_STATUS')
    assert.equal(error.status, code)
    assert.equal(asked, 1)
  })

const broken: Readonly<Record<string, Behaviour>> = {
  'reset before its head': breakWireAfter(0, 'reset'),
  'closed before its head': breakWireAfter(0, 'fin'),
  'cut inside its head': breakWireAfter(20, 'fin'),
  'reset inside its body': resetAfter(part),
  'cut inside its body': cutAfter(part),
  'silent before its head': stallBeforeHead(),
  'silent inside its body': stallAfter(part),
}
for (const [how, step] of Object.entries(broken))
  test(`an answer that is ${how} is asked for again by itself`, async () => {
    const path = `/${how.replaceAll(' ', '-')}`
    server.file(path, { size, etag: '"v1"', script: [step, step] })
    const { error, asked, attempts } = await fetched(path, { timeoutIntervalForRequest: '300ms' })
    assert.equal(error, undefined)
    assert.equal(asked, 3)
    // A connection that was idle before may have been closed meanwhile: a question over it is put again within its attempt.
    assert.ok(attempts === 3 || (attempts === 2 && /reset before|closed before/.test(how)), `${attempts} attempts`)
  })

test(
  'an answer over TLS that is cut without a farewell is asked for again by itself',
  { skip: needs('openssl') },
  async () => {
    await using secure = await CertifiedServer.start({ certificate: 'good' })
    secure.file('/cut', { size, etag: '"v1"', script: [{ breaks: { how: 'cut', after: part, of: 'body' } }] })
    const { error, attempts } = await fetched('/cut', { tls: { ca: [secure.authority] } }, secure)
    assert.equal(error, undefined)
    assert.equal(attempts, 2)
  },
)

const malformed: Readonly<Record<string, Step>> = {
  'a status line that is none': raw('HTTP/1.1 nonsense\r\n\r\n'),
  'a head that is none': malformedHead(),
  'both a length and chunks': bothLengths(),
  'two lengths': raw('HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd'),
  'a head over 64 KiB': hugeHead(66 * 1024),
  'a bad chunk': badChunk(part),
  'a part of the file to a plain question': { serveRange: { from: 5 } },
}
for (const [what, step] of Object.entries(malformed))
  test(`${what} is tried a second time, and then it is BAD_SERVER_RESPONSE`, async () => {
    const path = `/${what.replaceAll(' ', '-')}`
    server.file(path, { size, afterwards: step })
    const { error, asked } = await fetched(path)
    assert.equal(error?.code, 'BAD_SERVER_RESPONSE')
    assert.equal(asked, 2)
    server.file(`${path}-once`, { size, script: [step] })
    assert.deepEqual(await fetched(`${path}-once`), { error: undefined, asked: 2, attempts: 2 })
  })

test('a malformed answer after one that only gave no range is the first of its kind, and tried a second time', async () => {
  const script = [cutAfter(part), otherRange(part, 2 * part), ignoreRange(), malformedHead()]
  server.file('/no-range-before', { size, etag: '"v1"', script })
  assert.deepEqual(await fetched('/no-range-before'), { error: undefined, asked: 5, attempts: 4 })
})

test('a Retry-After that is a date is waited for by the wall clock', async () => {
  const until = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000)
  server.answers('/dated', status(503, { 'Retry-After': httpDate(until) }))
  // Of its own origin: others are not to wait with it.
  const url = server.url('/dated').replace('127.0.0.1', 'localhost')
  const task = await session.download(url, { to: join(daemon.home, 'dated.bin') })
  for await (const _ of task.updates({ interval: '10ms' })) {
    const { phase, blockers, nextWakeUp } = await task.explain()
    if (phase !== 'waiting') continue
    assert.equal(blockers[0]?.code, 'serverAskedToWait')
    assert.ok(Math.abs(nextWakeUp!.getTime() - until.getTime()) < 5000, `${nextWakeUp?.toISOString()}`)
    break
  }
  await task.cancel()
})

test('a Retry-After beyond the deadline fails at once, and the error says so', async () => {
  server.answers('/too-late', status(500, { 'Retry-After': '3600' }))
  const { error, asked } = await fetched('/too-late', { timeoutIntervalForResource: '60s' })
  assert.equal(error?.code, 'TIMED_OUT')
  assert.match(error.message, /asked to wait 3600 s, but the deadline of the task is in/)
  assert.equal(asked, 1)
})

/** So many versions that break off at the same byte; the last of them then comes whole. */
function unsettled(path: string, versions: number): void {
  let number = 0
  const versioned = (n: number): Behaviour => other(`version ${n}`, `"v${n}"`)
  server.file(path, {
    size,
    script: Array.from({ length: versions }, () => () => together(versioned(++number), cutAfter(part))),
    afterwards: () => versioned(versions),
  })
}

test('a file that is another one each time it is asked for is given up as unstable at the fifth restart', async () => {
  unsettled('/unsettled', 20)
  const { error, asked } = await fetched('/unsettled')
  assert.equal(error?.code, 'REPRESENTATION_UNSTABLE')
  assert.equal(asked, 6, 'one answer to begin with, and one for each restart')
})

test('a file that changed four times without gain and then stays is fetched whole', async () => {
  const path = '/settled'
  unsettled(path, 5)
  assert.deepEqual(await fetched(path), { error: undefined, asked: 6, attempts: 6 })
  server.change(path, { seed: 'version 5' })
  assert.ok((await readFile(join(daemon.home, `${encodeURIComponent(path)}.bin`))).equals(server.bytes(path)))
})

for (const [how, gain] of [
  ['without gain, a file comes over one connection', 0],
  ['that gained, a file still comes over several connections', part],
] as const)
  test(`after three restarts ${how}`, async () => {
    const mebibyte = 1024 * 1024
    const path = `/three-restarts-${gain}`
    const versions = 4
    let number = 0
    const step: Step = ({ headers }) => {
      // Only a further connection names an end. Before the file settles none is given, so that what is kept is one piece.
      const isFurther = /-\d+$/.test(headers['range'] ?? '')
      if (isFurther && number <= versions) return status(403)
      if (!isFurther) number++
      const version = Math.min(number, versions)
      return together(
        other(`version ${version}`, `"v${version}"`),
        number <= versions ? cutAfter(part + number * gain) : drip(mebibyte, 20),
      )
    }
    server.file(path, { size: 9 * mebibyte, afterwards: step })
    assert.equal((await fetched(path)).error, undefined)
    assert.equal(number, versions + 1, 'one whole answer, three restarts, and one that went on')
    const joined = server.requestsFor(path).filter((request) => request.status === 206).length
    if (gain === 0) assert.equal(joined, 1)
    else assert.ok(joined > 1, 'one connection only')
  })

test('a name that leads nowhere is looked up again by itself, as often as is allowed', async () => {
  // No name may be that long (RFC 1035 §2.3.4), so that no look-up leaves this machine.
  const url = `http://${'x'.repeat(64)}.localhost/`
  const retried: string[] = []
  await using of = await BackgroundSession.open({
    identifier: 'com.example.nameless',
    daemon: daemon.options,
    delegate: { didRetry: (_, { cause }) => void retried.push(cause.code) },
  })
  await of.activate()
  const retry = { initialDelay: '1ms', maximumDelay: '5ms', maximumAttempts: 3 } as const
  const task = await of.download(url, { to: join(daemon.home, 'nameless.bin'), retry })
  await assert.rejects(task.finished(), { code: 'CANNOT_FIND_HOST' })
  assert.deepEqual(retried, ['CANNOT_FIND_HOST', 'CANNOT_FIND_HOST'])
})

for (const [how, times] of [
  ['once', 1],
  ['each time', Infinity],
] as const)
  test(`a digest that is wrong ${how} over several connections is fetched once more, and no third time`, async () => {
    const mebibyte = 1024 * 1024
    const path = `/several-lie-${times}`
    let wholes = 0
    const step: Step = ({ headers }) => {
      if (headers['range'] === undefined) return ++wholes > times ? ok() : stallAfter(mebibyte)
      return wholes > times ? ok() : lie('other bytes')
    }
    server.file(path, { size: 9 * mebibyte, etag: '"v1"', afterwards: step })
    const running = fetched(path, { expectedDigest: `sha-256:${server.digest(path)}` })
    for (let attempt = 1; attempt <= Math.min(times, 2); attempt++) {
      await server.until(() => isJoined(path, attempt, mebibyte), `a further connection in attempt ${attempt}`)
      await setImmediate()
      server.release()
    }
    const { error, attempts } = await running
    assert.equal(error?.code, times === 1 ? undefined : 'DIGEST_MISMATCH')
    if (times === 1) assert.equal(attempts, 2)
    assert.equal(wholes, 2)
  })

/** The n-th whole answer stands still, and bytes came over a further connection. */
function isJoined(path: string, n: number, stalledAt: number): boolean {
  const requests = server.requestsFor(path)
  const whole = requests.filter(({ headers }) => headers['range'] === undefined)[n - 1]
  if (whole === undefined || whole.bytesSent < stalledAt) return false
  return requests.some(({ number, bytesSent }) => number > whole.number && bytesSent > 0)
}
