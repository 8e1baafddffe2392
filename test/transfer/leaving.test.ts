/** A further connection that is given back because another task needs its place, while what it brought is still being written. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { busy, stallAfter, type Step } from '../../src/testing/index.ts'
import { Bench, expectKind } from './support/bench.ts'
import { knowing } from './support/knowing.ts'
import { firstBytes, severalBytes, smallPieces } from './support/several.ts'
import { watchedFiles } from './support/watched-files.ts'

const kibibyte = 1024
/** So much comes of the 256 KiB that the second connection asks for that nobody would be given half of the rest. */
const given = 160 * kibibyte

for (const { what, connections } of [
  { what: 'when all else is there', connections: 2 },
  { what: 'where the server refused a third one, so that one is enough', connections: 3 },
])
  test(`the rest of a connection that is given back is fetched by the first: ${what}`, async () => {
    await using bench = await Bench.open()
    bench.sizes = smallPieces
    let from = Infinity
    const second: Step = ({ headers }) => {
      const asked = Number(/^bytes=(\d+)-/.exec(headers['range'] ?? '')?.[1])
      if (asked >= 512 * kibibyte) return busy(429)
      from = asked
      return stallAfter(given)
    }
    const script = [stallAfter(firstBytes), second, ...(connections === 3 ? [second] : [])]
    const url = bench.server.file('/a.bin', { size: severalBytes, etag: '"v1"', script })
    const written = Promise.withResolvers<void>()
    const files = watchedFiles(bench.world.files, {
      late: (at) => (at >= from && at < from + given ? written.promise : undefined),
    })
    const refused = Promise.withResolvers<void>()
    const giveUps: (() => void)[] = []
    const more = (giveUp: () => void): (() => void) | undefined => {
      if (giveUps.length === connections - 1) return undefined
      giveUps.push(giveUp)
      return giveUps.length === 2 ? refused.resolve : () => {}
    }
    const engine = knowing(bench, connections, { files })
    const running = bench.run(url, { policy: { maximumSegments: 3 } }, { engine, report: { more } })
    await bench.handedOver(firstBytes + given)
    if (connections === 3) await refused.promise
    giveUps[0]!()
    bench.server.release()
    await bench.handedOver(severalBytes - (256 * kibibyte - given))
    // The first has come to its end.
    await setImmediate()
    await setImmediate()
    written.resolve()
    expectKind(await running, 'finished')
    assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  })
