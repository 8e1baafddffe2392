// When the thread that read bytes writes them itself, and when it leaves that to others.
import assert from 'node:assert/strict'
import { statfsSync } from 'node:fs'
import { test } from 'node:test'
import { createFileSystem } from '../../src/platform/files.ts'
import { isLocal, NearDisk } from '../../src/platform/near-disk.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

class Stopwatch {
  ms = 1000
  readonly disk = new NearDisk(true, () => this.ms)

  write(tookMs: number): void {
    this.disk.here(() => (this.ms += tookMs))
  }
}

test('a disk that keeps up stays near', () => {
  const watch = new Stopwatch()
  assert.ok(watch.disk.isNear)
  for (let write = 0; write < 100; write++) watch.write(19)
  assert.ok(watch.disk.isNear)
})

test('however slow a disk is, the thread waits for it a twentieth of its time at most', () => {
  for (const tookMs of [20, 200, 3000]) {
    const watch = new Stopwatch()
    const began = watch.ms
    for (let write = 1; write <= 10; write++) {
      watch.write(tookMs)
      assert.ok(!watch.disk.isNear)
      while (!watch.disk.isNear) watch.ms++
      assert.ok((write * tookMs) / (watch.ms - began) <= 1 / 20, `${tookMs} ms, ${write} times`)
    }
  }
})

test('a write that failed slowly counts like one that went well', () => {
  const watch = new Stopwatch()
  const fail = (): never => {
    watch.ms += 500
    throw new Error('no')
  }
  assert.throws(() => watch.disk.here(fail), { message: 'no' })
  assert.ok(!watch.disk.isNear)
  watch.ms += 20 * 500
  assert.ok(watch.disk.isNear)
})

test('only file systems of local disks are near: not a network, not FUSE', { skip: needs('linux') }, () => {
  for (const near of [0xef53, 0x58465342, 0x9123683e, 0x01021994]) assert.ok(isLocal(near), near.toString(16))
  // As Node gives those whose highest bit is set, on some machines.
  assert.ok(isLocal(0x9123683e | 0))
  for (const far of [0x6969, 0xff534d42, 0x01021997, 0x65735546, 0, 26]) assert.ok(!isLocal(far), far.toString(16))
})

test('on a near disk bytes are there when write returns; on another, when its promise settles', async () => {
  const here = await temporaryFolder()
  const asked: number[] = []
  for (const isNear of [true, false]) {
    const files = createFileSystem({
      isNear: (type) => {
        asked.push(type)
        return isNear
      },
    })
    const folder = await files.folder(here)
    const file = await folder.open(`near ${isNear}`, 'create')
    const writing = file.write(Buffer.from('bytes'), 0)
    assert.equal(writing === undefined, isNear)
    await writing
    assert.equal((await file.look()).size, 5)
    await file.close()
    await folder.close()
  }
  assert.deepEqual(asked, [statfsSync(here).type, statfsSync(here).type])
})
