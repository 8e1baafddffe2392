/** Connections that lag at the end of a file: the others take over their rest, once, and not again and again. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { stallAfter } from '../../src/testing/index.ts'
import { FileFailure } from '../../src/world/file-system.ts'
import { passed, VirtualClock } from '../support/virtual-clock.ts'
import { Bench, expectKind } from './support/bench.ts'
import { leapingClock } from './support/leaping-clock.ts'
import { firstBytes, severalBytes, smallPieces } from './support/several.ts'
import { watchedFiles } from './support/watched-files.ts'

const hourMs = 3_600_000
const policy = { maximumSegments: 4, stallMs: hourMs }

interface LateServer extends AsyncDisposable {
  readonly url: string
  /** The ranges that were asked for, in order. */
  readonly asked: readonly string[]
}

/** Gives each answer whole, so late: by the clock of the test. @param lateMs of the n-th request, from 1 */
async function lateServer(clock: VirtualClock, lateMs: (nth: number) => number): Promise<LateServer> {
  const content = Buffer.alloc(severalBytes, 7)
  const asked: string[] = []
  const server = createServer((request, response) => {
    const range = request.headers.range ?? 'all'
    asked.push(range)
    const [from = 0, last = severalBytes - 1] = range.match(/\d+/g)?.map(Number) ?? []
    clock.timer(clock.steady() + lateMs(asked.length), () => {
      response.writeHead(range === 'all' ? 200 : 206, {
        ETag: '"v1"',
        'Accept-Ranges': 'bytes',
        'Content-Length': last + 1 - from,
        ...(range !== 'all' && { 'Content-Range': `bytes ${from}-${last}/${severalBytes}` }),
      })
      response.end(content.subarray(from, last + 1))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/late.bin`,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

test(
  'a server that takes five seconds to each head is not asked for one range again and again',
  { timeout: 30_000 },
  async () => {
    const clock = new VirtualClock()
    await using bench = await Bench.open()
    bench.sizes = smallPieces
    // The second is soon there as well, so that one has joined.
    await using server = await lateServer(clock, (nth) => (nth <= 2 ? 0 : 5000))
    const running = bench.run(server.url, { policy }, { world: { clock } })
    await passed(clock, running)
    expectKind(await running, 'finished')
    assert.ok(server.asked.length < 30, server.asked.join('\n'))
  },
)

test(
  'a question that is never answered is taken back when others have fetched what it was for',
  { timeout: 30_000 },
  async () => {
    const clock = new VirtualClock()
    await using bench = await Bench.open()
    bench.sizes = smallPieces
    await using server = await lateServer(clock, (nth) => (nth === 3 ? 24 * hourMs : 0))
    const running = bench.run(server.url, { policy }, { world: { clock } })
    const tookMs = await passed(clock, running)
    expectKind(await running, 'finished')
    assert.ok(tookMs < hourMs, `${tookMs} ms`)
    assert.equal(bench.further.size, 0)
  },
)

test('what the disk refuses of what a relieved connection brought is told as that', { timeout: 30_000 }, async () => {
  await using bench = await Bench.open()
  bench.sizes = smallPieces
  const script = [{}, stallAfter(firstBytes)]
  const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script })
  const { clock, leap } = leapingClock(bench.world.clock)
  let refused = 0
  const files = watchedFiles(bench.world.files, {
    before: (call, name, size) => {
      if (call === 'file write' && size === firstBytes && refused++ === 0) throw new FileFailure('no space', name)
    },
  })
  const running = bench.run(url, { policy }, { world: { clock, files } })
  await bench.handedOver(severalBytes - smallPieces.smallestSplit)
  leap(4000)
  const failed = expectKind(await running, 'failed')
  assert.deepEqual([refused, failed.error.code], [1, 'DISK_FULL'])
})
