// The look at destinations before anything is enqueued, on a disk that fails.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { checkDestinations } from '../../src/service/destinations.ts'
import { Disk } from '../simulation/disk.ts'
import { settleOn } from '../simulation/drive.ts'
import { Life } from '../simulation/life.ts'
import type { DiskFault } from '../simulation/medium.ts'
import { Seeded } from '../simulation/seeded.ts'
import { Timeline } from '../simulation/timeline.ts'

const row = {
  destination: { kind: 'file', folder: '/data', name: 'x' },
  ifExists: 'fail',
  mayExist: false,
} as const

/** Looks at the row on a disk with a folder where one call fails. */
function look(call: DiskFault['call'], fault: DiskFault['fault']): Promise<unknown> {
  const timeline = new Timeline()
  const random = new Seeded(1)
  const disk = new Disk({ random, timeline, faults: [{ call, nth: 1, fault }] })
  disk.makeFolder('/data')
  const life = new Life({ name: 'daemon', timeline, random, steadyLeadMs: 0, wall: () => 0 })
  return settleOn(timeline, checkDestinations(disk.fileSystem(life), [row]))
}

for (const call of ['files.folder', 'folder.look'] as const) {
  test(`a disk that fails at ${call} refuses the row by its index, and says that nothing was enqueued`, async () => {
    await assert.rejects(look(call, 'input/output'), (error) => {
      assert.ok(isLonghaulError(error, 'CANNOT_CREATE_FILE'))
      assert.equal(error.index, 0)
      assert.match(error.message, /\/data.*Nothing was enqueued/)
      return true
    })
  })
}

test('what each folder is comes with the answer, however many rows go there', async () => {
  const timeline = new Timeline()
  const random = new Seeded(1)
  const disk = new Disk({ random, timeline, faults: [] })
  disk.makeFolder('/data')
  disk.makeFolder('/more')
  const files = disk.fileSystem(new Life({ name: 'daemon', timeline, random, steadyLeadMs: 0, wall: () => 0 }))
  const spooled = { ...row, destination: { kind: 'spool' } } as const
  const more = { ...row, destination: { kind: 'folder', folder: '/more' } } as const
  const found = await settleOn(timeline, checkDestinations(files, [row, more, spooled, row]))
  assert.deepEqual([...found.keys()], ['/data', '/more'])
  for (const [path, identity] of found) {
    const { inode, birthMs, device } = (await settleOn(timeline, files.folder(path))).identity
    assert.deepEqual(identity, { inode, birthMs, device })
  }
})

test('too many open files say nothing against a folder: the row is taken, and its attempt looks again', async () => {
  await look('files.folder', 'too many open files')
})
