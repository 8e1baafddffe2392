import assert from 'node:assert/strict'
import { link, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFileSystem } from '../../src/platform/files.ts'
import { PartFile, partIdentity } from '../../src/transfer/files/part-file.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('a part that stands at a destination already, since publishing failed half way, is never written again', async () => {
  const path = await temporaryFolder()
  await writeFile(join(path, '.part'), 'all of it')
  await link(join(path, '.part'), join(path, 'destination'))
  const folder = await createFileSystem().folder(path)
  const identity = partIdentity((await folder.look('.part'))!)
  const found = await PartFile.reopen(folder, { folder: path, name: '.part', identity, ranges: [[0, 3]] })
  assert.ok('lost' in found)
  assert.match(found.lost, /destination/)
  await folder.close()
})
