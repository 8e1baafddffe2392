// Ranges, redirects and refusals of the fault server, as they stand on the wire.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import {
  busy,
  claimLength,
  drip,
  ignoreRange,
  multipart,
  noContentRange,
  ok,
  otherRange,
  redirect,
  redirectResumesTo,
  redirectToSelf,
  refuseRange,
  stallAfter,
  status,
  wrongContentRange,
} from '../../src/testing/behaviours.ts'
import { FaultServer } from '../../src/testing/fault-server.ts'
import { ask, RawClient } from './raw-client.ts'

const size = 10_000
const range = { Range: 'bytes=4000-4999' }

test('the fault server lies in Content-Range about start, end and total, and the bytes are those that were asked for', async () => {
  await using server = await FaultServer.start()
  const lies = [{ start: 3000 }, { end: 9 }, { total: 77 }, { total: '*' }] as const
  server.file('/a', { size, script: lies.map((lie) => wrongContentRange(lie)) })
  for (const said of ['3000-4999/10000', '4000-9/10000', '4000-4999/77', '4000-4999/*']) {
    const answer = await ask(server, '/a', range)
    assert.deepEqual([answer.status, answer.headers['content-range']], [206, `bytes ${said}`])
    assert.deepEqual(answer.body, server.bytes('/a', 4000, 1000))
  }
})

test('the fault server answers with another range than was asked, also where none was', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, afterwards: otherRange(100, 300) })
  for (const headers of [{}, range]) {
    const answer = await ask(server, '/a', headers)
    assert.deepEqual([answer.status, answer.headers['content-range']], [206, `bytes 100-299/${size}`])
    assert.deepEqual(answer.body, server.bytes('/a', 100, 200))
  }
})

test('the fault server leaves Content-Range out, and announces another length than it sends', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [noContentRange(), claimLength(1500)] })
  const bare = await ask(server, '/a', range)
  assert.deepEqual([bare.status, bare.headers['content-range']], [206, undefined])
  const short = await ask(server, '/a', range)
  assert.deepEqual([short.headers['content-length'], short.body.length], ['1500', 1000])
})

test('the fault server puts a range into multipart/byteranges', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [multipart(2), multipart()] })
  const answer = await ask(server, '/a', range)
  assert.equal(answer.status, 206)
  const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(answer.headers['content-type'] ?? '')?.[1]
  const [before, first, second, after] = answer.body.toString('latin1').split(`--${boundary}`)
  assert.deepEqual([before, after], ['\r\n', '--\r\n'])
  assert.match(first ?? '', /\r\nContent-Range: bytes 4000-4499\/10000\r\n\r\n/)
  assert.ok(second?.endsWith(`\r\n\r\n${server.bytes('/a', 4500, 500).toString('latin1')}\r\n`))
  assert.equal((await ask(server, '/a')).headers['content-range'], undefined)
})

test('the fault server answers a range with the whole, and refuses it with a right and a wrong total', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [ignoreRange(), refuseRange(), refuseRange(5), refuseRange('*')] })
  const whole = await ask(server, '/a', range)
  assert.deepEqual([whole.status, whole.body.length], [200, size])
  for (const total of [size, 5, '*']) {
    const refused = await ask(server, '/a', range)
    assert.deepEqual([refused.status, refused.headers['content-range']], [416, `bytes */${total}`])
  }
})

test('the fault server reads ranges in any case, ignores invalid ones, and refuses those behind the end', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size })
  const asked = async (field: string): Promise<number> => (await ask(server, '/a', { Range: field })).status
  for (const field of ['bytes=0-1', 'Bytes=0-1', 'BYTES=-5', 'bytes=5-5']) assert.equal(await asked(field), 206, field)
  for (const field of ['bytes=5-3', 'bytes=20000-3', 'bytes=-', 'bytes=0-1,4-5', 'lines=0-1'])
    assert.equal(await asked(field), 200, field)
  for (const field of [`bytes=${size}-`, 'bytes=20000-30000', 'bytes=-0']) assert.equal(await asked(field), 416, field)
})

test('the fault server redirects: elsewhere, to itself for ever, and elsewhere only on resume', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, script: [redirect('/b', 307)] })
  server.file('/loop', { size, afterwards: redirectToSelf() })
  server.file('/c', { size, afterwards: redirectResumesTo('/a') })
  const moved = await ask(server, '/a')
  assert.deepEqual([moved.status, moved.headers['location']], [307, '/b'])
  for (let i = 0; i < 3; i++) assert.equal((await ask(server, '/loop?i=1')).headers['location'], '/loop?i=1')
  assert.equal((await ask(server, '/c')).status, 200)
  assert.deepEqual((await ask(server, '/c', range)).headers['location'], '/a')
})

test('the fault server repeats the last answer of a list, and counts what a path was asked', async () => {
  await using server = await FaultServer.start()
  server.answers('/a', status(404), busy(429, 7), busy(503, 'none'))
  const answers = [
    await ask(server, '/a'),
    await ask(server, '/a', range),
    await ask(server, '/a?x=1'),
    await ask(server, '/a'),
  ]
  assert.deepEqual(
    answers.map((answer) => [answer.status, answer.headers['retry-after']]),
    [
      [404, undefined],
      [429, '7'],
      [503, undefined],
      [503, undefined],
    ],
  )
  const { requests, ranges, atOnce, mostAtOnce } = server.traffic('/a')
  assert.deepEqual([requests, ranges, atOnce, mostAtOnce], [4, ['bytes=4000-4999'], 0, 1])
  assert.deepEqual(
    server.requests.map((request) => request.status),
    [404, 429, 503, 503],
  )
})

test('the fault server turns away who comes while as many answers as it allows are under way', async () => {
  await using server = await FaultServer.start()
  server.file('/a', {
    size,
    maximumAtOnce: 2,
    whenBusy: busy(429, 3),
    script: [stallAfter(10), stallAfter(20), drip(9000, 0)],
  })
  const clients = [await RawClient.connect(server), await RawClient.connect(server)]
  clients[0]!.ask('/a')
  await server.sent('/a', 10)
  clients[1]!.ask('/a')
  await server.sent('/a', 30)
  assert.equal(server.traffic('/a').atOnce, 2)
  for (let i = 0; i < 2; i++) {
    const away = await ask(server, '/a')
    assert.deepEqual([away.status, away.headers['retry-after']], [429, '3'])
  }
  server.release()
  for (const client of clients) assert.deepEqual((await client.rest()).body, server.bytes('/a'))
  assert.equal((await ask(server, '/a')).status, 200)
  const { mostAtOnce, turnedAway, atOnce } = server.traffic('/a')
  assert.deepEqual([mostAtOnce, turnedAway, atOnce], [2, 2, 0])
})

test('a step of the fault server can look at the request', async () => {
  await using server = await FaultServer.start()
  server.file('/a', { size, afterwards: ({ headers }) => (headers['x-key'] === 'k' ? ok() : status(403)) })
  assert.equal((await ask(server, '/a')).status, 403)
  assert.equal((await ask(server, '/a', { 'X-Key': 'k' })).status, 200)
})

test('the fault server serves bytes of one’s own, whole and in parts', async () => {
  await using server = await FaultServer.start()
  server.file('/a.json', { content: '{"a":1}', etag: '"1"', headers: { 'Content-Type': 'application/json' } })
  const whole = await ask(server, '/a.json')
  assert.deepEqual([whole.headers['content-type'], whole.body.toString()], ['application/json', '{"a":1}'])
  assert.equal((await ask(server, '/a.json', { Range: 'bytes=1-3' })).body.toString(), '"a"')
  assert.equal(server.digest('/a.json'), createHash('sha256').update(whole.body).digest('hex'))
  server.change('/a.json', { size: 1 })
  assert.equal((await ask(server, '/a.json')).body.toString(), '{')
})
