import assert from 'node:assert/strict'
import { chmod, link, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { moveFile } from '../../src/platform/move-file.ts'
import { currentUmask } from '../../src/platform/this-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('a file is moved into folders that are made, with the mode of a new file', async () => {
  const folder = await temporaryFolder()
  const from = join(folder, 'from')
  await writeFile(from, 'bytes', { mode: 0o600 })
  const to = join(folder, 'a', 'b', 'to')
  assert.equal(await moveFile(from, to), to)
  assert.equal(await readFile(to, 'utf8'), 'bytes')
  assert.equal((await stat(to)).mode & 0o777, 0o666 & ~currentUmask())
  assert.deepEqual((await readdir(folder)).toSorted(), ['a'])
})

test('moving again after it was moved does nothing, for its event may come again', async () => {
  const folder = await temporaryFolder()
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  await writeFile(from, 'bytes')
  await moveFile(from, to)
  assert.equal(await moveFile(from, to), to)
  assert.equal(await readFile(to, 'utf8'), 'bytes')
  await rm(to)
  await assert.rejects(moveFile(from, to), (error) => isLonghaulError(error, 'FILE_DOES_NOT_EXIST'))
})

test('what is at the target is replaced whole and lends its mode', async () => {
  const folder = await temporaryFolder()
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  await writeFile(from, 'new')
  await writeFile(to, 'old')
  await chmod(to, 0o640)
  await moveFile(from, to)
  assert.equal(await readFile(to, 'utf8'), 'new')
  assert.equal((await stat(to)).mode & 0o777, 0o640)
})

test('a second link of the same file at the target is no reason to keep the source, or to lose both', async () => {
  const folder = await temporaryFolder()
  const [from, to] = [join(folder, 'from'), join(folder, 'to')]
  await writeFile(from, 'bytes')
  await link(from, to)
  await moveFile(from, to)
  assert.deepEqual(await readdir(folder), ['to'])
  assert.equal(await moveFile(to, to), to)
  assert.equal(await readFile(to, 'utf8'), 'bytes')
})

test('a symbolic link at the target is replaced, not followed', async () => {
  const folder = await temporaryFolder()
  const [from, to, other] = [join(folder, 'from'), join(folder, 'to'), join(folder, 'other')]
  await writeFile(from, 'new')
  await writeFile(other, 'untouched')
  await symlink('other', to)
  await moveFile(from, to)
  assert.equal(await readFile(other, 'utf8'), 'untouched')
  assert.equal(await readFile(to, 'utf8'), 'new')
})

test('a folder at the target, or a file in the way of one, keeps the source where it is', async () => {
  const folder = await temporaryFolder()
  const from = join(folder, 'from')
  await writeFile(from, 'bytes')
  await mkdir(join(folder, 'there'))
  await assert.rejects(moveFile(from, join(folder, 'there')), (error) => isLonghaulError(error, 'FILE_IS_DIRECTORY'))
  await assert.rejects(moveFile(from, join(folder, 'from', 'x')), (error) => isLonghaulError(error, 'CANNOT_MOVE_FILE'))
  assert.equal(await readFile(from, 'utf8'), 'bytes')
})

test('a file moves between file systems, and leaves no draft', async (t) => {
  const folder = await temporaryFolder()
  const other = otherFileSystem()
  t.after(() => rmSync(other, { recursive: true, force: true }))
  // Where the machine has one file system only, the same must hold by rename.
  if (statSync(other).dev === statSync(folder).dev) t.diagnostic('one file system only: moved by rename')
  const from = join(other, 'from')
  await writeFile(from, Buffer.alloc(3_000_000, 'x'), { mode: 0o600 })
  await moveFile(from, join(folder, 'to'))
  assert.equal((await stat(join(folder, 'to'))).size, 3_000_000)
  assert.equal((await stat(join(folder, 'to'))).mode & 0o777, 0o666 & ~currentUmask())
  assert.deepEqual(await readdir(folder), ['to'])
  assert.deepEqual(await readdir(other), [])
})

function otherFileSystem(): string {
  const candidates = ['/dev/shm', tmpdir()]
  for (const candidate of candidates) {
    try {
      return mkdtempSync(join(candidate, 'lh-'))
    } catch {
      // Not on this machine.
    }
  }
  throw new Error('no folder for temporary files')
}
