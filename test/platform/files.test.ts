import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { createFileSystem } from '../../src/platform/files.ts'
import { FileFailure, type FileFailureCause, type Folder } from '../../src/world/file-system.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const files = createFileSystem()

async function openedFolder(): Promise<Folder> {
  return files.folder(await temporaryFolder())
}

function failsWith(reason: FileFailureCause): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof FileFailure, String(error))
    assert.equal(error.reason, reason, `${error.message} ${String(error.cause)}`)
    return true
  }
}

test('a file is created exclusively, with mode 0600', { skip: needs('posix') }, async () => {
  const folder = await openedFolder()
  const file = await folder.open('part', 'create')
  assert.equal(file.identity.kind, 'file')
  assert.equal(file.identity.mode, 0o600)
  await assert.rejects(folder.open('part', 'create'), failsWith('exists'))
  await file.close()
  await folder.close()
})

test('bytes lie where they were written, in whatever order', async () => {
  const folder = await openedFolder()
  const file = await folder.open('part', 'create')
  const block = Buffer.alloc(100_000, 7)
  await Promise.all([file.write(block, 300_000), file.write(Buffer.from('start'), 0), file.write(block, 100_000)])
  await file.sync('data')
  assert.equal((await file.look()).size, 400_000)
  assert.equal(file.identity.size, 400_000)
  const read = new Uint8Array(200_000)
  assert.equal(await file.read(read, 99_999), 200_000)
  assert.deepEqual([read[0], read[1], read[100_000], read[100_001]], [0, 7, 7, 0])
  assert.equal(await file.read(read, 400_000), 0)
  await file.resize(5)
  await file.setMode(0o640)
  await file.sync('all')
  await file.close()
  assert.equal(await readFile(join(folder.path, 'part'), 'utf8'), 'start')
  assert.equal((await stat(join(folder.path, 'part'))).mode & 0o777, 0o640)
  await folder.close()
})

test('opening for reading or writing needs a file that is there', async () => {
  const folder = await openedFolder()
  await assert.rejects(folder.open('none', 'write'), failsWith('not found'))
  await assert.rejects(folder.open('none', 'read'), failsWith('not found'))
  await mkdir(join(folder.path, 'sub'))
  await assert.rejects(folder.open('sub', 'read'), failsWith('is a folder'))
  await assert.rejects(folder.open('sub', 'write'), failsWith('is a folder'))
  await writeFile(join(folder.path, 'file'), 'x')
  const file = await folder.open('file', 'read')
  await assert.rejects(async () => file.write(Buffer.from('y'), 0), FileFailure)
  await file.close()
  await folder.close()
})

test('a link in the place of a file is never followed', { skip: needs('posix') }, async () => {
  const folder = await openedFolder()
  await writeFile(join(folder.path, 'victim'), 'precious')
  await symlink('victim', join(folder.path, 'link'))
  await symlink('nowhere', join(folder.path, 'dangling'))
  await assert.rejects(folder.open('link', 'write'), failsWith('link'))
  await assert.rejects(folder.open('link', 'read'), failsWith('link'))
  await assert.rejects(folder.open('link', 'create'), failsWith('exists'))
  await assert.rejects(folder.open('dangling', 'create'), failsWith('exists'))
  assert.equal((await folder.look('link'))?.kind, 'link')
  await writeFile(join(folder.path, 'new'), 'new')
  await folder.rename('new', 'link')
  assert.equal((await folder.look('link'))?.kind, 'file')
  assert.equal(await readFile(join(folder.path, 'victim'), 'utf8'), 'precious')
  await folder.close()
})

test(
  'a pipe in the place of a file is refused without waiting for its other end',
  { skip: needs('posix') },
  async () => {
    const folder = await openedFolder()
    execFileSync('mkfifo', [join(folder.path, 'pipe')])
    await assert.rejects(folder.open('pipe', 'read'), failsWith('not supported'))
    await assert.rejects(folder.open('pipe', 'write'), failsWith('not supported'))
    assert.equal((await folder.look('pipe'))?.kind, 'other')
    await folder.close()
  },
)

test('link never replaces, rename does, unlink minds nothing that is gone', async () => {
  const folder = await openedFolder()
  await writeFile(join(folder.path, 'a'), 'a')
  await writeFile(join(folder.path, 'b'), 'b')
  await assert.rejects(folder.link('a', 'b'), failsWith('exists'))
  await folder.link('a', 'c')
  assert.equal((await folder.look('a'))?.links, 2)
  assert.equal((await folder.look('c'))?.inode, (await folder.look('a'))?.inode)
  await folder.rename('a', 'b')
  assert.equal(await readFile(join(folder.path, 'b'), 'utf8'), 'a')
  await folder.unlink('c')
  await folder.unlink('c')
  assert.equal(await folder.look('c'), undefined)
  await mkdir(join(folder.path, 'sub'))
  await assert.rejects(folder.rename('b', 'sub'), failsWith('is a folder'))
  await assert.rejects(folder.rename('none', 'x'), failsWith('not found'))
  await folder.sync()
  const names = []
  for await (const name of folder.list()) names.push(name)
  assert.deepEqual(names.toSorted(), ['b', 'sub'])
  await folder.close()
})

test('an identity tells a new file from the old one, also where the inode is used again', async () => {
  const folder = await openedFolder()
  const seen = new Set<string>()
  for (let i = 0; i < 20; i++) {
    const file = await folder.open('part', 'create')
    const { inode, birthMs } = await file.look()
    assert.ok(birthMs > 0)
    seen.add(`${inode} ${birthMs}`)
    await file.close()
    await folder.unlink('part')
  }
  assert.equal(seen.size, 20)
  await folder.close()
})

test('a folder that is held stays itself when its path is exchanged for a link', { skip: needs('linux') }, async () => {
  const home = await temporaryFolder()
  const [path, trap] = [join(home, 'downloads'), join(home, 'trap')]
  await mkdir(path)
  await mkdir(trap)
  const folder = await files.folder(path)
  assert.equal(await folder.isStillThere(), true)
  await rename(path, join(home, 'moved'))
  assert.equal(await folder.isStillThere(), false)
  await symlink(trap, path)
  const file = await folder.open('part', 'create')
  await file.write(Buffer.from('mine'), 0)
  await file.close()
  await folder.rename('part', 'whole')
  assert.equal(await readFile(join(home, 'moved', 'whole'), 'utf8'), 'mine')
  await assert.rejects(stat(join(trap, 'whole')), { code: 'ENOENT' })
  assert.equal(await folder.isStillThere(), false)
  await folder.close()
})

test('names that lead elsewhere are refused in every call', async () => {
  const folder = await openedFolder()
  await writeFile(join(folder.path, 'a'), '')
  for (const name of ['', '.', '..', '../x', 'a/b', '/etc/passwd', 'a\0b']) {
    for (const attempt of [
      () => folder.open(name, 'create'),
      () => folder.open(name, 'read'),
      () => folder.look(name),
      () => folder.rename('a', name),
      () => folder.rename(name, 'a'),
      () => folder.link('a', name),
      () => folder.unlink(name),
    ]) {
      await assert.rejects(attempt(), failsWith('not supported'), JSON.stringify(name))
    }
  }
  await folder.close()
})

test('a name that is too long says so', async () => {
  const folder = await openedFolder()
  await assert.rejects(folder.open('x'.repeat(256), 'create'), failsWith('name too long'))
  await folder.close()
})

test('a folder is opened, or made with its parents, or refused', async () => {
  const home = await temporaryFolder()
  await assert.rejects(files.folder(join(home, 'none')), failsWith('not found'))
  const made = await files.folder(join(home, 'a', 'b', 'c'), { make: true })
  assert.equal(made.path, join(home, 'a', 'b', 'c'))
  assert.equal(made.identity.kind, 'folder')
  assert.ok((await made.free()) > 0)
  await made.close()
  await (await files.folder(join(home, 'a', 'b'), { make: true })).close()
  await writeFile(join(home, 'file'), '')
  await assert.rejects(files.folder(join(home, 'file')), failsWith('not a folder'))
  await assert.rejects(files.folder(join(home, 'file', 'sub'), { make: true }), failsWith('not a folder'))
})

test('a folder that takes no entries is refused, not waited for', { skip: needs('linux') }, async () => {
  await assert.rejects(files.folder('/proc/longhaul/sub', { make: true }), FileFailure)
})

test(
  'permissions and read-only file systems are told apart from other failures',
  { skip: needs('mounts') },
  async () => {
    const home = await temporaryFolder()
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'longhaul-test', home])
    try {
      await writeFile(join(home, 'a'), '')
      execFileSync('mount', ['-o', 'remount,ro', home])
      const folder = await files.folder(home)
      await assert.rejects(folder.open('x', 'create'), failsWith('read only'))
      await assert.rejects(folder.unlink('a'), failsWith('read only'))
      await folder.close()
    } finally {
      execFileSync('umount', [home])
    }
  },
)

test('a full disk is told as such, and what was written before stays', { skip: needs('mounts') }, async () => {
  const home = await temporaryFolder()
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'longhaul-test', home])
  try {
    const folder = await files.folder(home)
    assert.ok((await folder.free()) <= 1 << 20)
    const file = await folder.open('part', 'create')
    await file.write(Buffer.from('kept'), 0)
    await assert.rejects(async () => file.write(Buffer.alloc(2 << 20, 1), 4), failsWith('no space'))
    const start = new Uint8Array(4)
    await file.read(start, 0)
    assert.equal(Buffer.from(start).toString(), 'kept')
    await unlink(join(home, 'part'))
    await file.close()
    await folder.close()
  } finally {
    execFileSync('umount', [home])
  }
})

test(
  'a file system that does not say what is free is not taken for a full one',
  { skip: needs('mounts') },
  async () => {
    const path = await temporaryFolder()
    execFileSync('mount', ['-t', 'ramfs', 'longhaul-test', path])
    try {
      const folder = await files.folder(path)
      assert.equal(await folder.free(), Number.POSITIVE_INFINITY)
      await folder.close()
    } finally {
      execFileSync('umount', [path])
    }
  },
)

test('a closed file or folder takes nothing more, and close waits for what is under way', async () => {
  const folder = await openedFolder()
  const file = await folder.open('part', 'create')
  const writing = file.write(Buffer.alloc(8 << 20, 1), 0)
  await Promise.all([file.close(), file.close()])
  await writing
  assert.equal((await folder.look('part'))?.size, 8 << 20)
  await assert.rejects(async () => file.write(Buffer.of(1), 0), FileFailure)
  await assert.rejects(file.sync('data'), FileFailure)
  await folder.close()
  await folder.close()
  await assert.rejects(folder.look('part'), FileFailure)
  await rm(folder.path, { recursive: true })
})

test('after a failed sync a file takes neither syncs nor writes', { skip: needs('linux', 'strace') }, async () => {
  const folder = await temporaryFolder()
  const program = `
    import { createFileSystem } from ${JSON.stringify(new URL('../../src/platform/files.ts', import.meta.url).href)}
    const folder = await createFileSystem().folder(process.argv[1])
    const file = await folder.open('part', 'create')
    await file.write(Buffer.from('x'), 0)
    const said = []
    const attempt = async (what) => { said.push(await what().then(() => 'done', (error) => error.reason)) }
    await attempt(() => file.sync('data'))
    await attempt(() => file.sync('data'))
    await attempt(() => file.sync('all'))
    await attempt(async () => file.write(Buffer.from('y'), 0))
    await attempt(() => file.read(new Uint8Array(1), 0))
    console.log(JSON.stringify(said))`
  const args = ['-f', '-qq', '-o', '/dev/null', '-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO:when=1']
  const printed = execFileSync(
    'strace',
    [...args, process.execPath, '--input-type=module', '--eval', program, folder],
    { encoding: 'utf8' },
  )
  // Only the first fdatasync fails; had the second one reached the system, it would have claimed success.
  assert.deepEqual(JSON.parse(printed), ['input/output', 'sync lost', 'sync lost', 'sync lost', 'done'])
})

test('a file of another user that may not be read says so', { skip: needs('posix', 'root') }, async () => {
  const home = await temporaryFolder()
  await writeFile(join(home, 'secret'), 'x', { mode: 0o600 })
  await chmod(home, 0o755)
  const program = `
    process.setuid(65534)
    const { createFileSystem } = await import(process.argv[1])
    const folder = await createFileSystem().folder(process.argv[2])
    const reasons = []
    for (const attempt of [() => folder.open('secret', 'read'), () => folder.open('new', 'create')]) reasons.push(await attempt().then(() => 'opened', (e) => e.reason))
    console.log(JSON.stringify(reasons))`
  const module = new URL('../../src/platform/files.ts', import.meta.url).href
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program, module, home], {
    encoding: 'utf8',
  })
  assert.deepEqual(JSON.parse(printed), ['no permission', 'no permission'])
})
