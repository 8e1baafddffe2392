// Files that are owed, what is old, the saved clock.
import assert from 'node:assert/strict'
import { access, mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { Journal, OwedFile } from '../../src/journal/journal.ts'
import { createFileSystem } from '../../src/platform/files.ts'
import { Housekeeping } from '../../src/service/housekeeping.ts'
import { FileFailure, type FileSystem } from '../../src/world/file-system.ts'
import { silentLog } from '../../src/world/log.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'
import { House, measured } from './house.ts'

/** Of the journal only what owes and pays; rows are taken away when they are paid, as there. */
function ledger(rows: OwedFile[]): { readonly journal: Journal; readonly rows: OwedFile[]; readonly saved: number[] } {
  const saved: number[] = []
  const journal = {
    owed: ({ limit }: { limit: number }) => Promise.resolve(rows.slice(0, limit)),
    paid: ({ ids }: { ids: readonly number[] }) => {
      for (const id of ids)
        rows.splice(
          rows.findIndex((row) => row.id === id),
          1,
        )
      return Promise.resolve(null)
    },
    retire: () => Promise.resolve({ retired: 0, more: false }),
    saveClock: ({ at }: { at: { steadyMs: number } }) => {
      saved.push(at.steadyMs)
      return Promise.resolve(null)
    },
  }
  return { journal: journal as unknown as Journal, rows, saved }
}

const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

async function identityOf(path: string): Promise<NonNullable<OwedFile['identity']>> {
  const folder = await createFileSystem().folder(dirname(path))
  const found = await folder.look(basename(path))
  await folder.close()
  assert.ok(found !== undefined)
  return { inode: found.inode, birthMs: found.birthMs, device: found.device }
}

async function pay(rows: OwedFile[]): Promise<OwedFile[]> {
  const { journal } = ledger(rows)
  const housekeeping = new Housekeeping({
    clock: new VirtualClock(),
    files: createFileSystem(),
    journal,
    log: silentLog,
    writes: () => false,
  })
  housekeeping.nudge()
  await housekeeping.idle()
  return rows
}

test('an owed file is unlinked and its row is gone', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'part'), 'x')
  const identity = await identityOf(join(folder, 'part'))
  assert.deepEqual(await pay([{ id: 1, folder, name: 'part', dueMs: 0, identity }]), [])
  assert.equal(await exists(join(folder, 'part')), false)
})

test('another file under the name of an owed one is left alone', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'part'), 'someone else')
  const identity = await identityOf(join(folder, 'part'))
  const rows = await pay([
    { id: 1, folder, name: 'part', dueMs: 0, identity: { ...identity, inode: '1' } },
    { id: 2, folder, name: 'part', dueMs: 0, identity: { ...identity, birthMs: identity.birthMs - 1 } },
  ])
  assert.deepEqual(rows, [])
  assert.equal(await exists(join(folder, 'part')), true)
})

test('a part whose attempt counted its bytes last, and ended while it was looked at what is owed, is left alone', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'part'), 'x')
  const { journal, rows } = ledger([{ id: 1, folder, name: 'part', dueMs: 0 }])
  const files = createFileSystem()
  const housekeeping = new Housekeeping({
    clock: new VirtualClock(),
    files: {
      folder: (path) => {
        // Its last checkpoint is committed after the owed ones were told, and it ends while the folder is opened.
        rows.length = 0
        housekeeping.released({ folder, name: 'part' })
        return files.folder(path)
      },
    },
    journal: { ...journal, owed: ({ limit }) => Promise.resolve(rows.slice(0, limit)) },
    log: silentLog,
    writes: () => false,
  })
  housekeeping.nudge()
  await housekeeping.idle()
  assert.deepEqual(rows, [])
  assert.equal(await exists(join(folder, 'part')), true)
})

test('a part that was named and never written down is unlinked, but not before the attempt that named it has ended', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'old'), 'x')
  await writeFile(join(folder, 'used'), 'x')
  const { journal, rows } = ledger([
    { id: 1, folder, name: 'used', dueMs: 0 },
    { id: 2, folder, name: 'old', dueMs: 0 },
  ])
  let runs = true
  const housekeeping = new Housekeeping({
    clock: new VirtualClock(),
    files: createFileSystem(),
    journal,
    log: silentLog,
    writes: (_folder, name) => runs && name === 'used',
  })
  housekeeping.nudge()
  await housekeeping.idle()
  assert.deepEqual(
    rows.map(({ id }) => id),
    [1],
  )
  assert.equal(await exists(join(folder, 'old')), false)
  assert.equal(await exists(join(folder, 'used')), true)
  runs = false
  housekeeping.released()
  await housekeeping.idle()
  assert.deepEqual(rows, [])
  assert.equal(await exists(join(folder, 'used')), false)
})

test('an attempt that has named a file waits until an older one of that name is unlinked', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'part')
  await writeFile(path, 'older')
  const rows: OwedFile[] = [{ id: 1, folder, name: 'part', dueMs: 0, identity: await identityOf(path) }]
  const { journal } = ledger(rows)
  const real = createFileSystem()
  const reached = Promise.withResolvers<void>()
  const gate = Promise.withResolvers<void>()
  const housekeeping = new Housekeeping({
    clock: new VirtualClock(),
    files: {
      folder: async (at) => {
        const held = await real.folder(at)
        const unlink = held.unlink.bind(held)
        held.unlink = async (name) => {
          reached.resolve()
          await gate.promise
          await unlink(name)
        }
        return held
      },
    },
    journal,
    log: silentLog,
    writes: () => false,
  })
  housekeeping.nudge()
  await reached.promise
  let free = false
  const waited = housekeeping.leaves(folder, 'part').then(() => {
    free = true
  })
  await housekeeping.leaves(folder, 'another')
  assert.equal(free, false)
  gate.resolve()
  await waited
  assert.equal(await exists(path), false)
  await housekeeping.idle()
  assert.deepEqual(rows, [])
})

test('files of a folder that is gone are paid, and many are worked off', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'part'), 'x')
  const identity = await identityOf(join(folder, 'part'))
  const many = Array.from({ length: 250 }, (_, id) => ({
    id,
    folder: join(folder, 'gone'),
    name: `part-${id}`,
    dueMs: 0,
    identity,
  }))
  assert.deepEqual(await pay(many), [])
})

/** One whose owed files are told by the ledger; a sweep is an hour away from the next. */
function sweeping(
  journal: Journal,
  files: FileSystem = createFileSystem(),
): { readonly clock: VirtualClock; readonly nextSweep: (afterMs?: number) => Promise<void> } {
  const clock = new VirtualClock()
  const housekeeping = new Housekeeping({ clock, files, journal, log: silentLog, writes: () => false })
  const nextSweep = async (afterMs = 3_600_000): Promise<void> => {
    await clock.advance(afterMs)
    housekeeping.turned({ busy: true, runs: false })
    await housekeeping.idle()
  }
  return { clock, nextSweep }
}

for (const [how, left] of [
  ['no folder', (usb: string) => rename(usb, `${usb}-away`)],
  ['an empty folder on another disk', async (usb: string) => rename(usb, `${usb}-away`).then(() => mkdir(usb))],
] as const)
  test(`a file of a disk that is away, which leaves ${how}, is unlinked when the disk is back`, async () => {
    const usb = join(await temporaryFolder(), 'usb')
    await mkdir(usb)
    const path = join(usb, 'part')
    await writeFile(path, 'x')
    const identity = { ...(await identityOf(path)), device: 'of the disk' }
    const { journal, rows } = ledger([{ id: 1, folder: usb, name: 'part', dueMs: 0, identity }])
    const { nextSweep } = sweeping(journal)
    await left(usb)
    await nextSweep()
    assert.equal(rows.length, 1)
    await rm(usb, { recursive: true, force: true })
    await rename(`${usb}-away`, usb)
    await nextSweep()
    assert.deepEqual(rows, [])
    assert.equal(await exists(path), false)
  })

test('a file whose disk was away for ninety days is no longer looked for', async () => {
  const identity = { inode: '1', birthMs: 1, device: 'of the disk' }
  const { journal, rows } = ledger([{ id: 1, folder: '/nowhere/usb', name: 'part', dueMs: 0, identity }])
  const { clock, nextSweep } = sweeping(journal)
  const ninetyDays = 90 * 86_400_000
  await nextSweep(ninetyDays - clock.steady() - 1)
  assert.equal(rows.length, 1)
  await nextSweep()
  assert.deepEqual(rows, [])
})

test('a file of which nobody knows the disk has gone with its folder', async () => {
  const ofAnotherBoot = { inode: '1', birthMs: 1, device: '' }
  const { journal, rows } = ledger([
    { id: 1, folder: '/nowhere/temporary', name: 'part', dueMs: 0 },
    { id: 2, folder: '/nowhere/temporary', name: 'other', dueMs: 0, identity: ofAnotherBoot },
  ])
  await sweeping(journal).nextSweep()
  assert.deepEqual(rows, [])
})

test('a failure that passes puts off the one file that it met, until the next sweep', async () => {
  const folder = await temporaryFolder()
  const owed: OwedFile[] = []
  for (const [id, name] of ['one', 'two', 'three'].entries()) {
    await writeFile(join(folder, name), 'x')
    owed.push({ id, folder, name, dueMs: 0, identity: await identityOf(join(folder, name)) })
  }
  const real = createFileSystem()
  let busy = true
  const files: FileSystem = {
    folder: async (path) => {
      const held = await real.folder(path)
      const unlink = held.unlink.bind(held)
      held.unlink = (name) =>
        busy && name === 'two' ? Promise.reject(new FileFailure('busy', join(path, name))) : unlink(name)
      return held
    },
  }
  const { journal, rows } = ledger(owed)
  const { nextSweep } = sweeping(journal, files)
  await nextSweep()
  assert.deepEqual(
    rows.map(({ name }) => name),
    ['two'],
  )
  busy = false
  await nextSweep()
  assert.deepEqual(rows, [])
  assert.equal(await exists(join(folder, 'two')), false)
})

test('a file that cannot be unlinked stays owed and does not hold up the others', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'part'), 'x')
  const identity = await identityOf(join(folder, 'part'))
  const real = createFileSystem()
  const rows: OwedFile[] = [
    { id: 1, folder: '/locked', name: 'part', dueMs: 0, identity },
    { id: 2, folder, name: 'part', dueMs: 0, identity },
  ]
  const { journal } = ledger(rows)
  const housekeeping = new Housekeeping({
    clock: new VirtualClock(),
    files: {
      folder: (path) => (path === '/locked' ? Promise.reject(new Error('no permission')) : real.folder(path)),
    },
    journal,
    log: silentLog,
    writes: () => false,
  })
  housekeeping.nudge()
  await housekeeping.idle()
  assert.deepEqual(
    rows.map(({ id }) => id),
    [1],
  )
  assert.equal(await exists(join(folder, 'part')), false)
})

test('the clock is saved once a minute while there is work, and never while there is none', async () => {
  const clock = new VirtualClock()
  const { journal, saved } = ledger([])
  const housekeeping = new Housekeeping({
    clock,
    files: createFileSystem(),
    journal,
    log: silentLog,
    writes: () => false,
  })
  for (let minute = 0; minute < 10; minute++) {
    await clock.advance(30_000)
    housekeeping.turned({ busy: minute < 6, runs: true })
  }
  assert.equal(saved.length, 3)
  await housekeeping.stop()
})

test('the clock is saved each minute while an attempt runs, each ten minutes while a task only waits, and old tasks are forgotten', async () => {
  for (const [runs, every] of [
    [true, 60_000],
    [false, 600_000],
  ] as const) {
    let saved = 0
    let retired = 0
    const house = await House.open({
      wrap: (journal) => ({
        ...journal,
        saveClock: (input) => {
          saved++
          return journal.saveClock(input)
        },
        retire: (input) => {
          retired++
          return journal.retire(input)
        },
      }),
    })
    await house.openSession()
    await house.add(runs ? {} : { earliestBeginMs: house.clock.wall() + 100 * 3_600_000 })
    ;[saved, retired] = [0, 0]
    await house.clock.advance(2 * 3_600_000)
    assert.ok(Math.abs(saved - (2 * 3_600_000) / every) <= 2, `saved ${saved} times`)
    assert.ok(retired === 1 || retired === 2)
    await house.close()
  }
})

test('a dropped session leaves no part behind', async () => {
  const house = await House.open()
  await house.openSession()
  const folder = await temporaryFolder()
  const id = await house.add({ destination: { kind: 'file', folder, name: 'file' } })
  const attempt = house.engine.of(id)
  const part = join(folder, `.${id.slice(-8)}.longhaul-part`)
  await attempt.reserve()
  await writeFile(part, 'bytes')
  const identity = await identityOf(part)
  await attempt.report.checkpoint({
    part: { folder, name: basename(part) },
    identity,
    ranges: [[0, 5]],
    representation: { acceptsRanges: true },
  })
  // A cancelled task keeps its bytes, for a retry.
  await house.change(id, 'cancel')
  assert.equal(await exists(part), true)
  house.life.service.gone(house.caller)
  await house.call('session.drop', { identifier: 'com.example' })
  for (let i = 0; i < 5000 && (await exists(part)); i++) await settle()
  await house.close()
  assert.equal(await exists(part), false)
})

for (const how of ['cancelled', 'failed'] as const)
  test(`a task that is ${how} before its first checkpoint leaves no part, also one that its attempt makes after that`, async () => {
    const house = await House.open()
    await house.openSession()
    const folder = await temporaryFolder()
    const id = await house.add({ destination: { kind: 'file', folder, name: 'file' } })
    const attempt = house.engine.of(id)
    const part = join(folder, `.${id.slice(-8)}.longhaul-part`)
    house.engine.obeys = false
    await attempt.reserve()
    if (how === 'cancelled') {
      await house.change(id, 'cancel')
      // Whoever keeps the house looks before there is a file.
      for (let i = 0; i < 200; i++) await settle()
    }
    await writeFile(part, 'bytes')
    if (how === 'cancelled') await attempt.end({ kind: 'fenced', measure: measured })
    else await attempt.fail(new LonghaulError('HTTP_STATUS', '404'), { kind: 'final' })
    for (let i = 0; i < 5000 && (await exists(part)); i++) await settle()
    await house.close()
    assert.equal(await exists(part), false)
  })

test('a part that is given up before its first checkpoint is not unlinked under the attempt that takes its name again', async () => {
  const house = await House.open()
  await house.openSession()
  const folder = await temporaryFolder()
  const id = await house.add({ destination: { kind: 'file', folder, name: 'file' } })
  const attempt = house.engine.of(id)
  const part = join(folder, `.${id.slice(-8)}.longhaul-part`)
  await attempt.reserve()
  await writeFile(part, 'bytes')
  await attempt.report.restart('the server has other bytes now', 'bytes changed')
  await attempt.reserve()
  const paid = async (): Promise<boolean> => {
    const at = { steadyMs: house.clock.steady(), wallMs: house.clock.wall() }
    return (await house.life.journal.owed({ limit: 10, at })).length === 0
  }
  for (let i = 0; i < 5000 && !(await paid()); i++) await settle()
  assert.equal(await paid(), true)
  assert.equal(await exists(part), true)
  await house.close()
})
