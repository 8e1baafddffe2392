/** What stands at the destination, and what becomes of it: at every moment it is what it was, or the whole new file. */
import assert from 'node:assert/strict'
import { chmod, lstat, mkdir, readFile, readlink, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { DownloadOptions, Explanation, TaskCounts } from 'longhaul'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { Stage } from '../support/stage.ts'

const size = 400_000
const part = 150_000
const old = 'what was there before'

const server = await FaultServer.start()
const stage = await Stage.open()
after(() => Promise.all([stage[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]))
const app = await stage.start({ identifier: 'com.example.destinations' })

interface Ended {
  readonly id: string
  readonly path?: string
  readonly code?: string
  readonly notModified?: boolean
}

/** Downloads to the end, or until it is refused. */
async function downloaded(url: string, options: DownloadOptions<undefined>): Promise<Ended> {
  return finished(await started(url, options))
}

function started(url: string, options: DownloadOptions<undefined>): Promise<string> {
  return app.run(async ({ session }, address, given) => (await session.download(address, given)).id, url, options)
}

function finished(id: string): Promise<Ended> {
  return app.run(async ({ session }, which): Promise<Ended> => {
    const task = await session.task(which)
    try {
      const { path, notModified } = await task!.finished()
      return { id: which, path, notModified }
    } catch (error) {
      return { id: which, code: (error as { readonly code: string }).code }
    }
  }, id)
}

function explained(id: string): Promise<Explanation> {
  return app.run(async ({ session }, which) => (await session.task(which))!.explain(), id)
}

function counts(): Promise<TaskCounts> {
  return app.run(({ session }) => session.counts())
}

/** Retries with another destination or none, to the end. */
function retried(id: string, to?: string): Promise<Ended> {
  return app.run(
    async ({ session }, which, place): Promise<Ended> => {
      const task = await session.task(which)
      const again = await task!.retry(place === null ? {} : { to: place })
      try {
        return { id: again.id, path: (await again.finished()).path }
      } catch (error) {
        return { id: again.id, code: (error as { readonly code: string }).code }
      }
    },
    id,
    to ?? null,
  )
}

/** A file that stands still at its first part until `server.release()`. */
function slow(path: string): string {
  return server.file(path, { size, etag: '"v1"', script: [stallAfter(part)] })
}

/** Resolves when the first part of such a file has arrived here. */
async function arrived(id: string): Promise<void> {
  await stage.event('didWriteData', ({ task, fields }) => task === id && fields['totalBytesWritten'] === part)
}

const text = (path: string): Promise<string> => readFile(path, 'utf8')

test('replace: the old file stays until the whole new one takes its place, and hands its mode on', async () => {
  const to = stage.path('replace.bin')
  await writeFile(to, old)
  await chmod(to, 0o640)
  const id = await started(slow('/replace.bin'), { to, ifExists: 'replace' })
  await arrived(id)
  assert.equal(await text(to), old)
  server.release()
  assert.equal((await finished(id)).path, to)
  assert.equal(await stage.digest(to), server.digest('/replace.bin'))
  assert.equal((await stat(to)).mode & 0o777, 0o640)
  assert.deepEqual(
    (await stage.listed()).filter((name) => name.startsWith('.')),
    [],
  )
})

test('fail: a file that is there refuses the task before it is enqueued', async () => {
  const to = stage.path('fail.bin')
  await writeFile(to, old)
  const before = await counts()
  const url = server.file('/fail.bin', { size })
  await assert.rejects(downloaded(url, { to, ifExists: 'fail' }), { code: 'DESTINATION_EXISTS' })
  assert.deepEqual(await counts(), before)
  assert.equal(server.requestsFor('/fail.bin').length, 0)
  assert.equal(await text(to), old)
})

for (const where of ['beside it', 'in another folder'] as const) {
  test(`fail: a file that appears late is left alone, and a retry to a place ${where} fetches nothing again`, async () => {
    const path = `/late-${where.replaceAll(' ', '-')}.bin`
    const to = stage.path(path.slice(1))
    const id = await started(slow(path), { to, ifExists: 'fail' })
    await arrived(id)
    await writeFile(to, old)
    server.release()
    const first = await finished(id)
    assert.equal(first.code, 'DESTINATION_EXISTS')
    assert.equal(await text(to), old)
    const { kept, remedies } = await explained(id)
    assert.equal(kept.bytes, size)
    assert.ok(remedies.length > 0)
    const folder = where === 'beside it' ? stage.files : stage.path('elsewhere')
    const second = await retried(id, join(folder, `again-${path.slice(1)}`))
    assert.equal(second.path, join(folder, `again-${path.slice(1)}`))
    assert.equal(await stage.digest(second.path), server.digest(path))
    // Its last byte is asked for again: a range behind the end would prove nothing.
    assert.ok(server.bytesSent(path) <= size + 1, `sent ${server.bytesSent(path)}`)
  })
}

test('keepBoth: the new file gets a number before its extension', async () => {
  const to = stage.path('both.tar.gz')
  await writeFile(to, old)
  const url = server.file('/both.tar.gz', { size })
  const first = await downloaded(url, { to, ifExists: 'keepBoth' })
  const second = await downloaded(url, { to, ifExists: 'keepBoth' })
  assert.equal(await text(to), old)
  assert.notEqual(first.path, second.path)
  for (const { path } of [first, second]) {
    assert.match(path!, /both.* \([12]\).*gz$/)
    assert.equal(await stage.digest(path!), server.digest('/both.tar.gz'))
  }
})

test('skip: the task succeeds without a byte', async () => {
  const to = stage.path('skip.bin')
  await writeFile(to, old)
  const done = await downloaded(server.file('/skip.bin', { size }), { to, ifExists: 'skip' })
  assert.equal(done.path, to)
  assert.equal(await text(to), old)
  assert.equal(server.requestsFor('/skip.bin').length, 0)
})

test('revalidate: an unchanged file is not fetched again, a changed one is', async () => {
  const to = stage.path('revalidate.bin')
  const url = server.file('/revalidate.bin', { size, etag: '"v1"' })
  const download = (): Promise<{ readonly notModified: boolean }> =>
    app.run(
      async ({ longhaul }, address, place) => {
        const { notModified } = await longhaul.download(address, { to: place })
        return { notModified }
      },
      url,
      to,
    )
  assert.deepEqual(await download(), { notModified: false })
  assert.deepEqual(await download(), { notModified: true })
  assert.equal(server.bytesSent('/revalidate.bin'), size)
  server.change('/revalidate.bin', { etag: '"v2"', seed: 'newer' })
  assert.deepEqual(await download(), { notModified: false })
  assert.equal(await stage.digest(to), server.digest('/revalidate.bin'))
})

test('a file is not replaced by one whose name the server chose', async () => {
  const folder = stage.path('chosen')
  await mkdir(folder)
  await writeFile(join(folder, 'report.pdf'), old)
  const headers = { 'Content-Disposition': 'attachment; filename="../../report.pdf"' }
  const done = await downloaded(server.file('/chosen', { size, headers }), { to: `${folder}/` })
  assert.equal(done.code, 'DESTINATION_EXISTS')
  assert.equal(await text(join(folder, 'report.pdf')), old)
})

test('a folder in the place of the file: CANNOT_MOVE_FILE, the bytes are kept, and a retry publishes them', async () => {
  const to = stage.path('folder.bin')
  const id = await started(slow('/folder.bin'), { to })
  await arrived(id)
  await mkdir(to)
  await writeFile(join(to, 'inside'), old)
  server.release()
  assert.equal((await finished(id)).code, 'CANNOT_MOVE_FILE')
  assert.equal(await text(join(to, 'inside')), old)
  assert.equal((await explained(id)).kept.bytes, size)
  await rm(to, { recursive: true })
  const again = await retried(id)
  assert.equal(again.path, to)
  assert.equal(await stage.digest(to), server.digest('/folder.bin'))
  assert.ok(server.bytesSent('/folder.bin') <= size + 1)
})

test('two live tasks for one destination: the second is refused at enqueue, and taken when the first has ended', async () => {
  const to = stage.path('busy.bin')
  const id = await started(slow('/busy.bin'), { to })
  await server.sent('/busy.bin', part)
  const before = await counts()
  const other = server.file('/other.bin', { size })
  await assert.rejects(started(other, { to }), { code: 'DESTINATION_BUSY' })
  assert.deepEqual(await counts(), before)
  server.release()
  await finished(id)
  assert.equal((await downloaded(other, { to })).path, to)
  assert.equal(await stage.digest(to), server.digest('/other.bin'))
})

test('two tasks whose server chooses one name: the second is refused when the name is known', async () => {
  const folder = `${stage.path('same-name')}/`
  const headers = { 'Content-Disposition': 'attachment; filename=same.bin' }
  const first = await started(server.file('/one', { size, headers, script: [stallAfter(part)] }), { to: folder })
  await server.sent('/one', part)
  const second = await downloaded(server.file('/two', { size, headers }), { to: folder })
  assert.equal(second.code, 'DESTINATION_BUSY')
  server.release()
  assert.equal((await finished(first)).path, join(folder, 'same.bin'))
})

test('a symbolic link at the destination is replaced, and what it leads to is not touched', async () => {
  const [to, target] = [stage.path('link.bin'), stage.path('target.bin')]
  await writeFile(target, old)
  await symlink(target, to)
  await downloaded(server.file('/link.bin', { size }), { to })
  assert.ok((await lstat(to)).isFile())
  await assert.rejects(readlink(to))
  assert.equal(await text(target), old)
  assert.equal(await stage.digest(to), server.digest('/link.bin'))
})

test('a destination folder that goes away makes the task wait with that reason, and is not made again', async () => {
  const folder = stage.path('plugged')
  const away = stage.path('away')
  const id = await started(slow('/plugged.bin'), { to: join(folder, 'plugged.bin') })
  await arrived(id)
  await rename(folder, away)
  server.release()
  const waiting = await app.run(async ({ session }, which) => {
    const task = await session.task(which)
    for await (const _ of task!.updates({ interval: '50ms' })) {
      const { phase, blockers, nextWakeUp, why, kept } = await task!.explain()
      if (phase === 'waiting') return { codes: blockers.map(({ code }) => code), nextWakeUp, why, kept: kept.bytes }
    }
    return undefined
  }, id)
  assert.deepEqual(waiting?.codes, ['destination'])
  assert.ok(waiting.nextWakeUp !== undefined, 'it looks again by itself')
  assert.match(waiting.why, /plugged/)
  assert.equal(waiting.kept, size)
  await assert.rejects(stat(folder), { code: 'ENOENT' })
  await rename(away, folder)
  await app.run(async ({ session }, which) => (await session.task(which))!.tryNow(), id)
  assert.equal((await finished(id)).path, join(folder, 'plugged.bin'))
  assert.equal(await stage.digest(join(folder, 'plugged.bin')), server.digest('/plugged.bin'))
  assert.ok(server.bytesSent('/plugged.bin') <= size + 1)
})

test('a new file gets what the umask of the enqueuing app leaves', { skip: needs('posix') }, async () => {
  const to = stage.path('umask.bin')
  const url = server.file('/umask.bin', { size: 10 })
  await app.run(
    async ({ session }, address, place) => {
      const before = process.umask(0o027)
      try {
        await (await session.download(address, { to: place })).finished()
      } finally {
        process.umask(before)
      }
    },
    url,
    to,
  )
  assert.equal((await stat(to)).mode & 0o777, 0o640)
})
