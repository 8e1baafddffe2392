/**
 * The daemon dies while an app that it has launched takes its events. The app finds the next daemon by itself, which knows it
 * again: no second copy is launched beside it, and everything comes to its end.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { Stage } from '../support/stage.ts'

const identifier = 'com.example.launched'
const order = ['didFinishDownloading', 'didFinishCollectingMetrics', 'didComplete', 'didFinishEvents'] as const

for (const killsDaemonIn of order) {
  test(`the daemon is killed while the launched app is in ${killsDaemonIn}: one app, every event once in its place, code 0`, async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const url = server.file('/a.bin', { size: 300_000, etag: '"v1"', script: [stallAfter(100_000)] })
    const app = await stage.start({ identifier, launch: { killsDaemonIn } })
    const first = await stage.newDaemon()
    await app.run(async ({ session }, address) => void (await session.download(address)), url)
    await server.sent('/a.bin', 100_000)
    await app.kill()
    server.release()

    const exit = await stage.reports.first(({ launched, what }) => launched && what === 'exit', 'the launched app ends')
    assert.equal(exit.code, 0)
    assert.notEqual((await stage.newDaemon()).pid, first.pid)
    const told = stage.events().map(({ name, sequence }) => ({ name, sequence }))
    // What was on its way or acknowledged without an answer when the daemon died may come again, with its number.
    const once = order.map((name, at) => ({ name, sequence: at + 1 }))
    assert.deepEqual(
      once.filter((event) => !told.some(({ sequence }) => sequence === event.sequence)),
      [],
      'every event came',
    )
    assert.deepEqual(
      told.filter((event) => once[event.sequence! - 1]?.name !== event.name),
      [],
      'and no other',
    )
    // Whoever opens it next finds nothing left, and that no launch is due or under way.
    const later = await stage.start()
    const left = await later.run(async ({ longhaul }) => {
      for (;;) {
        const [summary] = await longhaul.sessions()
        if (summary!.unacknowledged === 0) return { nextLaunch: summary!.nextLaunch, owner: summary!.ownerPid }
      }
    })
    assert.deepEqual(left, {})
    const launched = new Set(stage.reports.which((report) => report.launched).map(({ pid }) => pid))
    assert.equal(launched.size, 1)
  })
}
