// What a power cut leaves on the simulated disk. Each test looks at many seeds, so that it says both what is never left and what
// sometimes is: a disk that is too kind would find no bug.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FileFailure, Folder } from '../../src/world/file-system.ts'
import { Names } from './disk-names.ts'
import { DiskStage, overSeeds, textOf } from './disk-stage.ts'
import { Inode } from './inode.ts'

/** All that is left of the names, and what they hold. */
const left = (stage: DiskStage, ...names: readonly string[]): string =>
  names.map((name) => `${name}: ${stage.text(name) ?? 'nothing'}`).join(', ')

/** 'o1200 n300' */
const short = (text: string): string => text.replace(/(.)\1*/gs, (run, letter: string) => `${letter}${run.length} `)

async function writeFile(
  folder: Folder,
  name: string,
  text: string,
  ...syncs: readonly ('file' | 'folder')[]
): Promise<void> {
  const file = await folder.open(name, 'create')
  const lent = Buffer.from(text)
  await file.write(lent, 0)
  lent.fill('?')
  if (syncs.includes('file')) await file.sync('all')
  if (syncs.includes('folder')) await folder.sync()
  await file.close()
}

const outcomes = (seen: ReadonlyMap<string, number>): readonly string[] => [...seen.keys()].toSorted()

test('what was synced, bytes and name, is left by every power cut', async () => {
  const seen = await overSeeds(100, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live((folder) => writeFile(folder, 'part', 'bytes', 'file', 'folder'))
    assert.equal(stage.durable('part'), 'bytes')
    stage.powerCut()
    assert.equal(stage.durable('part'), 'bytes')
    return left(stage, 'part')
  })
  assert.deepEqual(outcomes(seen), ['part: bytes'])
})

test('a name that its folder did not sync is left or not, though the bytes are safe', async () => {
  const seen = await overSeeds(100, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live((folder) => writeFile(folder, 'part', 'bytes', 'file'))
    assert.equal(stage.durable('part'), 'uncertain')
    stage.powerCut()
    return left(stage, 'part')
  })
  assert.deepEqual(outcomes(seen), ['part: bytes', 'part: nothing'])
})

test('bytes that were not synced are left, lost, torn at a block, or zeros', async () => {
  const [old, fresh] = ['o'.repeat(1200), 'n'.repeat(1500)]
  const seen = await overSeeds(300, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live(async (folder) => {
      await writeFile(folder, 'part', old, 'file', 'folder')
      const file = await folder.open('part', 'write')
      await file.write(Buffer.from(fresh), 0)
    })
    assert.equal(stage.durable('part'), 'uncertain')
    assert.equal(stage.text('part'), fresh)
    stage.powerCut()
    return short(stage.text('part')!)
  })
  assert.deepEqual(
    outcomes(seen),
    [
      old,
      fresh,
      fresh.slice(0, 512) + old.slice(512),
      fresh.slice(0, 1024) + old.slice(1024),
      old.slice(0, 512) + fresh.slice(512),
      old.slice(0, 1024) + fresh.slice(1024),
      old + '\0'.repeat(300),
    ]
      .map(short)
      .toSorted(),
  )
})

test('several writes are left each for itself, whatever their order', async () => {
  const seen = await overSeeds(200, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live(async (folder) => {
      await writeFile(folder, 'part', '----', 'file', 'folder')
      const file = await folder.open('part', 'write')
      for (const [at, text] of ['a', 'b', 'c', 'd'].entries()) await file.write(Buffer.from(text), at)
    })
    stage.powerCut()
    return stage.text('part')!
  })
  assert.equal(seen.size, 16)
})

test('a rename is left whole or not at all: the destination is the old file or the new one', async () => {
  const seen = await overSeeds(100, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live(async (folder) => {
      await writeFile(folder, 'file', 'old', 'file')
      await writeFile(folder, 'part', 'new', 'file', 'folder')
      await folder.rename('part', 'file')
    })
    assert.equal(stage.durable('file'), 'uncertain')
    stage.powerCut()
    return left(stage, 'file', 'part')
  })
  assert.deepEqual(outcomes(seen), ['file: new, part: nothing', 'file: old, part: new'])
})

test('a rename before the bytes are synced may leave a file that is not whole', async () => {
  const seen = await overSeeds(100, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live(async (folder) => {
      await writeFile(folder, 'part', 'new', 'folder')
      await folder.rename('part', 'file')
      await folder.sync()
    })
    assert.equal(stage.durable('file'), 'uncertain')
    stage.powerCut()
    return left(stage, 'file')
  })
  assert.deepEqual(outcomes(seen), ['file: ', 'file: \0\0\0', 'file: new'])
})

test('without a sync between link and unlink a file may be lost, with it never', async () => {
  const run = (syncs: 'synced between' | 'not synced'): Promise<Map<string, number>> =>
    overSeeds(100, async (seed) => {
      const stage = new DiskStage(seed)
      await stage.live(async (folder) => {
        await writeFile(folder, 'part', 'new', 'file', 'folder')
        await folder.link('part', 'file')
        if (syncs === 'synced between') await folder.sync()
        await folder.unlink('part')
      })
      stage.powerCut()
      return left(stage, 'file', 'part')
    })
  const kept = ['file: new, part: new', 'file: new, part: nothing']
  assert.deepEqual(outcomes(await run('synced between')), kept)
  assert.deepEqual(outcomes(await run('not synced')), [
    ...kept,
    'file: nothing, part: new',
    'file: nothing, part: nothing',
  ])
})

test('a sync covers what was written before it began; what is written meanwhile is left to chance', async () => {
  const seen = await overSeeds(100, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live(async (folder) => {
      await writeFile(folder, 'part', 'first', 'file', 'folder')
      const file = await folder.open('part', 'write')
      await file.write(Buffer.from('+'), 5)
      await Promise.all([file.sync('data'), file.write(Buffer.from('late'), 6)])
    })
    stage.powerCut()
    return stage.text('part')!
  })
  // The write is in one block: all of it, its size, or nothing.
  assert.deepEqual(outcomes(seen), ['first+', 'first+\0\0\0\0', 'first+late'])
})

test('a sync of a folder covers the names that were changed before it began', async () => {
  const seen = await overSeeds(60, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live(async (folder) => {
      await writeFile(folder, 'part', 'bytes', 'file')
      await Promise.all([folder.sync(), folder.rename('part', 'file')])
    })
    stage.powerCut()
    return left(stage, 'file', 'part')
  })
  assert.deepEqual(outcomes(seen), ['file: bytes, part: nothing', 'file: nothing, part: bytes'])
})

test('what a folder was asked after its sync began is not made safe by it', () => {
  const folder = new Names('/home', 1, 0)
  const [first, next] = [new Inode(2, 0, 0o600), new Inode(3, 0, 0o600)]
  folder.change([['a', first]], 0)
  const began = folder.latest
  folder.change([['a', next]], 0)
  folder.sync(began)
  assert.deepEqual(folder.possible('a'), new Set([first, next]))
})

test('a folder that was removed may be back after a power cut, and is a folder again', async () => {
  const seen = await overSeeds(60, async (seed) => {
    const stage = new DiskStage(seed)
    stage.disk.put('/home/sub/old', Buffer.from('old'), { durable: true })
    stage.disk.remove('/home/sub')
    stage.powerCut()
    return stage.live(async (_, files) => {
      try {
        const sub = await files.folder('/home/sub')
        await writeFile(sub, 'new', 'new')
        return left(stage, 'sub/old', 'sub/new')
      } catch (error) {
        return (error as FileFailure).reason
      }
    })
  })
  assert.deepEqual(outcomes(seen), ['not found', 'sub/old: nothing, sub/new: new', 'sub/old: old, sub/new: new'])
})

test('a sync of the data leaves mode and time to chance, a sync of all does not', async () => {
  const run = (how: 'data' | 'all'): Promise<Map<string, number>> =>
    overSeeds(60, async (seed) => {
      const stage = new DiskStage(seed)
      const before = await stage.live(async (folder) => {
        await writeFile(folder, 'part', 'bytes', 'file', 'folder')
        const file = await folder.open('part', 'write')
        await file.write(Buffer.from('B'), 0)
        await file.setMode(0o644)
        await file.sync(how)
        return file.look()
      })
      stage.powerCut()
      const after = await stage.live((folder) => folder.look('part'))
      assert.equal(stage.text('part'), 'Bytes')
      return `${after!.mode === before.mode ? 'mode' : 'no mode'}, ${after!.modifiedMs === before.modifiedMs ? 'time' : 'no time'}`
    })
  assert.deepEqual(outcomes(await run('all')), ['mode, time'])
  assert.deepEqual(outcomes(await run('data')), ['mode, no time', 'mode, time', 'no mode, no time', 'no mode, time'])
})

test('a made folder is there after a power cut, and what another program made may not be', async () => {
  const seen = await overSeeds(60, async (seed) => {
    const stage = new DiskStage(seed)
    await stage.live(async (_, files) => {
      await files.folder('/home/a/b', { make: true })
    })
    stage.disk.put('/home/durable', Buffer.from('d'), { durable: true })
    stage.disk.put('/home/stranger', Buffer.from('s'))
    stage.powerCut()
    assert.equal(stage.text('durable'), 'd')
    await stage.live((_, files) => files.folder('/home/a/b'))
    return stage.text('stranger') ?? 'nothing'
  })
  assert.deepEqual(outcomes(seen), ['', '\0', 'nothing', 's'])
})

test('the death of a process alone loses nothing', async () => {
  const stage = new DiskStage(1)
  await stage.live((folder) => writeFile(folder, 'part', 'bytes'))
  assert.equal(stage.text('part'), 'bytes')
  assert.equal(await stage.live(async (folder) => (await folder.look('part'))?.size), 5)
})

test('an inode is used again at once, and no power cut leaves it to two files', async () => {
  let again = 0
  await overSeeds(200, async (seed) => {
    const stage = new DiskStage(seed)
    const [first, next] = await stage.live(async (folder) => {
      await writeFile(folder, 'old', 'old', 'file', 'folder')
      const before = await folder.look('old')
      await folder.rename('old', 'older')
      const file = await folder.open('older', 'write')
      await folder.unlink('older')
      await file.close()
      await writeFile(folder, 'new', 'new', 'file')
      return [before!, (await folder.look('new'))!]
    })
    if (first.inode === next.inode) again++
    stage.powerCut()
    const found = await stage.live(async (folder) => [
      await folder.look('old'),
      await folder.look('older'),
      await folder.look('new'),
    ])
    const inodes = found.flatMap((each) => each?.inode ?? [])
    assert.equal(new Set(inodes).size, inodes.length)
    return ''
  })
  assert.ok(again > 100, `${again} of 200`)
})

test('what is certain is what every power cut leaves, and every change is told', async () => {
  const names = ['a', 'b', 'c', 'sub/a', 'sub/b']
  const tally = { certain: 0, uncertain: 0, changed: 0 }
  for (let seed = 1; seed <= 150; seed++) {
    const stage = new DiskStage(seed, { capacity: 20_000 })
    const { disk, random } = stage
    disk.makeFolder('/home/sub')
    const told = new Map<string, string | undefined>()
    disk.changed = (path) => {
      tally.changed++
      told.set(path, textOf(disk.read(path)))
    }
    const checkTold = (): void => {
      for (const name of names) assert.equal(told.get(`/home/${name}`), stage.text(name), `seed ${seed}: ${name}`)
    }
    for (let cut = 0; cut < 3; cut++) {
      await stage.live(async (home, files) => {
        const sub = await files.folder('/home/sub', { make: true })
        for (let act = random.int(1, 25); act > 0; act--) {
          await something(random, random.chance(0.6) ? home : sub).catch((error: unknown) => {
            assert.equal((error as Error).name, 'FileFailure', String(error))
          })
          if (random.chance(0.03))
            disk.put('/home/b', random.bytes(random.int(0, 2000)), { how: random.pick(['anew', 'in place']) })
          if (random.chance(0.02)) disk.remove('/home/sub')
          checkTold()
        }
      })
      const before = names.map((name) => stage.durable(name))
      stage.powerCut()
      checkTold()
      for (const [index, name] of names.entries()) {
        const certain = before[index]
        if (certain === 'uncertain') tally.uncertain++
        else {
          tally.certain++
          assert.equal(stage.text(name), certain, `seed ${seed}: ${name}`)
        }
        assert.equal(stage.durable(name), stage.text(name), `seed ${seed}: ${name} after the cut`)
      }
    }
    disk.remove('/home')
    assert.equal(disk.used, 0, `seed ${seed}`)
  }
  for (const [what, count] of Object.entries(tally)) assert.ok(count > 250, `${what}: ${count}`)
})

async function something(random: DiskStage['random'], folder: Folder): Promise<void> {
  const name = (): string => random.pick(['a', 'b', 'c'])
  const act = random.weighted({ create: 3, write: 6, sync: 3, resize: 1, folderSync: 2, rename: 3, link: 2, unlink: 2 })
  if (act === 'rename') return folder.rename(name(), name())
  if (act === 'link') return folder.link(name(), name())
  if (act === 'unlink') return folder.unlink(name())
  if (act === 'folderSync') return folder.sync()
  const file = await folder.open(name(), act === 'create' ? 'create' : 'write')
  if (act === 'write') await file.write(random.bytes(random.int(1, 3000)), random.int(0, 2000))
  if (act === 'resize') await file.resize(random.int(0, 3000))
  if (act === 'sync') await file.sync(random.pick(['data', 'all']))
  // The life closes the others.
  if (random.chance(0.7)) await file.close()
}

test('one seed leaves one and the same disk', async () => {
  const run = async (): Promise<string> => {
    const stage = new DiskStage(7)
    await stage.live(async (folder) => {
      for (let act = 0; act < 40; act++) await something(stage.random, folder).catch(() => {})
    })
    stage.powerCut()
    return `${stage.timeline.now} ${left(stage, 'a', 'b', 'c')}`
  }
  assert.equal(await run(), await run())
})
