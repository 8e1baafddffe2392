/**
 * Both ends die at once, as at the end of a machine: the command and the daemon, by SIGKILL, in the middle of a large file. The
 * same command again goes on from the last checkpoint, and not one byte that counted as had is fetched a second time.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createReadStream, existsSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { test } from 'node:test'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { partsOf } from '../support/parts-beside.ts'
import { Stage } from '../support/stage.ts'

const mebibyte = 1024 * 1024
const size = 256 * mebibyte
/** What the sockets of both ends hold of four connections: Linux sends up to 4 MiB ahead, and takes some 6 of those that are read fast. */
const underWay = 4 * 10 * mebibyte
/** What may be lost at most: what has come and is not safe yet, and what is under way. */
const atRisk = 32 * mebibyte + underWay

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path), hash)
  return hash.digest('hex')
}

test('command and daemon killed half-way through 256 MiB: the same command ends it from the last checkpoint', async (t) => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const path = '/large.bin'
  // It never gets to its end before the signals come, however late they are.
  const url = server.file(path, { size, etag: '"v1"', script: [stallAfter((size / 4) * 3)] })
  const to = stage.path('large.bin')

  const first = stage.command('get', url, '-o', to)
  await server.sent(path, size / 2)
  first.child.kill('SIGKILL')
  const killed = await stage.killDaemon()
  assert.equal((await first.ran).signal, 'SIGKILL')
  await server.deserted()
  const before = server.bytesSent(path)
  const asked = server.requestsFor(path).length

  const parts = partsOf(stage.home)
  assert.equal(parts.length, 1)
  const part = parts[0]!
  const { safe } = part
  const had = safe.reduce((sum, [from, to]) => sum + to - from, 0)
  assert.ok(had > 0 && had <= before, `${had} bytes are safe`)
  assert.ok(before - had <= atRisk, `of ${before} bytes only ${had} were safe`)
  assert.ok(statSync(join(part.folder, part.name)).size >= safe.at(-1)![1], 'what counts as had is there')
  assert.ok(!existsSync(to), 'nothing at the destination')

  const second = await stage.longhaul('get', url, '-o', to)
  assert.equal(second.code, 0, second.stderr)
  assert.equal(second.stdout, `${to}\n`)
  assert.notEqual((await stage.newDaemon()).pid, killed)
  const next = server.requestsFor(path).slice(asked)
  assert.ok(next.length > 0)
  for (const { headers } of next) {
    const [from, through] = /^bytes=(\d+)-(\d*)$/.exec(headers['range'] ?? '')!.slice(1)
    const until = through === '' ? size : Number(through) + 1
    const again = safe.find(([start, end]) => start < until && end > Number(from))
    assert.equal(again, undefined, `bytes that were safe are asked for again: ${headers['range']}`)
    assert.equal(headers['if-range'], '"v1"')
  }
  assert.equal(await digestOf(to), server.digest(path))
  assert.deepEqual(partsOf(stage.home), [])
  const twice = server.bytesSent(path) - size
  // Beside what was not safe yet, what was under way to a connection whose rest another one fetched.
  assert.ok(twice <= before - had + underWay, `${twice} bytes were fetched twice`)
  t.diagnostic(`${twice} bytes were fetched twice, of ${before} that had left before the kill`)
})
