// The twin of the file system does what the real one does (the suite), fills up, and fails where it is told to.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FileFailure, type FileFailureCause } from '../../src/world/file-system.ts'
import { fileSystemSuite } from '../suites/file-system.ts'
import { DiskStage } from './disk-stage.ts'
import { settleOn } from './drive.ts'

fileSystemSuite('of the simulation', () => {
  const stage = new DiskStage('suite')
  const { disk, timeline } = stage
  return Promise.resolve({
    files: stage.start().files,
    home: '/home',
    write: (path, text) => disk.put(path, Buffer.from(text), { how: 'in place' }),
    read: (path) => {
      const bytes = disk.read(path)
      return bytes === undefined ? undefined : Buffer.from(bytes).toString()
    },
    makeFolder: (path) => void disk.makeFolder(path),
    remove: (path) => disk.remove(path),
    settle: (work) => settleOn(timeline, work),
  })
})

const failsWith =
  (reason: FileFailureCause) =>
  (error: unknown): true => {
    assert.ok(error instanceof FileFailure, String(error))
    assert.equal(error.reason, reason)
    return true
  }

test('a full simulated disk takes a part of a write, and what has its place already', async () => {
  const stage = new DiskStage(1, { capacity: 2048 })
  await stage.live(async (folder) => {
    const file = await folder.open('part', 'create')
    await file.write(Buffer.alloc(1000, 1), 0)
    assert.equal(await folder.free(), 1024)
    await assert.rejects(async () => file.write(Buffer.alloc(3000, 2), 500), failsWith('no space'))
    assert.equal((await file.look()).size, 2048)
    await file.write(Buffer.alloc(2048, 3), 0)
    await assert.rejects(async () => file.write(Buffer.of(4), 2048), failsWith('no space'))
    await file.resize(512)
    assert.equal(await folder.free(), 1536)
    await folder.unlink('part')
    assert.equal(await folder.free(), 1536)
    await file.close()
    assert.equal(await folder.free(), 2048)
  })
  assert.equal(stage.disk.used, 0)
})

test('a life that ends gives back the room of files that only it held', async () => {
  const stage = new DiskStage(1)
  await stage.live(async (folder) => {
    const file = await folder.open('part', 'create')
    await file.write(Buffer.alloc(1000, 1), 0)
    await folder.unlink('part')
    assert.equal(stage.disk.used, 1024)
  })
  assert.equal(stage.disk.used, 0)
})

test('a call of a dead life has no effect and no answer', async () => {
  const stage = new DiskStage(1)
  const { life, files } = stage.start()
  const folder = await settleOn(stage.timeline, files.folder('/home'))
  const opened = folder.open('part', 'create')
  life.end()
  await assert.rejects(settleOn(stage.timeline, opened), /has not settled/)
  assert.equal(stage.text('part'), undefined)
})

test('a handle from before a power cut is dead, and its end changes nothing', async () => {
  const stage = new DiskStage(1)
  stage.disk.put('/home/part', Buffer.from('bytes'), { durable: true })
  const { files, life } = stage.start()
  const folder = await settleOn(stage.timeline, files.folder('/home'))
  await settleOn(stage.timeline, folder.open('part', 'read'))
  stage.disk.powerCut()
  await assert.rejects(settleOn(stage.timeline, folder.look('part')), failsWith('input/output'))
  await stage.live(async (again) => {
    const file = await again.open('part', 'read')
    life.end()
    await again.unlink('part')
    assert.equal(await file.read(new Uint8Array(10), 0), 5)
    assert.equal(stage.disk.used, 512)
  })
  assert.equal(stage.disk.used, 0)
})

test('a clock that stands still gives no two files one identity', async () => {
  const stage = new DiskStage(1, { wall: () => 5 })
  const seen = new Set<string>()
  await stage.live(async (folder) => {
    for (let i = 0; i < 20; i++) {
      const file = await folder.open('part', 'create')
      seen.add(`${file.identity.inode} ${file.identity.birthMs}`)
      await file.close()
      await folder.unlink('part')
    }
  })
  assert.equal(seen.size, 20)
})

test('a fault strikes one call of its name, counted over all lives', async () => {
  const stage = new DiskStage(1, {
    faults: [
      { call: 'folder.open', nth: 2, fault: 'too many open files' },
      { call: 'folder.link', nth: 1, fault: 'not supported' },
      { call: 'folder.sync', nth: 1, fault: 'input/output' },
      { call: 'files.folder', nth: 3, fault: 'no permission' },
      { call: 'file.read', nth: 1, fault: 'input/output' },
    ],
  })
  await stage.live((folder) => folder.open('part', 'create'))
  await stage.live(async (folder) => {
    await assert.rejects(folder.open('part', 'write'), failsWith('too many open files'))
    const file = await folder.open('part', 'write')
    await assert.rejects(folder.link('part', 'file'), failsWith('not supported'))
    assert.equal(stage.text('file'), undefined)
    await folder.link('part', 'file')
    await assert.rejects(folder.sync(), failsWith('input/output'))
    assert.equal(stage.durable('part'), 'uncertain')
    await folder.sync()
    assert.equal(stage.durable('part'), '')
    await assert.rejects(file.read(new Uint8Array(1), 0), failsWith('input/output'))
    assert.equal(await file.read(new Uint8Array(1), 0), 0)
  })
  await assert.rejects(
    stage.live(() => Promise.resolve()),
    failsWith('no permission'),
  )
  assert.equal(stage.disk.calls.get('folder.open'), 3)
})

test('a write that fails has written a part, never all', async () => {
  const sizes = new Set<number>()
  for (let seed = 1; seed <= 40; seed++) {
    const stage = new DiskStage(seed, { faults: [{ call: 'file.write', nth: 1, fault: 'no space' }] })
    await stage.live(async (folder) => {
      const file = await folder.open('part', 'create')
      await assert.rejects(async () => file.write(Buffer.alloc(3, 1), 0), failsWith('no space'))
      sizes.add((await file.look()).size)
      await file.write(Buffer.alloc(3, 1), 0)
    })
  }
  assert.deepEqual(sizes, new Set([0, 1, 2]))
})

test('after a failed sync of the simulated disk the handle is done with, and no later sync saves the bytes', async () => {
  const left = new Set<string | undefined>()
  for (let seed = 1; seed <= 40; seed++) {
    const stage = new DiskStage(seed, { faults: [{ call: 'file.sync', nth: 1, fault: 'sync fails, then succeeds' }] })
    await stage.live(async (folder) => {
      const file = await folder.open('part', 'create')
      await folder.sync()
      await file.write(Buffer.from('bytes'), 0)
      await assert.rejects(file.sync('data'), failsWith('input/output'))
      await assert.rejects(file.sync('all'), failsWith('sync lost'))
      await assert.rejects(async () => file.write(Buffer.from('x'), 0), failsWith('sync lost'))
      await assert.rejects(file.resize(0), failsWith('sync lost'))
      assert.equal((await file.look()).size, 5)
      const again = await folder.open('part', 'write')
      await again.sync('all')
      assert.equal(stage.text('part'), 'bytes')
    })
    stage.powerCut()
    left.add(stage.text('part'))
  }
  assert.deepEqual([...left], ['\0\0\0\0\0'])
})

test('a calm disk fails no more', async () => {
  const stage = new DiskStage(1, { faults: [{ call: 'folder.open', nth: 1, fault: 'read only' }] })
  stage.disk.calm()
  await stage.live((folder) => folder.open('part', 'create'))
})
