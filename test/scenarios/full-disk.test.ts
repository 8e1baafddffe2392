/**
 * Disks that are full: of the destination, and of the journal. Both are small tmpfs mounts, filled and given room again. A task
 * waits and goes on by itself; what cannot be written down is refused, and nothing that was written down is lost.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as immediately } from 'node:timers/promises'
import type { DurationLike } from 'longhaul'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { partsOf } from '../support/parts-beside.ts'
import { type App, Stage, ThrownThere } from '../support/stage.ts'

const identifier = 'com.example.full'
const skip = needs('mounts')
const mebibyte = 1 << 20

/** A disk of its own, gone at the end. To be made after the stage, whose end takes its processes off it. */
async function disk(path: string, bytes: number): Promise<AsyncDisposable & { resize(to: number): void }> {
  await mkdir(path, { mode: 0o700 })
  const mount = (...options: readonly string[]): void => void execFileSync('mount', options)
  mount('-t', 'tmpfs', '-o', `size=${bytes},mode=700`, 'longhaul-test', path)
  return {
    resize: (to) => mount('-o', `remount,size=${to}`, path),
    // Lazily: a daemon may still have files there, and ends only with the stage.
    [Symbol.asyncDispose]: () => Promise.resolve(void execFileSync('umount', ['-l', path])),
  }
}

/** Resolves with the explanation once the task waits for a disk. */
function waitsForDisk(app: App, id: string): Promise<{ why: string; next: number; kept: number; actions: string[] }> {
  return app.run(async ({ session }, wanted) => {
    const task = (await session.task(wanted))!
    for (;;) {
      const found = await task.explain()
      if (found.phase === 'completed') throw new Error(`it did not wait: ${found.why}`)
      if (!found.blockers.some(({ code }) => code === 'disk')) continue
      return {
        why: found.why,
        next: found.nextWakeUp!.getTime() - Date.now(),
        kept: found.kept.bytes,
        actions: found.remedies.map(({ action }) => action),
      }
    }
  }, id)
}

test(
  'a destination too small for the file: it waits before it writes, and goes on when there is room',
  { skip },
  async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const folder = stage.path('disk')
    await using room = await disk(folder, mebibyte)
    const size = 3 * mebibyte
    const url = server.file('/a.bin', { size, etag: '"v1"' })
    const to = join(folder, 'a.bin')
    const app = await stage.start({ identifier })
    const id = await app.run(
      async ({ session }, address, place) => (await session.download(address, { to: place })).id,
      url,
      to,
    )
    const found = await waitsForDisk(app, id)
    assert.match(found.why, /DISK_FULL/)
    assert.ok(found.next > 0 && found.next <= 20_000, `looked at again within 20 s: ${found.next} ms`)
    assert.ok(found.actions.includes('freeSpace'), String(found.actions))
    assert.ok(!existsSync(to))
    const shown = await stage.longhaul('explain', id)
    const told = shown.stdout.replace(/\s+/g, ' ')
    assert.match(told, /3145728 bytes are still to come but only \d+ are free in \S+disk/)
    assert.match(
      told,
      /You can Free some space on the disk of \S+disk(?:; \S+ MB are still to come)?\. It then goes on by/,
    )

    room.resize(8 * mebibyte)
    await stage.event('didComplete', ({ fields }) => fields['error'] === undefined)
    assert.equal(await stage.digest(to), server.digest('/a.bin'))
    assert.deepEqual(readdirSync(folder), ['a.bin'])
  },
)

test(
  'a disk that fills up in the middle: nothing partial is at the destination, and no safe byte comes twice',
  { skip },
  async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const folder = stage.path('disk')
    await using room = await disk(folder, 4 * mebibyte)
    const [size, first] = [3 * mebibyte, mebibyte]
    const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(first)] })
    const to = join(folder, 'a.bin')
    const app = await stage.start({ identifier })
    const id = await app.run(
      async ({ session }, address, place) => (await session.download(address, { to: place })).id,
      url,
      to,
    )
    await stage.event('didWriteData', ({ fields }) => fields['totalBytesWritten'] === first)
    // Somebody else takes the rest.
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(2 * mebibyte))
    server.release()
    const found = await waitsForDisk(app, id)
    assert.match(found.why, /DISK_FULL/)
    assert.ok(found.kept >= first, `${found.kept} bytes kept`)
    assert.deepEqual(
      readdirSync(folder).filter((name) => !name.endsWith('.longhaul-part')),
      ['ballast'],
    )
    assert.equal(stage.events(({ name }) => name === 'didComplete').length, 0)

    room.resize(16 * mebibyte)
    await stage.event('didComplete', ({ fields }) => fields['error'] === undefined)
    assert.equal(await stage.digest(to), server.digest('/a.bin'))
    assert.deepEqual(readdirSync(folder).toSorted(), ['a.bin', 'ballast'])
    assert.equal(server.requestsFor('/a.bin').at(-1)!.headers['range'], `bytes=${found.kept}-`)
  },
)

test(
  'a disk that fills up while a file comes over several connections: it waits, and no stretch that is safe comes twice',
  { skip },
  async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const folder = stage.path('disk')
    await using room = await disk(folder, 24 * mebibyte)
    const [size, first] = [20 * mebibyte, 2 * mebibyte]
    const script = Array.from({ length: 4 }, () => stallAfter(first))
    const url = server.file('/a.bin', { size, etag: '"v1"', script })
    const to = join(folder, 'a.bin')
    const app = await stage.start({ identifier })
    const id = await app.run(
      async ({ session }, address, place) => (await session.download(address, { to: place })).id,
      url,
      to,
    )
    await server.sent('/a.bin', 2 * first)
    const isWritten = (): boolean =>
      readdirSync(folder).some((name) => statSync(join(folder, name)).blocks * 512 >= 2 * first)
    while (!isWritten()) await immediately()
    // All the room that there is, but for less than one write.
    writeFileSync(join(folder, 'ballast'), Buffer.alloc(20 * mebibyte - 65_536))
    server.change('/a.bin', { script: [] })
    server.release()
    const { why, kept } = await waitsForDisk(app, id)
    assert.match(why, /DISK_FULL/)
    const [part] = partsOf(stage.home)
    const { safe } = part!
    assert.ok(safe.length > 1, `stretches of several connections: ${JSON.stringify(safe)}`)
    assert.equal(
      safe.reduce((sum, [from, until]) => sum + until - from, 0),
      kept,
    )
    const asked = server.requestsFor('/a.bin').length

    room.resize(64 * mebibyte)
    await app.run(async ({ session }, wanted) => (await session.task(wanted))!.tryNow(), id)
    await stage.event('didComplete', ({ fields }) => fields['error'] === undefined)
    assert.equal(await stage.digest(to), server.digest('/a.bin'))
    for (const { headers } of server.requestsFor('/a.bin').slice(asked)) {
      const [, from, through] = /^bytes=(\d+)-(\d+)$/.exec(headers['range'] ?? '')!
      const again = safe.find(([start, end]) => start <= Number(through) && end > Number(from))
      assert.equal(again, undefined, `${headers['range']} asks for what is safe`)
    }
  },
)

test(
  "the journal's disk is full: new work is refused by name, status says why, nothing is lost",
  { skip },
  async () => {
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    await using _home = await disk(stage.home, 8 * mebibyte)
    const size = 300_000
    const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(100_000)] })
    const to = stage.path('a.bin')
    const app = await stage.start({
      identifier,
      options: { configuration: { retry: { initialDelay: '1ms' as DurationLike } } },
    })
    const id = await app.run(
      async ({ session }, address, place) => (await session.download(address, { to: place })).id,
      url,
      to,
    )
    await stage.event('didWriteData', ({ fields }) => fields['totalBytesWritten'] === 100_000)

    const ballast = join(stage.home, 'ballast')
    fill(ballast, 8 * mebibyte)
    const before = await app.run(async ({ session }) => (await session.counts()).active)
    assert.equal(before, 1)
    /** Adds until it is refused; a row without metadata finds room in the journal's files for longest. */
    const addUntilRefused = async (characters: number): Promise<void> => {
      const refused: unknown = await app
        .run(
          async ({ session, kept }, address, place, count) => {
            const metadata = 'x'.repeat(count) as never
            for (let n = Number(kept.get('n') ?? 0); ; kept.set('n', ++n))
              await session.downloadTask(address, { to: `${place}.${n}`, metadata })
          },
          url,
          to,
          characters,
        )
        .catch((error: unknown) => error)
      assert.ok(refused instanceof ThrownThere)
      assert.equal(refused.code, 'DISK_FULL', refused.message)
      assert.match(refused.message, /journal/i)
    }
    await addUntilRefused(60_000)
    await addUntilRefused(3000)
    // What is saved each second may still find room for a page or two, and then it can be written, for a moment.
    for (;;) {
      await addUntilRefused(0)
      if (!(await journalStatus(stage)).journalWritable) break
    }
    const { journalProblem } = await journalStatus(stage)
    assert.match(journalProblem ?? '', /disk|full/i)
    const known = await app.run(async ({ session }) => (await session.counts()).suspended)
    assert.match((await stage.longhaul('daemon', 'status')).stdout, /cannot be written/)

    // The attempt that runs cannot write down its end now: it waits with it.
    server.release()
    await server.sent('/a.bin', size)
    const { pid } = stage.daemon!
    await rm(ballast)
    await stage.event('didComplete', ({ task, fields }) => task === id && fields['error'] === undefined)
    assert.equal(await stage.digest(to), server.digest('/a.bin'))
    assert.equal(server.requestsFor('/a.bin').length, 1, 'no byte came twice')
    assert.equal(stage.daemon?.pid, pid, 'the same daemon all along')
    const after = await app.run(
      async ({ session }, address, place) => {
        const task = await session.download(address, { to: place })
        const { path } = await task.finished()
        return { path, suspended: (await session.counts()).suspended }
      },
      server.file('/b.bin', { size: 1000 }),
      stage.path('b.bin'),
    )
    assert.deepEqual(after, { path: stage.path('b.bin'), suspended: known })
    assert.equal((await journalStatus(stage)).journalWritable, true)
  },
)

async function journalStatus(
  stage: Stage,
): Promise<{ readonly journalWritable: boolean; readonly journalProblem?: string }> {
  return JSON.parse((await stage.longhaul('daemon', 'status', '--json')).stdout) as never
}

/** As much as there is room for. */
function fill(path: string, bytes: number): void {
  for (let size = 65_536; size >= 4096; size /= 16) {
    try {
      for (let written = 0; written < bytes; written += size) writeFileSync(path, Buffer.alloc(size), { flag: 'a' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error
    }
  }
  assert.ok(statSync(path).size > 0)
}
