import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, open, readdir, symlink, writeFile } from 'node:fs/promises'
import { join, sep } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type ErrorCode, isLonghaulError } from '../../src/contract/errors.ts'
import { resolveDestination } from '../../src/platform/destination.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const code =
  (wanted: ErrorCode) =>
  (error: unknown): boolean =>
    isLonghaulError(error, wanted)

test('a folder is what exists as one or ends in a separator; everything else names a file', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'there'))
  assert.deepEqual(await resolveDestination(join(folder, 'there')), { kind: 'folder', folder: join(folder, 'there') })
  assert.deepEqual(await resolveDestination(join(folder, 'new') + sep), { kind: 'folder', folder: join(folder, 'new') })
  assert.deepEqual(await resolveDestination(join(folder, 'file.bin')), { kind: 'file', folder, name: 'file.bin' })
  assert.deepEqual(await resolveDestination('a/b.bin', { cwd: folder }), {
    kind: 'file',
    folder: join(folder, 'a'),
    name: 'b.bin',
  })
  assert.deepEqual(await resolveDestination(pathToFileURL(join(folder, 'x y.bin'))), {
    kind: 'file',
    folder,
    name: 'x y.bin',
  })
  assert.deepEqual((await readdir(folder)).toSorted(), ['a', 'new', 'there'], 'missing folders were made, no file was')
})

test('links of folders are resolved, a link in the place of the file is not followed', async () => {
  const folder = await temporaryFolder()
  await mkdir(join(folder, 'real'))
  await symlink('real', join(folder, 'link'))
  await writeFile(join(folder, 'target'), 'x')
  await symlink('target', join(folder, 'file-link'))
  assert.deepEqual(await resolveDestination(join(folder, 'link', 'f')), {
    kind: 'file',
    folder: join(folder, 'real'),
    name: 'f',
  })
  assert.deepEqual(await resolveDestination(join(folder, 'link')), { kind: 'folder', folder: join(folder, 'real') })
  assert.deepEqual(await resolveDestination(join(folder, 'file-link')), { kind: 'file', folder, name: 'file-link' })
})

test('a folder where a file is wanted, and a file that must not be there, are refused', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'f'), 'x')
  await assert.rejects(resolveDestination(folder, { want: 'file' }), code('FILE_IS_DIRECTORY'))
  await assert.rejects(resolveDestination(folder + sep, { want: 'file' }), code('FILE_IS_DIRECTORY'))
  await assert.rejects(resolveDestination(join(folder, 'f'), { existing: 'refuse' }), code('DESTINATION_EXISTS'))
  assert.equal((await resolveDestination(join(folder, 'f'))).kind, 'file')
})

test('a place where no file can be made is refused with the reason', async () => {
  const folder = await temporaryFolder()
  await writeFile(join(folder, 'f'), 'x')
  await symlink('circle', join(folder, 'circle'))
  const bad: readonly (readonly [string, RegExp])[] = [
    [join(folder, 'f', 'g'), /not a folder|is a file/],
    [join(folder, 'f') + sep, /file/],
    [join(folder, 'x'.repeat(256)), /more than 255 bytes/],
    [join(folder, 'x'.repeat(300), 'f'), /too long/],
    [join(folder, 'circle', 'f'), /circle/],
  ]
  for (const [path, why] of bad) {
    await assert.rejects(
      resolveDestination(path),
      (error) => isLonghaulError(error, 'CANNOT_CREATE_FILE') && why.test(error.message),
    )
  }
  await assert.rejects(resolveDestination('/dev/null'), code('CANNOT_CREATE_FILE'))
})

test('a link to what is no file is not in the way of one', { skip: needs('posix') }, async () => {
  const folder = await temporaryFolder()
  execFileSync('mkfifo', [join(folder, 'pipe')])
  await writeFile(join(folder, 'file'), 'x')
  const output = await open(join(folder, 'file'))
  await using _ = output
  const links = {
    pipe: 'pipe',
    device: '/dev/null',
    // As /dev/stdout leads to standard output, which may be a file at this moment.
    descriptor: `/dev/fd/${output.fd}`,
    'gone descriptor': '/dev/fd/987654',
  }
  for (const [name, target] of Object.entries(links)) {
    await symlink(target, join(folder, `to ${name}`))
    await symlink(`to ${name}`, join(folder, `to a link to ${name}`))
    for (const link of [`to ${name}`, `to a link to ${name}`]) {
      await assert.rejects(resolveDestination(join(folder, link)), (error) => {
        assert.ok(isLonghaulError(error, 'CANNOT_CREATE_FILE'), String(error))
        assert.match(error.message, /is neither a file nor a folder/)
        return true
      })
    }
  }
  await symlink('nowhere', join(folder, 'dangling'))
  await symlink('round', join(folder, 'round'))
  for (const name of ['dangling', 'round'])
    assert.deepEqual(await resolveDestination(join(folder, name)), { kind: 'file', folder, name })
})

test('a folder that may not be written is refused before anything is enqueued', { skip: needs('posix') }, async () => {
  // The superuser may write everywhere.
  if (process.getuid?.() === 0) return
  const folder = await temporaryFolder()
  await chmod(folder, 0o500)
  await assert.rejects(resolveDestination(join(folder, 'f')), code('CANNOT_CREATE_FILE'))
  await chmod(folder, 0o700)
})

test('a file system that makes no folders is refused and not asked for ever', { skip: needs('linux') }, async () => {
  await assert.rejects(resolveDestination('/proc/new/f'), code('CANNOT_CREATE_FILE'))
})

test('a file system that takes no files is told as such, also to root', { skip: needs('linux', 'root') }, async () => {
  for (const path of ['/proc/a.bin', '/proc/', '/sys/a.bin', '/sys/kernel/a.bin']) {
    await assert.rejects(resolveDestination(path), (error) => {
      assert.ok(isLonghaulError(error, 'CANNOT_CREATE_FILE'), String(error))
      assert.match(
        error.message,
        /^No file can be made in \/(?:proc|sys)\S*: its file system takes no files \(.*\); name a folder/,
      )
      return true
    })
  }
})

test(
  'a file system without a limit takes a file, and keeps nothing of the trial',
  { skip: needs('mounts') },
  async () => {
    const folder = await temporaryFolder()
    execFileSync('mount', ['-t', 'ramfs', 'longhaul-test', folder])
    try {
      assert.deepEqual(await resolveDestination(join(folder, 'a.bin')), { kind: 'file', folder, name: 'a.bin' })
      assert.deepEqual(await readdir(folder), [])
    } finally {
      execFileSync('umount', [folder])
    }
  },
)

test('what is no path is an argument that is wrong', async () => {
  const bad: readonly unknown[] = ['', 'a\0b', 'https://example.com/a', new URL('https://example.com/a'), 7]
  for (const to of bad) await assert.rejects(resolveDestination(to as string), code('INVALID_ARGUMENT'))
})
