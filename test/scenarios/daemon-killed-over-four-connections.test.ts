/**
 * One file over four connections, and the daemon is killed ten times meanwhile. What counted as had when it died is a list of
 * ranges with gaps between them; whatever comes later asks only for the gaps. The moments are told by bytes that were sent.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import type { ByteRanges } from '../../src/contract/bytes.ts'
import { drip, FaultServer, ok, stallAfter, together } from '../../src/testing/index.ts'
import { tryParkedNow } from '../support/parked.ts'
import { partsOf } from '../support/parts-beside.ts'
import { type App, Stage } from '../support/stage.ts'

const mebibyte = 1024 * 1024
const size = 48 * mebibyte
const kills = 10
const path = '/large.bin'

/** Paused and let go on, so that what each connection has had is made to count. @returns so many bytes count */
function madeToCount(app: App, id: string): Promise<number> {
  return app.run(async ({ session }, wanted) => {
    const task = (await session.task(wanted))!
    const before = (await task.explain()).kept.bytes
    await task.suspend()
    for (;;) {
      const { kept } = await task.explain()
      if (kept.bytes <= before) continue
      await task.resume()
      return kept.bytes
    }
  }, id)
}

/** [from, to) of a request, the whole file included. */
function asked(range: string | undefined): readonly [number, number] {
  const [, from, through] = /^bytes=(\d+)-(\d*)$/.exec(range ?? '') ?? ['', '0', '']
  return [Number(from), through === '' ? size : Number(through) + 1]
}

test(
  'the daemon is killed ten times while one file comes over four connections: it arrives whole, and no safe range is asked for again',
  { timeout: 120_000 },
  async (t) => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    let killing = true
    // Slow enough that there are four before it is over, and never at its end before the last kill.
    const paced = together(drip(32_768, 10), stallAfter(4 * mebibyte))
    const script = Array.from({ length: 1000 }, () => () => (killing ? paced : ok()))
    const url = server.file(path, { size, etag: '"v1"', script })
    const to = stage.path('large.bin')
    const app = await stage.start({
      identifier: 'com.example.killed.connections',
      options: { configuration: { retry: { initialDelay: '1ms', maximumDelay: '20ms' } } } as never,
    })
    const id = await app.run(
      async ({ session }, address, place) => (await session.download(address, { to: place })).id,
      url,
      to,
    )

    const lives: { readonly safe: ByteRanges; readonly requests: number }[] = []
    let mostAtOnce = 0
    for (let kill = 1; kill <= kills; kill++) {
      await stage.newDaemon()
      await tryParkedNow(app)
      const come = async (bytes: number): Promise<void> => {
        const target = server.bytesSent(path) + bytes
        await server.until(() => {
          mostAtOnce = Math.max(mostAtOnce, server.traffic(path).atOnce)
          return server.bytesSent(path) >= target
        }, `${bytes} bytes before kill ${kill}`)
      }
      await come(mebibyte + randomInt(mebibyte))
      if (kill % 2 === 1) {
        await madeToCount(app, id)
        await come(randomInt(mebibyte))
      }
      await stage.killDaemon()
      await server.deserted()
      const [part] = partsOf(stage.home)
      lives.push({ safe: part!.safe, requests: server.requestsFor(path).length })
      assert.ok(!existsSync(to), 'nothing at the destination')
    }
    killing = false
    await stage.newDaemon()
    await tryParkedNow(app)
    await stage.event('didComplete', ({ task, fields }) => task === id && fields['error'] === undefined)

    assert.equal(await stage.digest(to), server.digest(path))
    assert.deepEqual(await stage.listed(), ['large.bin'])
    assert.ok(mostAtOnce >= 4, `${mostAtOnce} connections at most`)
    assert.ok(
      lives.some(({ safe }) => safe.length > 1),
      'ranges with gaps between them were kept',
    )
    for (const [n, { safe, requests }] of lives.entries())
      for (const { headers } of server.requestsFor(path).slice(requests)) {
        const [from, until] = asked(headers['range'])
        const again = safe.find(([start, end]) => start < until && end > from)
        assert.equal(
          again,
          undefined,
          `after kill ${n + 1}, ${headers['range']} asks for what was safe: ${String(again)}`,
        )
      }
    t.diagnostic(
      `safe after each kill: ${lives.map(({ safe }) => safe.reduce((sum, [a, b]) => sum + b - a, 0)).join()}`,
    )
    t.diagnostic(`${server.bytesSent(path) - size} bytes were sent twice`)
  },
)
