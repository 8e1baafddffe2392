// What every form of the file system has to do: the real one, and the simulated one, which must not lie about it.
import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  type File,
  FileFailure,
  type FileFailureCause,
  type FileSystem,
  type Folder,
} from '../../src/world/file-system.ts'

/** A file system under test, and what another program does to the same files. */
export interface FileSystemSubject {
  readonly files: FileSystem
  /** Absolute; a folder with nothing in it. */
  readonly home: string
  /** Into the file that is there, or a new one. */
  write(path: string, text: string): void
  read(path: string): string | undefined
  makeFolder(path: string): void
  /** A folder with all that is in it. */
  remove(path: string): void
  /** Lets time pass until it settles. */
  settle<T>(work: Promise<T>): Promise<T>
}

function failsWith(...reasons: readonly FileFailureCause[]): (error: unknown) => true {
  return (error) => {
    assert.ok(error instanceof FileFailure, String(error))
    assert.ok(reasons.includes(error.reason), `${error.message} ${String(error.cause)}`)
    return true
  }
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString()

async function namesIn(folder: Folder): Promise<readonly string[]> {
  const names: string[] = []
  for await (const name of folder.list()) names.push(name)
  return names.toSorted()
}

async function contentOf(file: File, at = 0, length = 100): Promise<string> {
  const into = new Uint8Array(length)
  return text(into.subarray(0, await file.read(into, at)))
}

export function fileSystemSuite(form: string, open: () => Promise<FileSystemSubject>): void {
  const check = (name: string, body: (subject: FileSystemSubject, folder: Folder) => Promise<void>): void => {
    test(name, async () => {
      const subject = await open()
      const work = async (): Promise<void> => {
        const folder = await subject.files.folder(subject.home)
        await body(subject, folder)
        await folder.close()
      }
      await subject.settle(work())
    })
  }

  describe(`the file system ${form}: files`, () => {
    check('a new file is empty, has one name and a birth, and is for its owner only', async (s, folder) => {
      const file = await folder.open('part', 'create')
      const { kind, size, mode, links, birthMs, modifiedMs } = file.identity
      assert.deepEqual({ kind, size, mode, links }, { kind: 'file', size: 0, mode: 0o600, links: 1 })
      assert.ok(birthMs > 0 && modifiedMs >= birthMs)
      assert.deepEqual(await folder.look('part'), file.identity)
      assert.equal(s.read(`${s.home}/part`), '')
      await file.close()
    })

    check('a file is created only where nothing is', async (s, folder) => {
      s.write(`${s.home}/taken`, 'x')
      s.makeFolder(`${s.home}/sub`)
      await assert.rejects(folder.open('taken', 'create'), failsWith('exists'))
      await assert.rejects(folder.open('sub', 'create'), failsWith('exists'))
      assert.equal(s.read(`${s.home}/taken`), 'x')
    })

    check('what is opened for writing or reading is a file that is there', async (s, folder) => {
      s.makeFolder(`${s.home}/sub`)
      for (const how of ['write', 'read'] as const) {
        await assert.rejects(folder.open('none', how), failsWith('not found'))
        await assert.rejects(folder.open('sub', how), failsWith('is a folder'))
      }
      s.write(`${s.home}/there`, 'kept')
      const file = await folder.open('there', 'write')
      assert.equal(file.identity.size, 4)
      await file.write(Buffer.from('p'), 3)
      assert.equal(s.read(`${s.home}/there`), 'kepp')
      await file.close()
    })

    check('a file that is open for reading is not written to', async (s, folder) => {
      s.write(`${s.home}/there`, 'kept')
      const file = await folder.open('there', 'read')
      await assert.rejects(async () => file.write(Buffer.from('y'), 0), failsWith('input/output'))
      await assert.rejects(file.resize(0), failsWith('not supported'))
      // Nothing to write.
      await file.write(new Uint8Array(0), 0)
      await file.sync('all')
      assert.equal(await contentOf(file), 'kept')
      await file.close()
    })

    check('bytes lie where they were written, in whatever order; between them are zeros', async (s, folder) => {
      const file = await folder.open('part', 'create')
      await Promise.all([file.write(Buffer.from('end'), 9), file.write(Buffer.from('start'), 0)])
      assert.equal(await contentOf(file), 'start\0\0\0\0end')
      assert.equal(s.read(`${s.home}/part`), 'start\0\0\0\0end')
      await file.write(Buffer.from('xx'), 4)
      assert.equal(await contentOf(file, 3, 4), 'rxx\0')
      await file.close()
    })

    check('reading at the end gives nothing, and near the end what is left', async (_, folder) => {
      const file = await folder.open('part', 'create')
      await file.write(Buffer.from('bytes'), 0)
      assert.equal(await file.read(new Uint8Array(10), 5), 0)
      assert.equal(await file.read(new Uint8Array(10), 50), 0)
      assert.equal(await file.read(new Uint8Array(10), 3), 2)
      assert.equal(await file.read(new Uint8Array(0), 0), 0)
      await file.close()
    })

    check('a size is cut or filled up with zeros', async (_, folder) => {
      const file = await folder.open('part', 'create')
      await file.write(Buffer.from('bytes'), 0)
      await file.resize(2)
      await file.resize(4)
      assert.equal((await file.look()).size, 4)
      assert.equal(await contentOf(file), 'by\0\0')
      await file.resize(0)
      assert.equal((await file.look()).size, 0)
      await file.close()
    })

    check('an identity is as of the last look, and changes with what is done', async (s, folder) => {
      const file = await folder.open('part', 'create')
      const before = file.identity
      await file.write(Buffer.from('bytes'), 0)
      assert.equal(file.identity.size, 0)
      await file.setMode(0o640)
      const { inode, device, birthMs, size, mode, modifiedMs } = await file.look()
      assert.deepEqual([inode, device, birthMs], [before.inode, before.device, before.birthMs])
      assert.deepEqual([size, mode], [5, 0o640])
      assert.ok(modifiedMs >= before.modifiedMs)
      assert.equal(file.identity.size, 5)
      s.write(`${s.home}/part`, 'by another program')
      const after = await folder.look('part')
      assert.deepEqual([after?.inode, after?.birthMs, after?.size], [inode, birthMs, 18])
      await file.close()
    })

    check('an inode that is used again has another birth', async (_, folder) => {
      const seen = new Set<string>()
      for (let i = 0; i < 20; i++) {
        const file = await folder.open('part', 'create')
        seen.add(`${file.identity.inode} ${file.identity.birthMs}`)
        await file.close()
        await folder.unlink('part')
      }
      assert.equal(seen.size, 20)
    })

    check('a file without a name can be used until it is closed', async (_, folder) => {
      const file = await folder.open('part', 'create')
      await file.write(Buffer.from('bytes'), 0)
      await folder.unlink('part')
      const other = await folder.open('part', 'create')
      assert.notEqual(other.identity.inode, file.identity.inode)
      await file.write(Buffer.from('X'), 0)
      await file.sync('data')
      assert.equal(await contentOf(file), 'Xytes')
      assert.equal((await file.look()).links, 0)
      assert.equal((await folder.look('part'))?.size, 0)
      await file.close()
      await other.close()
    })

    check('a closed file takes nothing more, and closing waits for what is under way', async (s, folder) => {
      const file = await folder.open('part', 'create')
      const order: string[] = []
      const writing = Promise.resolve(file.write(Buffer.from('bytes'), 0)).then(() => order.push('written'))
      const closing = Promise.all([file.close(), file.close()]).then(() => order.push('closed'))
      await assert.rejects(file.read(new Uint8Array(1), 0), failsWith('input/output'))
      await Promise.all([writing, closing])
      assert.deepEqual(order, ['written', 'closed'])
      assert.equal(s.read(`${s.home}/part`), 'bytes')
      for (const use of [
        async () => file.write(Buffer.from('x'), 0),
        () => file.look(),
        () => file.sync('all'),
        () => file.resize(1),
        () => file.setMode(0o600),
      ])
        await assert.rejects(use(), failsWith('input/output'))
      await file.close()
    })
  })

  describe(`the file system ${form}: names`, () => {
    check('a look tells files from folders and from nothing', async (s, folder) => {
      s.write(`${s.home}/file`, 'four')
      s.makeFolder(`${s.home}/sub`)
      assert.equal(await folder.look('none'), undefined)
      assert.equal((await folder.look('sub'))?.kind, 'folder')
      const found = await folder.look('file')
      assert.deepEqual([found?.kind, found?.size, found?.links], ['file', 4, 1])
    })

    check('a rename takes the place of the file that is there', async (s, folder) => {
      s.write(`${s.home}/a`, 'a')
      s.write(`${s.home}/b`, 'b')
      const before = await folder.look('a')
      await folder.rename('a', 'b')
      assert.equal(await folder.look('a'), undefined)
      assert.deepEqual(await folder.look('b'), before)
      assert.equal(s.read(`${s.home}/b`), 'a')
      await folder.rename('b', 'b')
      assert.equal(s.read(`${s.home}/b`), 'a')
    })

    check('a file that is replaced while it is open stays what it was', async (s, folder) => {
      s.write(`${s.home}/old`, 'old')
      s.write(`${s.home}/new`, 'new')
      const file = await folder.open('old', 'read')
      await folder.rename('new', 'old')
      assert.equal(await contentOf(file), 'old')
      assert.equal((await file.look()).links, 0)
      await file.close()
    })

    check('a rename needs a source and replaces no folder', async (s, folder) => {
      s.write(`${s.home}/a`, 'a')
      s.makeFolder(`${s.home}/sub`)
      await assert.rejects(folder.rename('none', 'x'), failsWith('not found'))
      await assert.rejects(folder.rename('none', 'none'), failsWith('not found'))
      await assert.rejects(folder.rename('a', 'sub'), failsWith('is a folder'))
      assert.equal(s.read(`${s.home}/a`), 'a')
    })

    check('renaming one of two names of a file onto the other does nothing', async (s, folder) => {
      s.write(`${s.home}/a`, 'a')
      await folder.link('a', 'b')
      await folder.rename('a', 'b')
      assert.deepEqual(await namesIn(folder), ['a', 'b'])
      assert.equal((await folder.look('a'))?.links, 2)
    })

    check('a link is a second name and replaces nothing', async (s, folder) => {
      s.write(`${s.home}/a`, 'a')
      s.write(`${s.home}/b`, 'b')
      s.makeFolder(`${s.home}/sub`)
      await assert.rejects(folder.link('a', 'b'), failsWith('exists'))
      await assert.rejects(folder.link('a', 'a'), failsWith('exists'))
      await assert.rejects(folder.link('a', 'sub'), failsWith('exists'))
      await assert.rejects(folder.link('none', 'x'), failsWith('not found'))
      await assert.rejects(folder.link('none', 'b'), failsWith('not found'))
      await assert.rejects(folder.link('sub', 'x'), failsWith('not supported'))
      await folder.link('a', 'c')
      const [a, c] = [await folder.look('a'), await folder.look('c')]
      assert.deepEqual(a, c)
      assert.equal(a?.links, 2)
      await folder.unlink('a')
      assert.equal((await folder.look('c'))?.links, 1)
      assert.equal(s.read(`${s.home}/c`), 'a')
      assert.equal(s.read(`${s.home}/b`), 'b')
    })

    check('unlinking minds nothing that is gone, and takes no folder', async (s, folder) => {
      s.write(`${s.home}/a`, 'a')
      s.makeFolder(`${s.home}/sub`)
      await folder.unlink('a')
      await folder.unlink('a')
      assert.equal(s.read(`${s.home}/a`), undefined)
      await assert.rejects(folder.unlink('sub'), failsWith('is a folder'))
    })

    check('a list holds every name once', async (s, folder) => {
      assert.deepEqual(await namesIn(folder), [])
      for (const name of ['b', 'a', '.c']) s.write(`${s.home}/${name}`, name)
      s.makeFolder(`${s.home}/sub`)
      assert.deepEqual(await namesIn(folder), ['.c', 'a', 'b', 'sub'])
    })

    check('names that lead elsewhere are refused in every call, and so are long ones', async (s, folder) => {
      s.write(`${s.home}/a`, 'a')
      const uses = (name: string): (() => Promise<unknown>)[] => [
        () => folder.open(name, 'create'),
        () => folder.open(name, 'read'),
        () => folder.look(name),
        () => folder.rename('a', name),
        () => folder.rename(name, 'a'),
        () => folder.link('a', name),
        () => folder.link(name, 'b'),
        () => folder.unlink(name),
      ]
      for (const name of ['', '.', '..', '../x', 'a/b', '/etc/passwd', 'a\0b'])
        for (const use of uses(name)) await assert.rejects(use(), failsWith('not supported'), JSON.stringify(name))
      for (const use of uses('ä'.repeat(128))) await assert.rejects(use(), failsWith('name too long'))
      await (await folder.open('ä'.repeat(127), 'create')).close()
      assert.equal(s.read(`${s.home}/a`), 'a')
    })
  })

  describe(`the file system ${form}: folders`, () => {
    check('a folder is opened where there is one', async (s, folder) => {
      s.write(`${s.home}/file`, '')
      assert.equal(folder.path, s.home)
      assert.equal(folder.identity.kind, 'folder')
      assert.ok((await folder.free()) > 0)
      await assert.rejects(s.files.folder(`${s.home}/none`), failsWith('not found'))
      await assert.rejects(s.files.folder(`${s.home}/none/sub`), failsWith('not found'))
      await assert.rejects(s.files.folder(`${s.home}/file`), failsWith('not a folder'))
      await assert.rejects(s.files.folder(`${s.home}/file/sub`), failsWith('not a folder'))
      await assert.rejects(s.files.folder(`${s.home}/${'x'.repeat(256)}`), failsWith('name too long'))
    })

    check('a folder is made with its parents, unless a file is in the way', async (s) => {
      const path = `${s.home}/a/b/c`
      const made = await s.files.folder(path, { make: true })
      const again = await s.files.folder(`${s.home}/a/../a/b/c/`, { make: true })
      assert.equal(again.path, path)
      assert.deepEqual([again.identity.inode, again.identity.device], [made.identity.inode, made.identity.device])
      await (await made.open('file', 'create')).close()
      assert.equal(s.read(`${path}/file`), '')
      await made.close()
      await again.close()
      s.write(`${s.home}/file`, '')
      await assert.rejects(s.files.folder(`${s.home}/file`, { make: true }), failsWith('exists'))
      await assert.rejects(s.files.folder(`${s.home}/file/sub`, { make: true }), failsWith('not a folder'))
    })

    check('a folder that was removed, or made anew, is not there any more', async (s) => {
      s.makeFolder(`${s.home}/sub`)
      const held = await s.files.folder(`${s.home}/sub`)
      s.write(`${s.home}/sub/file`, '')
      assert.equal(await held.isStillThere(), true)
      s.remove(`${s.home}/sub`)
      assert.equal(await held.isStillThere(), false)
      assert.equal(await held.look('file'), undefined)
      assert.deepEqual(await namesIn(held), [])
      await held.unlink('file')
      await held.sync()
      await assert.rejects(held.open('file', 'create'), failsWith('not found'))
      s.makeFolder(`${s.home}/sub`)
      assert.equal(await held.isStillThere(), false)
      await assert.rejects(held.open('file', 'create'), failsWith('not found'))
      await held.close()
    })

    check('a closed folder takes nothing more, but its files do', async (s) => {
      const held = await s.files.folder(s.home)
      const file = await held.open('part', 'create')
      const looking = held.look('part')
      await Promise.all([held.close(), held.close()])
      assert.equal((await looking)?.kind, 'file')
      for (const use of [
        () => held.look('part'),
        () => held.open('part', 'read'),
        () => held.unlink('part'),
        () => held.free(),
        () => held.sync(),
        () => namesIn(held),
      ])
        await assert.rejects(use(), failsWith('input/output'))
      assert.equal(await held.isStillThere(), true)
      await file.write(Buffer.from('bytes'), 0)
      await file.close()
      assert.equal(s.read(`${s.home}/part`), 'bytes')
    })
  })
}
