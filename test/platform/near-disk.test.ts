// When the thread that read bytes writes them itself, and when it leaves that to others.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, statfsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFileSystem } from '../../src/platform/files.ts'
import { isLocal, NearDisk } from '../../src/platform/near-disk.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

class Stopwatch {
  ms = 1000
  readonly disk = new NearDisk(true, () => this.ms)

  take(ms: number): void {
    this.disk.here(() => (this.ms += ms))
  }
}

test('a disk that keeps up stays near, also if the machine takes the thread away now and then', () => {
  const watch = new Stopwatch()
  assert.ok(watch.disk.isNear)
  for (let call = 1; call <= 1000; call++) {
    watch.take(call % 100 === 0 ? 15 : 4)
    assert.ok(watch.disk.isNear, `call ${call}`)
  }
})

test('however slow a disk is, what it takes beyond four milliseconds a call is a twentieth of the time at most', () => {
  for (const tookMs of [5, 15, 200, 2000]) {
    const watch = new Stopwatch()
    const began = watch.ms
    let beyondMs = 0
    let calls = 0
    while (watch.ms < began + 400_000) {
      if (watch.disk.isNear) {
        watch.take(tookMs)
        beyondMs += tookMs - 4
        calls++
      } else watch.ms++
      const most = (watch.ms - began) / 20 + 100 + tookMs
      assert.ok(beyondMs <= most, `${tookMs} ms, ${calls} times: ${beyondMs} of ${watch.ms - began} ms`)
    }
    assert.ok(calls >= 10, `${tookMs} ms: it is tried again`)
  }
})

test('a call in whose middle the machine slept counts for a minute, not for hours', () => {
  const watch = new Stopwatch()
  watch.take(3_600_000)
  assert.ok(!watch.disk.isNear)
  watch.ms += 60_000
  assert.ok(watch.disk.isNear)
})

test('a call that failed slowly counts like one that went well', () => {
  const watch = new Stopwatch()
  const fail = (): never => {
    watch.ms += 500
    throw new Error('no')
  }
  assert.throws(() => watch.disk.here(fail), { message: 'no' })
  assert.ok(!watch.disk.isNear)
})

test('a long row of calls lets others run in between', async () => {
  const files = createFileSystem({ isNear: () => true })
  const folder = await files.folder(await temporaryFolder())
  let turns = 0
  let running = true
  const count = (): void => {
    turns++
    if (running) setImmediate(count)
  }
  setImmediate(count)
  for (let name = 0; name < 1000; name++) assert.equal(await folder.look(`${name}`), undefined)
  running = false
  assert.ok(turns >= 9, `${turns} turns`)
  await folder.close()
})

test(
  'a file over which another disk is mounted is not written to by this thread',
  { skip: needs('mounts') },
  async () => {
    const here = await temporaryFolder()
    const other = await temporaryFolder()
    execFileSync('mount', ['-t', 'ramfs', 'longhaul-test', other])
    try {
      writeFileSync(join(other, 'far'), 'kept')
      writeFileSync(join(here, 'file'), '')
      execFileSync('mount', ['--bind', join(other, 'far'), join(here, 'file')])
      const files = createFileSystem({ isNear: () => true })
      const folder = await files.folder(here)
      const file = await folder.open('file', 'write')
      const writing = file.write(Buffer.from('w'), 0)
      assert.ok(writing instanceof Promise)
      await writing
      await file.close()
      await folder.close()
      assert.equal(readFileSync(join(other, 'far'), 'utf8'), 'wept')
    } finally {
      execFileSync('umount', [join(here, 'file')])
      execFileSync('umount', [other])
    }
  },
)

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
