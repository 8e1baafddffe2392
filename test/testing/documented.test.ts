// The test that docs/testing.md shows, and the proof that it shows this one.
import { readFileSync } from 'node:fs'
import { findBlocks } from '../../tools/check-docs.ts'
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { BackgroundSession, type DaemonOptions } from 'longhaul'
import { FaultServer, TestDaemon, cutAfter, stallAfter } from 'longhaul/testing'

// The app: in production nobody gives it a daemon, and Longhaul finds or starts the user's.
async function fetchFilm(url: string, to: string, daemon?: DaemonOptions): Promise<void> {
  await using session = await BackgroundSession.open({ identifier: 'com.example.films', daemon })
  const task = await session.download(url, { to })
  await task.finished()
}

test('a film arrives although its server cuts it and the daemon dies', async () => {
  await using server = await FaultServer.start()
  await using daemon = await TestDaemon.start()
  const script = [cutAfter(1_000_000), stallAfter(500_000)]
  const url = server.file('/film.mp4', { size: 3_000_000, etag: '"v1"', script })
  const to = `${daemon.home}/film.mp4`

  const arrived = fetchFilm(url, to, daemon.options)
  await server.received(2) // the daemon has tried again, and stands still with half a film
  await daemon.crash()
  await daemon.restart()
  await arrived

  assert.deepEqual(await readFile(to), server.bytes('/film.mp4'))
  assert.match(server.requests[2]?.headers['range'] ?? '', /^bytes=1000000-/) // nothing was fetched twice
})

test('docs/testing.md shows a test that is run here', () => {
  const [first] = findBlocks(readFileSync('docs/testing.md', 'utf8'))
  assert.ok(first !== undefined && readFileSync(import.meta.filename, 'utf8').includes(first.code))
})
