/** The app may be killed at any point of a transfer: the transfer does not notice. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { Stage } from '../support/stage.ts'

const tenths = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
const size = 1_000_000
const identifierOf = (tenth: number): string => `com.example.tenth-${tenth}`

test('SIGKILL of the app at each tenth harms no transfer, and each end is told once', { timeout: 90_000 }, async () => {
  // All of them stand still at once, and an origin has eight connections.
  await using first = await FaultServer.start()
  await using second = await FaultServer.start()
  const serverOf = (tenth: number): FaultServer => (tenth < 5 ? first : second)
  await using stage = await Stage.open()
  await Promise.all(
    tenths.map(async (tenth) => {
      const path = `/${tenth}.bin`
      const server = serverOf(tenth)
      const stop = (size / 10) * tenth
      const url = server.file(path, { size, etag: '"v1"', script: [stallAfter(stop)] })
      // The launched program is the same for all, so sessions that are due together share it.
      const app = await stage.start({ identifier: identifierOf(tenth), launch: { identifier: undefined } })
      const to = stage.path(`${tenth}.bin`)
      await app.run(
        async ({ session }, address, place) => void (await session.download(address, { to: place })),
        url,
        to,
      )
      await server.sent(path, stop)
      if (tenth === 0) await server.received(1, path)
      else {
        const fits = ({ pid, fields }: { pid: number; fields: Readonly<Record<string, unknown>> }): boolean =>
          pid === app.pid && fields['totalBytesWritten'] === stop
        await stage.event('didWriteData', fits)
      }
      await app.kill()
    }),
  )
  assert.deepEqual(stage.events(), [], 'nothing has ended before')
  first.release()
  second.release()

  const done = (tenth: number): boolean =>
    stage.reports.all.some(({ what, session }) => what === 'completionHandler' && session === identifierOf(tenth))
  await stage.reports.until(() => tenths.every(done), 'every session was handled', 60_000)
  for (const tenth of tenths) {
    const path = `/${tenth}.bin`
    const server = serverOf(tenth)
    assert.equal(server.requestsFor(path).length, 1, `the transfer of ${path} was not disturbed`)
    assert.equal(await stage.digest(stage.path(`${tenth}.bin`)), server.digest(path))
    const told = stage.events(({ session }) => session === identifierOf(tenth))
    assert.deepEqual(
      told.map(({ name, sequence, redelivered }) => [name, sequence, redelivered]),
      [
        ['didFinishDownloading', 1, false],
        ['didFinishCollectingMetrics', 2, false],
        ['didComplete', 3, false],
        ['didFinishEvents', 4, false],
      ],
    )
  }
  const last = await stage.start()
  const summaries = await last.run(({ longhaul }) => longhaul.sessions())
  assert.equal(summaries.length, tenths.length)
  assert.deepEqual(
    summaries.map(({ unacknowledged }) => unacknowledged),
    tenths.map(() => 0),
  )
})
