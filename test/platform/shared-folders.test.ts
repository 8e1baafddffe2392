/** Folders that several hold at once. */
import assert from 'node:assert/strict'
import { mkdir, readdir, readlink, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFileSystem } from '../../src/platform/files.ts'
import { isLocal } from '../../src/platform/near-disk.ts'
import { SharedFolders } from '../../src/platform/shared-folders.ts'
import { SyncGate } from '../../src/platform/sync-gate.ts'
import { FileFailure } from '../../src/world/file-system.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const linux = { skip: needs('linux') }

async function descriptors(path: string): Promise<number> {
  const open = await readdir('/proc/self/fd')
  const targets = await Promise.all(open.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => '')))
  return targets.filter((target) => target === path).length
}

test('those who hold one folder share its descriptor, until the last of them lets go', linux, async () => {
  const files = createFileSystem()
  const path = await temporaryFolder()
  const first = await files.folder(path)
  const second = await files.folder(path)
  assert.equal(await descriptors(path), 1)
  await first.close()
  await first.close()
  assert.equal(await descriptors(path), 1)
  await assert.rejects(first.look('a'), FileFailure, 'it is closed for the one that closed it')
  assert.equal(await second.look('a'), undefined)
  await second.close()
  assert.equal(await descriptors(path), 0)
  const third = await files.folder(path)
  await third.sync()
  await third.close()
  assert.equal(await descriptors(path), 0)
})

test('who comes after the folder was exchanged gets the one that is there', async () => {
  const files = createFileSystem()
  const path = join(await temporaryFolder(), 'to')
  await mkdir(path)
  const first = await files.folder(path)
  await rename(path, `${path}-away`)
  await assert.rejects(files.folder(path), FileFailure)
  await mkdir(path)
  const second = await files.folder(path)
  const third = await files.folder(path)
  assert.notEqual(second.identity.inode, first.identity.inode)
  assert.equal(third.identity.inode, second.identity.inode)
  await (await second.open('a', 'create')).close()
  assert.deepEqual(await readdir(path), ['a'])
  assert.deepEqual(await readdir(`${path}-away`), [])
  await Promise.all([first.close(), second.close(), third.close()])
})

test('a folder that went away may be let go of while somebody else fails to open it anew', async () => {
  const folders = new SharedFolders(new SyncGate(), isLocal)
  const path = join(await temporaryFolder(), 'to')
  await mkdir(path)
  const first = await folders.take(path)
  await rename(path, `${path}-away`)
  // While this look is under way, all who ask share the next one; the last to ask hears of it when the second has begun to open.
  const look = first.isStillThere()
  const second = assert.rejects(folders.take(path), FileFailure)
  await Promise.resolve()
  assert.equal(await first.isStillThere(), false)
  await first.letGo()
  // A rejection that nobody heard would end the process, and fails the test.
  await second
  await look
})

test('those who open one folder at the same time share it, too', linux, async () => {
  const files = createFileSystem()
  const path = await temporaryFolder()
  const held = await Promise.all(Array.from({ length: 8 }, () => files.folder(path)))
  assert.equal(await descriptors(path), 1)
  await Promise.all(held.map((folder) => folder.close()))
  assert.equal(await descriptors(path), 0)
  // A folder that is not there is no answer for whoever comes when it is.
  const later = join(path, 'later')
  await Promise.all([1, 2].map(() => assert.rejects(files.folder(later), FileFailure)))
  await mkdir(later)
  await (await files.folder(later)).close()
  assert.equal(await descriptors(later), 0)
})

test('a folder is closed when the syncs that were asked for are done', linux, async () => {
  const files = createFileSystem({ syncs: { total: 1, device: 1 } })
  const path = await temporaryFolder()
  const [one, other] = [await files.folder(path), await files.folder(path)]
  const syncs = [one.sync(), other.sync(), one.sync()]
  await Promise.all([one.close(), other.close(), ...syncs])
  assert.equal(await descriptors(path), 0)
})
