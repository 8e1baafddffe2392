import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chownSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs'
import {
  chmod,
  type FileHandle,
  link,
  mkdir,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test, type TestContext } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { draftName } from '../../src/platform/move-draft.ts'
import { moveFile } from '../../src/platform/move-file.ts'
import { currentUmask } from '../../src/platform/this-process.ts'
import { needs } from '../support/needs.ts'
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

test('a pipe, and a link to one, is not replaced: it is no place for a file', { skip: needs('posix') }, async () => {
  const folder = await temporaryFolder()
  const from = join(folder, 'from')
  await writeFile(from, 'bytes')
  execFileSync('mkfifo', [join(folder, 'pipe')])
  await symlink('pipe', join(folder, 'link'))
  for (const name of ['pipe', 'link']) {
    await assert.rejects(moveFile(from, join(folder, name)), (error) => isLonghaulError(error, 'CANNOT_MOVE_FILE'))
    assert.ok((await stat(join(folder, name))).isFIFO(), name)
  }
  assert.equal(await readFile(from, 'utf8'), 'bytes')
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
  const [folder, other] = [await temporaryFolder(), otherFileSystem(t)]
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

/** Two moves of one file to another file system; both wait to sync their drafts. */
async function twoMovers(t: TestContext) {
  const [folder, other] = [await temporaryFolder(), otherFileSystem(t)]
  const [from, to] = [join(other, 'from'), join(folder, 'to')]
  await writeFile(from, whole)
  const syncs = await heldSyncs(t, folder)
  const first = moveFile(from, to)
  const one = await syncs.next()
  const second = moveFile(from, to)
  const two = await syncs.next()
  return { folder, other, to, first, one, second, two }
}

test(
  'of two that move one file at once each puts only into place what it made safe itself, and the later one changes nothing',
  { skip: needs('linux') },
  async (t) => {
    const { folder, other, to, first, one, second, two } = await twoMovers(t)
    one.go()
    assert.equal(await first, to)
    assert.equal((await stat(to)).ino, one.inode)
    assert.deepEqual(await readFile(to), whole)
    // The app goes on with its file. What the other one still has is older than that.
    await writeFile(to, 'the app wrote to it')
    two.go()
    assert.equal(await second, to)
    assert.equal(await readFile(to, 'utf8'), 'the app wrote to it')
    assert.deepEqual(await readdir(folder), ['to'])
    assert.deepEqual(await readdir(other), [])
  },
)

test('one that fails takes nothing away from another that moves the same file', { skip: needs('linux') }, async (t) => {
  const { folder, to, first, one, second, two } = await twoMovers(t)
  two.fail()
  await assert.rejects(
    second,
    (error) => isLonghaulError(error, 'CANNOT_MOVE_FILE') && error.message.endsWith('It stays where it is.'),
  )
  one.go()
  assert.equal(await first, to)
  assert.deepEqual(await readFile(to), whole)
  assert.deepEqual(await readdir(folder), ['to'])
})

test(
  'what was at the target when its source was taken away is no sign of a move',
  { skip: needs('linux') },
  async (t) => {
    const [folder, other] = [await temporaryFolder(), otherFileSystem(t)]
    const [from, to] = [join(other, 'from'), join(folder, 'to')]
    await writeFile(from, whole)
    await writeFile(to, 'old')
    const syncs = await heldSyncs(t, folder)
    const moved = moveFile(from, to)
    const one = await syncs.next()
    await rm(from)
    one.go()
    assert.equal(await moved, to)
    assert.deepEqual(await readFile(to), whole)
  },
)

test('whoever comes later than others on one file system finds it moved', async () => {
  for (let round = 0; round < 20; round++) {
    const folder = await temporaryFolder()
    const [from, to] = [join(folder, 'from'), join(folder, 'to')]
    await writeFile(from, 'bytes', { mode: 0o600 })
    const moved = await Promise.all(Array.from({ length: 8 }, () => moveFile(from, to)))
    assert.deepEqual(new Set(moved), new Set([to]))
    assert.equal(await readFile(to, 'utf8'), 'bytes')
    assert.deepEqual(await readdir(folder), ['to'])
  }
})

test('a file that was moved and may not outlive a power cut is not said to stay, and is made safe by the next move', async (t) => {
  const folder = await temporaryFolder()
  const [from, to] = [join(folder, 'from'), join(folder, 'a', 'to')]
  await mkdir(join(folder, 'a'))
  await writeFile(from, 'bytes')
  const { ino } = await stat(join(folder, 'a'))
  let synced = 0
  t.mock.method(await handlePrototype(folder), 'sync', async function (this: FileHandle) {
    if ((await this.stat()).ino === ino && ++synced === 1) throw new Error('the disk failed')
    await this.datasync()
  })
  await assert.rejects(
    moveFile(from, to),
    /was moved to .* a power cut could still take it from there: the disk failed/,
  )
  assert.equal(await readFile(to, 'utf8'), 'bytes')
  assert.equal(await moveFile(from, to), to)
  assert.equal(synced, 2)
})

test('drafts of processes that are gone are removed, and no others', { skip: needs('linux') }, async (t) => {
  const [folder, other] = [await temporaryFolder(), otherFileSystem(t)]
  const [from, to] = [join(other, 'from'), join(folder, 'to')]
  await writeFile(from, whole)
  await killedWithItsDraft(from, to)
  const [left] = await readdir(folder)
  assert.match(left!, /^\.[0-9a-f]{12}-\d+-[0-9a-f]{16}\.longhaul-move$/)
  assert.deepEqual(await readFile(from), whole)

  const [alive, old, nobodys] = [draftName(), `.0123456789ab-7-${'a'.repeat(16)}.longhaul-move`, '.mine.longhaul-move']
  const elsewhere = `.0123456789ab-7-${'b'.repeat(16)}.longhaul-move`
  for (const name of [alive, old, nobodys, elsewhere]) await writeFile(join(folder, name), 'half')
  const daysAgo = new Date(Date.now() - 2 * 86_400_000)
  for (const name of [old, nobodys]) await utimes(join(folder, name), daysAgo, daysAgo)
  assert.equal(await moveFile(from, to), to)
  assert.deepEqual(await readFile(to), whole)
  assert.deepEqual((await readdir(folder)).toSorted(), [alive, nobodys, elsewhere, 'to'].toSorted())
})

test('a file that may only be read is replaced from another file system', { skip: needs('linux', 'root') }, (t) => {
  const [folder, other] = [otherFileSystem(t, tmpdir()), otherFileSystem(t)]
  const [from, to] = [join(other, 'from'), join(folder, 'to')]
  writeFileSync(from, whole, { mode: 0o600 })
  writeFileSync(to, 'old', { mode: 0o444 })
  for (const path of [folder, other, from, to]) chownSync(path, 65534, 65534)
  const program = `
    process.setgid(65534)
    process.setuid(65534)
    const { moveFile } = await import(process.argv[1])
    console.log(await moveFile(process.argv[2], process.argv[3]).catch((error) => error.message))`
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', program, moveFileModule, from, to], {
    encoding: 'utf8',
  })
  assert.equal(printed.trim(), to)
  assert.equal(statSync(to).size, whole.length)
  assert.equal(statSync(to).mode & 0o777, 0o444)
})

test('a file that cannot be copied keeps its own mode', { skip: needs('linux') }, async (t) => {
  const [folder, other] = [await temporaryFolder(), otherFileSystem(t)]
  const [from, to] = [join(other, 'from'), join(folder, 'to')]
  await writeFile(from, whole, { mode: 0o600 })
  await writeFile(to, 'old', { mode: 0o444 })
  const syncs = await heldSyncs(t, folder)
  const moved = moveFile(from, to)
  ;(await syncs.next()).fail()
  await assert.rejects(moved, (error) => isLonghaulError(error, 'CANNOT_MOVE_FILE'))
  assert.equal((await stat(from)).mode & 0o777, 0o600)
  assert.equal(await readFile(to, 'utf8'), 'old')
  assert.deepEqual(await readdir(folder), ['to'])
})

const whole = Buffer.alloc(3_000_000, 'a whole file ')
const moveFileModule = new URL('../../src/platform/move-file.ts', import.meta.url).href

/** On Linux not that of {@link temporaryFolder}. */
function otherFileSystem(t: TestContext, ...candidates: readonly string[]): string {
  for (const candidate of [...candidates, '/dev/shm', tmpdir()]) {
    try {
      const made = mkdtempSync(join(candidate, 'lh-'))
      t.after(() => rmSync(made, { recursive: true, force: true }))
      return made
    } catch {
      // Not on this machine.
    }
  }
  throw new Error('no folder for temporary files')
}

async function handlePrototype(folder: string): Promise<FileHandle> {
  await using handle = await open(folder)
  return Object.getPrototypeOf(handle) as FileHandle
}

interface HeldSync {
  readonly inode: number
  go(): void
  fail(): void
}

/** Each sync of a file, not of a folder, stands still until it is told to go on or to fail. */
async function heldSyncs(t: TestContext, folder: string): Promise<{ next(): Promise<HeldSync> }> {
  const handles = await handlePrototype(folder)
  const held: HeldSync[] = []
  let came = (): void => {}
  t.mock.method(handles, 'sync', async function (this: FileHandle) {
    const found = await this.stat()
    if (!found.isDirectory())
      await new Promise<void>((go, fail) => {
        held.push({ inode: found.ino, go, fail: () => fail(new Error('the disk failed')) })
        came()
      })
    await this.datasync()
  })
  return {
    next: async () => {
      while (held.length === 0) await new Promise<void>((resolve) => (came = resolve))
      return held.shift()!
    },
  }
}

/** A process that has copied all of it, and dies before it could make it safe. */
async function killedWithItsDraft(from: string, to: string): Promise<void> {
  const program = `
    const { open } = await import('node:fs/promises')
    const { moveFile } = await import(process.argv[1])
    const handle = await open(process.argv[2])
    Object.getPrototypeOf(handle).sync = async function () {
      if ((await this.stat()).isDirectory()) return
      console.log('copied')
      await new Promise(() => setInterval(() => {}, 1e9))
    }
    await moveFile(process.argv[2], process.argv[3])`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program, moveFileModule, from, to], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  await once(child.stdout, 'data')
  child.kill('SIGKILL')
  await ended
}
