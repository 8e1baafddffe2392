/**
 * The folder of a file changes while the file comes: it is exchanged for a link, may only be read, or its disk is taken away. The
 * task waits, says why, writes nothing anywhere else, and goes on from its bytes when the folder is back.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { lstatSync, readdirSync, readFileSync, readlinkSync, renameSync, symlinkSync, unlinkSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { setImmediate as immediately } from 'node:timers/promises'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { Stage, ThrownThere } from '../support/stage.ts'

const size = 400_000
const half = 150_000

const server = await FaultServer.start()
const stage = await Stage.open()
after(() => Promise.all([stage[Symbol.asyncDispose](), server[Symbol.asyncDispose]()]))
const app = await stage.start({ identifier: 'com.example.folders' })

/** Starts a file into `folder` that stalls half-way, and resolves when that much is there. */
async function halfWay(path: string, folder: string): Promise<string> {
  const url = server.file(path, { size, etag: '"v1"', script: [stallAfter(half)] })
  const id = await app.run(
    async ({ session }, address, to) => (await session.download(address, { to })).id,
    url,
    join(folder, path.slice(1)),
  )
  await stage.event('didWriteData', ({ task, fields }) => task === id && fields['totalBytesWritten'] === half)
  return id
}

/** Resolves when the daemon holds nothing in `folder` open: a suspended task may still be closing its part. Linux. */
async function letGoOf(folder: string): Promise<void> {
  const { pid } = stage.daemon!
  const isHeld = (): boolean =>
    readdirSync(`/proc/${pid}/fd`).some((descriptor) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${descriptor}`).startsWith(folder)
      } catch {
        // Closed since it was listed.
        return false
      }
    })
  while (isHeld()) await immediately()
}

/** As many bytes are safe. */
function paused(id: string): Promise<number> {
  return app.run(async ({ session }, wanted) => {
    const task = (await session.task(wanted))!
    await task.suspend()
    for (;;) {
      const { phase, kept } = await task.explain()
      if (phase === 'suspended' && kept.bytes > 0) return kept.bytes
    }
  }, id)
}

function resume(id: string): Promise<void> {
  return app.run(async ({ session }, wanted) => {
    await (await session.task(wanted))!.resume()
  }, id)
}

/** Resolves with the explanation once it waits for its destination. */
function waiting(id: string): Promise<{ readonly why: string; readonly kept: number; readonly looksAgain: boolean }> {
  return app.run(async ({ session }, wanted) => {
    for (;;) {
      const { phase, blockers, why, kept, nextWakeUp } = await (await session.task(wanted))!.explain()
      if (phase === 'completed') throw new Error(`it did not wait: ${why}`)
      if (blockers.some(({ code }) => code === 'destination'))
        return { why, kept: kept.bytes, looksAgain: nextWakeUp !== undefined }
    }
  }, id)
}

async function goesOn(id: string): Promise<void> {
  await app.run(async ({ session }, wanted) => {
    await (await session.task(wanted))!.tryNow()
  }, id)
  await stage.event('didComplete', ({ task, fields }) => task === id && fields['error'] === undefined)
}

/** What is mounted is gone at the end. */
function mounted(...words: readonly [...string[], string]): Disposable & { readonly path: string } {
  const path = words.at(-1)!
  execFileSync('mount', words)
  return { path, [Symbol.dispose]: () => void execFileSync('umount', ['-l', path]) }
}

test('a folder that is exchanged for a link while its file comes: nothing is written where the link leads', async () => {
  const [folder, aside, elsewhere] = ['own', 'aside', 'elsewhere'].map((name) => stage.path(name)) as [
    string,
    string,
    string,
  ]
  await Promise.all([mkdir(folder), mkdir(elsewhere)])
  const id = await halfWay('/linked.bin', folder)
  renameSync(folder, aside)
  symlinkSync(elsewhere, folder)
  server.release()
  const { why, kept, looksAgain } = await waiting(id)
  assert.match(why, /moved away or replaced/)
  assert.ok(looksAgain)
  assert.equal(kept, size)
  assert.deepEqual(readdirSync(elsewhere), [])
  assert.equal(readlinkSync(folder), elsewhere)
  unlinkSync(folder)
  renameSync(aside, folder)
  await goesOn(id)
  assert.equal(await stage.digest(join(folder, 'linked.bin')), server.digest('/linked.bin'))
  assert.deepEqual(readdirSync(folder), ['linked.bin'])
  assert.ok(server.bytesSent('/linked.bin') <= size + 1)
})

test('a folder named by way of a link is the one it led to at enqueue, wherever the link leads later', async () => {
  const [first, later, link] = [stage.path('first'), stage.path('later'), stage.path('link')]
  await Promise.all([mkdir(first), mkdir(later)])
  symlinkSync(first, link)
  const id = await halfWay('/by-link.bin', link)
  unlinkSync(link)
  symlinkSync(later, link)
  const had = await paused(id)
  await resume(id)
  await stage.event('didComplete', ({ task, fields }) => task === id && fields['error'] === undefined)
  assert.equal(server.requestsFor('/by-link.bin').at(-1)!.headers['range'], `bytes=${had}-`)
  assert.equal(await stage.digest(join(first, 'by-link.bin')), server.digest('/by-link.bin'))
  assert.deepEqual(readdirSync(first), ['by-link.bin'])
  assert.deepEqual(readdirSync(later), [])
})

test(
  'a disk that may only be read for a while is waited for, and no byte comes twice',
  { skip: needs('mounts') },
  async () => {
    const folder = stage.path('read-only')
    await mkdir(folder)
    using disk = mounted('-t', 'tmpfs', '-o', 'size=4m', 'longhaul-test', folder)
    const id = await halfWay('/read-only.bin', folder)
    const had = await paused(id)
    await letGoOf(folder)
    execFileSync('mount', ['-o', 'remount,ro', disk.path])
    await resume(id)
    const { why, kept, looksAgain } = await waiting(id)
    assert.match(why, /read only/)
    assert.ok(looksAgain)
    assert.equal(kept, had)
    execFileSync('mount', ['-o', 'remount,rw', disk.path])
    await goesOn(id)
    assert.equal(await stage.digest(join(folder, 'read-only.bin')), server.digest('/read-only.bin'))
    assert.equal(server.requestsFor('/read-only.bin').at(-1)!.headers['range'], `bytes=${had}-`)
  },
)

test(
  'a disk that is taken away leaves an empty folder on another one: nothing is written there, and it is waited for',
  { skip: needs('mounts') },
  async () => {
    const [disk, folder] = [stage.path('disk'), stage.path('plug')]
    await Promise.all([mkdir(disk), mkdir(folder)])
    using _disk = mounted('-t', 'tmpfs', '-o', 'size=4m', 'longhaul-test', disk)
    let id: string
    let had: number
    {
      using _plugged = mounted('--bind', disk, folder)
      id = await halfWay('/plug.bin', folder)
      had = await paused(id)
    }
    await resume(id)
    const { why, kept } = await waiting(id)
    assert.match(why, /on another device/)
    assert.equal(kept, had)
    assert.deepEqual(readdirSync(folder), [])
    {
      using _plugged = mounted('--bind', disk, folder)
      await goesOn(id)
      assert.equal(await stage.digest(join(folder, 'plug.bin')), server.digest('/plug.bin'))
    }
    assert.equal(server.requestsFor('/plug.bin').at(-1)!.headers['range'], `bytes=${had}-`)
  },
)

test('a disk that is taken away before a byte has come is waited for as well', { skip: needs('mounts') }, async () => {
  const [disk, folder] = [stage.path('late-disk'), stage.path('late-plug')]
  await Promise.all([mkdir(disk), mkdir(folder)])
  using _disk = mounted('-t', 'tmpfs', '-o', 'size=4m', 'longhaul-test', disk)
  const url = server.file('/late.bin', { size, etag: '"v1"' })
  let id: string
  {
    using _plugged = mounted('--bind', disk, folder)
    id = await app.run(
      async ({ session }, address, to) => (await session.downloadTask(address, { to })).id,
      url,
      join(folder, 'late.bin'),
    )
    await letGoOf(folder)
  }
  await resume(id)
  const { why, looksAgain } = await waiting(id)
  assert.match(why, /on another device/)
  assert.ok(looksAgain)
  assert.deepEqual(readdirSync(folder), [])
  assert.equal(server.requestsFor('/late.bin').length, 0)
  {
    using _plugged = mounted('--bind', disk, folder)
    await goesOn(id)
    assert.equal(await stage.digest(join(folder, 'late.bin')), server.digest('/late.bin'))
  }
})

test('a link in the place of the partial file is neither followed nor removed, and a retry fetches what it cost', async () => {
  const folder = stage.path('part')
  const precious = stage.path('precious')
  await Promise.all([mkdir(folder), writeFile(precious, 'mine')])
  const id = await halfWay('/part.bin', folder)
  await paused(id)
  const part = join(folder, readdirSync(folder)[0]!)
  unlinkSync(part)
  symlinkSync(precious, part)
  await resume(id)
  const thrown: unknown = await app
    .run(async ({ session }, wanted) => void (await (await session.task(wanted))!.finished()), id)
    .catch((error: unknown) => error)
  assert.ok(thrown instanceof ThrownThere, String(thrown))
  assert.equal(thrown.code, 'CANNOT_CREATE_FILE')
  assert.ok(thrown.message.includes(part), thrown.message)
  assert.ok(lstatSync(part).isSymbolicLink())
  assert.equal(readFileSync(precious, 'utf8'), 'mine')
  unlinkSync(part)
  await app.run(async ({ session }, wanted) => {
    const again = await (await session.task(wanted))!.retry()
    await again.finished()
  }, id)
  assert.equal(await stage.digest(join(folder, 'part.bin')), server.digest('/part.bin'))
  assert.equal(readFileSync(precious, 'utf8'), 'mine')
  assert.deepEqual(readdirSync(folder), ['part.bin'])
})

test('a partial file that another program replaced by one with the same bytes is not gone on from: the file comes from zero', async () => {
  const folder = stage.path('replaced')
  await mkdir(folder)
  const id = await halfWay('/replaced.bin', folder)
  await paused(id)
  const part = join(folder, readdirSync(folder)[0]!)
  const copy = readFileSync(part)
  unlinkSync(part)
  // The same bytes, but nobody knows whether all of them are: it is another file.
  await writeFile(part, copy)
  await resume(id)
  await stage.event('didComplete', ({ task, fields }) => task === id && fields['error'] === undefined)
  assert.equal(await stage.digest(join(folder, 'replaced.bin')), server.digest('/replaced.bin'))
  assert.equal(server.requestsFor('/replaced.bin').at(-1)!.headers['range'], undefined)
  assert.deepEqual(readdirSync(folder), ['replaced.bin'])
})

test(
  'one folder mounted at two places: a second live task for the same file is refused by name, whichever path it takes',
  { skip: needs('mounts') },
  async () => {
    const [folder, other] = [stage.path('here'), stage.path('there')]
    await Promise.all([mkdir(folder), mkdir(other)])
    using _mounted = mounted('--bind', folder, other)
    const first = await halfWay('/twice.bin', folder)
    const thrown: unknown = await app
      .run(
        async ({ session }, address, to) => void (await (await session.download(address, { to })).finished()),
        server.file('/second.bin', { size }),
        join(other, 'twice.bin'),
      )
      .catch((error: unknown) => error)
    assert.ok(thrown instanceof ThrownThere, String(thrown))
    assert.equal(thrown.code, 'DESTINATION_BUSY')
    assert.ok(thrown.message.includes(first), thrown.message)
    server.release()
    await stage.event('didComplete', ({ task, fields }) => task === first && fields['error'] === undefined)
    assert.equal(await stage.digest(join(other, 'twice.bin')), server.digest('/twice.bin'))
    assert.deepEqual(readdirSync(folder), ['twice.bin'])
  },
)
