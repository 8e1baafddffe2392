/** Something is in the way of a finished file: another file, a folder, a link, another task. Nothing is lost by it. */
import assert from 'node:assert/strict'
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { DownloadOptions } from 'longhaul'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { type App, Stage, ThrownThere } from '../support/stage.ts'

const identifier = 'com.example.taken'
const size = 400_000

function start(app: App, url: string, options: DownloadOptions<undefined>): Promise<string> {
  return app.run(
    async ({ session }, address, given) => (await session.download(address, given as never)).id,
    url,
    options,
  )
}

/** The code with which it ended. */
async function failure(app: App, id: string): Promise<string | undefined> {
  const thrown: unknown = await app
    .run(async ({ session }, wanted) => void (await ((await session.task(wanted)) as never as Waits).finished()), id)
    .catch((error: unknown) => error)
  assert.ok(thrown instanceof ThrownThere, String(thrown))
  return thrown.code
}

interface Waits {
  finished(): Promise<{ readonly path: string }>
}

/** Resolves with the path once a retry of `id` has ended. */
function retry(app: App, id: string, to?: string): Promise<string> {
  return app.run(
    async ({ session }, wanted, place) => {
      const task = (await session.task(wanted))!
      const again = (await task.retry(place === null ? {} : { to: place })) as never as Waits
      return (await again.finished()).path
    },
    id,
    to ?? null,
  )
}

for (const [what, block, code, free] of [
  ['a file that appears late, with ifExists fail', (to: string) => writeFileSync(to, 'mine'), 'DESTINATION_EXISTS'],
  [
    'a folder in the place of the file',
    (to: string) => mkdirSync(to),
    'CANNOT_MOVE_FILE',
    (to: string) => rmdirSync(to),
  ],
] as const) {
  test(`${what}: ${code}, and a retry publishes the kept bytes`, async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(100_000)] })
    const to = stage.path('a.bin')
    const app = await stage.start({ identifier })
    const id = await start(app, url, { to, ifExists: free === undefined ? 'fail' : 'replace' })
    // Only now it is past the look before the first byte.
    await stage.event('didWriteData', ({ fields }) => fields['totalBytesWritten'] === 100_000)
    block(to)
    server.release()
    assert.equal(await failure(app, id), code)
    const found = lstatSync(to)
    if (found.isFile()) assert.equal(readFileSync(to, 'utf8'), 'mine')
    const kept = await app.run(async ({ session }, wanted) => (await (await session.task(wanted))!.explain()).kept, id)
    assert.equal(kept.bytes, size)

    free?.(to)
    const other = free === undefined ? stage.path('b.bin') : to
    assert.equal(await retry(app, id, free === undefined ? other : undefined), other)
    assert.equal(await stage.digest(other), server.digest('/a.bin'))
    // The last byte is asked for once more: its answer proves that the server still has the same file.
    assert.deepEqual(
      server.requestsFor('/a.bin').map(({ headers }) => headers['range']),
      [undefined, `bytes=${size - 1}-`],
    )
    assert.equal(server.bytesSent('/a.bin'), size + 1)
    assert.deepEqual(readdirSync(stage.files), free === undefined ? ['a.bin', 'b.bin'] : ['a.bin'])
  })
}

test('a second live task for one destination is refused and told which one has it; after it the place is free', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(100_000)] })
  const to = stage.path('a.bin')
  const app = await stage.start({ identifier })
  const id = await start(app, url, { to })
  const refused: unknown = await start(app, `${url}?other`, { to }).catch((error: unknown) => error)
  assert.ok(refused instanceof ThrownThere)
  assert.equal(refused.code, 'DESTINATION_BUSY')
  assert.ok(refused.message.includes(id), refused.message)
  await server.sent('/a.bin', 100_000)
  server.release()
  await stage.event('didComplete', ({ task }) => task === id)
  await start(app, `${url}?other`, { to })
  await stage.event('didComplete', ({ task, fields }) => task !== id && fields['error'] === undefined)
})

test('a symbolic link at the destination is replaced, and what it points to is not touched', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const [to, target] = [stage.path('a.bin'), stage.path('target')]
  writeFileSync(target, 'precious')
  symlinkSync(target, to)
  const app = await stage.start({ identifier })
  await start(app, server.file('/a.bin', { size }), { to, ifExists: 'replace' })
  await stage.event('didComplete', ({ fields }) => fields['error'] === undefined)
  assert.ok(lstatSync(to).isFile())
  assert.equal(await stage.digest(to), server.digest('/a.bin'))
  assert.equal(readFileSync(target, 'utf8'), 'precious')
})

test('keepBoth puts a number before the extension; skip leaves the file and asks the server nothing', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const [to, url] = [stage.path('a.tar'), server.file('/a.tar', { size })]
  writeFileSync(to, 'mine')
  const app = await stage.start({ identifier })
  const skipped = await start(app, url, { to, ifExists: 'skip' })
  await stage.event('didComplete', ({ task, fields }) => task === skipped && fields['error'] === undefined)
  assert.equal(server.requests.length, 0)
  const both = await start(app, url, { to, ifExists: 'keepBoth' })
  await stage.event('didComplete', ({ task, fields }) => task === both && fields['error'] === undefined)
  assert.equal(readFileSync(to, 'utf8'), 'mine')
  assert.deepEqual(readdirSync(stage.files), ['a (1).tar', 'a.tar'])
  assert.equal(await stage.digest(stage.path('a (1).tar')), server.digest('/a.tar'))
})
