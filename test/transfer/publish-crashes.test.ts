/**
 * A life that ends at every single step of a download, before its effect and after it, and the life that follows: the
 * destination is always what it was or the whole new file, and the second life always brings it there.
 */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rename, rm, stat, symlink, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { IfExists } from '../../src/contract/task.ts'
import type { Report } from '../../src/transfer/assignment.ts'
import { Bench, expectKind, type Wishes } from './support/bench.ts'
import { watchedFiles } from './support/watched-files.ts'

const size = 300_000
const old = Buffer.from('what was there before')

type Facts<N extends keyof Report> = Parameters<Report[N]>[0]

interface Life {
  /** Steps that were begun. */
  steps: number
  readonly trace: string[]
}

/** Runs one attempt that dies at step `n`: from then on nothing it asks for happens. */
async function liveUntil(
  bench: Bench,
  url: string,
  wishes: Wishes,
  n: number,
  when: 'before' | 'after',
): Promise<Life> {
  const life: Life = { steps: 0, trace: [] }
  const step = (name: string): void => {
    if (life.steps > n) throw new Error('dead')
    life.trace.push(name)
    if (life.steps === n && when === 'before') {
      life.steps++
      throw new Error('dies before')
    }
    life.steps++
  }
  const done = (): void => {
    if (life.steps > n && when === 'after') throw new Error('dies after')
  }
  const files = watchedFiles(bench.world.files, {
    before: (operation) => step(operation),
    after: () => done(),
  })
  const paper = bench.report()
  const mortal =
    <I, O>(name: string, command: (input: I) => Promise<O>) =>
    async (input: I): Promise<O> => {
      step(name)
      const answer = await command(input)
      done()
      return answer
    }
  const report: Report = {
    reserve: mortal('reserve', (facts: Facts<'reserve'>) => paper.reserve(facts)),
    resumed: mortal('resumed', (facts: Facts<'resumed'>) => paper.resumed(facts)),
    checkpoint: mortal('checkpoint', (facts: Facts<'checkpoint'>) => paper.checkpoint(facts)),
    restart: (why, because) => mortal('restart', (given: string) => paper.restart(given, because))(why),
    intent: mortal('intent', (facts: Facts<'intent'>) => paper.intent(facts)),
    more: () => undefined,
    fetched: () => {},
    progress: () => {},
  }
  await bench.run(url, wishes, { world: { files }, report })
  return life
}

async function scenario(ifExists: IfExists, before: 'nothing there' | 'a file there'): Promise<void> {
  let crashes = 0
  for (const when of ['before', 'after'] as const) {
    for (let n = 0; ; n++) {
      await using bench = await Bench.open()
      const url = bench.server.file('/a.bin', { size, etag: '"v1"' })
      const fresh = bench.server.bytes('/a.bin')
      if (before === 'a file there') await bench.write('file.bin', old)
      const life = await liveUntil(bench, url, { ifExists }, n, when)
      const where = `${when} step ${n} (${life.trace.at(-1)})`
      const died = life.steps > n
      const found = await readFile(bench.path()).catch(() => undefined)
      if (found !== undefined) {
        const isOld = before === 'a file there' && found.equals(old)
        assert.ok(isOld || found.equals(fresh), `${where}: neither the old file nor the new one`)
      } else assert.equal(before, 'nothing there', `${where}: the old file is gone`)
      if (!died) break
      crashes++
      const outcome = expectKind(await bench.run(url, { ifExists }), 'finished')
      const expected = ifExists === 'keepBoth' && before === 'a file there' ? 'file (1).bin' : 'file.bin'
      assert.equal(outcome.result.path, bench.path(expected), where)
      assert.ok((await bench.read(expected)).equals(fresh), where)
      const names = expected === 'file.bin' ? ['file.bin'] : ['file (1).bin', 'file.bin']
      assert.deepEqual(await bench.names(), names, where)
      if (expected !== 'file.bin') assert.ok((await bench.read()).equals(old), where)
      assert.equal((await stat(bench.path(expected))).nlink, 1, where)
      assert.equal(outcome.delivered?.size, size, where)
    }
  }
  // A loop that never crashed anything would pass as well.
  assert.ok(crashes > 20, `${crashes} crashes`)
}

test('a crash at any step of replacing a file loses neither the old file nor the new one', () =>
  scenario('replace', 'a file there'))
test('a crash at any step of a new file is recovered', () => scenario('replace', 'nothing there'))
test('a crash at any step of a file that may replace none is recovered', () => scenario('fail', 'nothing there'))
test('a crash at any step of keeping both keeps both', () => scenario('keepBoth', 'a file there'))

test('a second life that ends while it recovers the first is recovered by the third', async () => {
  let crashes = 0
  for (const ifExists of ['replace', 'keepBoth'] as const) {
    for (const when of ['before', 'after'] as const) {
      let first = 0
      for (let firstDied = true; firstDied; first++) {
        let secondDied = true
        for (let second = 0; secondDied; second++) {
          await using bench = await Bench.open()
          const url = bench.server.file('/a.bin', { size, etag: '"v1"' })
          await bench.write('file.bin', old)
          firstDied = (await liveUntil(bench, url, { ifExists }, first, when)).steps > first
          // Only what comes after the intent is recovered; the rest is told above.
          if (!firstDied || bench.intent === undefined) break
          secondDied = (await liveUntil(bench, url, { ifExists }, second, when)).steps > second
          if (!secondDied) break
          crashes++
          const where = `${ifExists}: ${when} step ${first}, then ${when} step ${second}`
          const outcome = expectKind(await bench.run(url, { ifExists }), 'finished')
          const name = ifExists === 'replace' ? 'file.bin' : 'file (1).bin'
          assert.equal(outcome.result.path, bench.path(name), where)
          assert.ok((await bench.read(name)).equals(bench.server.bytes('/a.bin')), where)
          assert.equal(bench.server.requests.length, 1, where)
          assert.deepEqual(await bench.names(), ifExists === 'replace' ? [name] : [name, 'file.bin'], where)
        }
      }
    }
  }
  assert.ok(crashes > 40, `${crashes} crashes`)
})

/** An attempt that ended right after its intent was recorded, and what a stranger did before the next life. */
async function afterIntent(
  meddle: (bench: Bench, part: string) => Promise<void>,
  wishes: Wishes = {},
): Promise<{ readonly bench: Bench; readonly url: string; readonly fresh: Buffer }> {
  const bench = await Bench.open()
  const url = bench.server.file('/a.bin', { size, etag: '"v1"' })
  const files = watchedFiles(bench.world.files, {
    before: () => {
      if (bench.intent !== undefined) throw new Error('dead')
    },
  })
  await bench.run(url, wishes, { world: { files } })
  assert.ok(bench.intent !== undefined)
  await meddle(bench, bench.path(bench.part!.name))
  return { bench, url, fresh: bench.server.bytes('/a.bin') }
}

test('a published file that was changed in place afterwards counts as published', async () => {
  const made = await afterIntent(async (bench, part) => {
    await rename(part, bench.path())
    await writeFile(bench.path(), 'the user has edited it', { flag: 'r+' })
  })
  await using bench = made.bench
  const outcome = expectKind(await bench.run(made.url), 'finished')
  assert.equal(outcome.response, undefined)
  assert.equal(bench.server.requests.length, 1)
  assert.ok(String(await bench.read()).startsWith('the user has edited it'))
})

test('an older part that a power cut brought back under the name of the published one is removed', async () => {
  const made = await afterIntent(async (bench, part) => {
    await rename(part, bench.path())
    await writeFile(part, 'bytes of an attempt before')
  })
  await using bench = made.bench
  expectKind(await bench.run(made.url), 'finished')
  assert.equal(bench.server.requests.length, 1)
  assert.deepEqual(await bench.names(), ['file.bin'])
})

test('an older part that a power cut brought back where nothing was published is removed, though nobody fetches again', async () => {
  const made = await afterIntent(async (_, part) => {
    await unlink(part)
    await writeFile(part, 'bytes of an attempt before')
  })
  await using bench = made.bench
  expectKind(await bench.run(made.url, {}, { report: { restart: async () => 'fenced' } }), 'fenced')
  assert.equal(bench.server.requests.length, 1)
  assert.deepEqual(await bench.names(), [])
})

test('a published file that is gone is never claimed as done but fetched again', async () => {
  const made = await afterIntent((_, part) => unlink(part))
  await using bench = made.bench
  expectKind(await bench.run(made.url), 'finished')
  assert.equal(bench.server.requests.length, 2)
  assert.equal(bench.restarts.length, 1)
  assert.ok((await bench.read()).equals(made.fresh))
})

test('a finished part that was changed after the intent is fetched again', async () => {
  const made = await afterIntent((_, part) => writeFile(part, 'rubbish', { flag: 'a' }))
  await using bench = made.bench
  expectKind(await bench.run(made.url), 'finished')
  assert.equal(bench.restarts.length, 1)
  assert.ok((await bench.read()).equals(made.fresh))
  assert.deepEqual(await bench.names(), ['file.bin'])
})

test('a copy of the finished file in its place counts as published if its digest agrees, else it is fetched again', async () => {
  for (const [content, requests, algorithm] of [
    ['same', 1, 'sha-256'],
    ['same', 1, 'sha-512'],
    ['other', 2, 'sha-256'],
    ['other', 2, 'sha-1'],
  ] as const) {
    const expectedDigests = [{ algorithm, hex: await digestOfFile(algorithm) }]
    const made = await afterIntent(
      async (bench, part) => {
        const bytes = await readFile(part)
        if (content === 'other') bytes[7]! ^= 1
        await writeFile(bench.path(), bytes)
        await unlink(part)
      },
      { expectedDigests },
    )
    await using bench = made.bench
    expectKind(await bench.run(made.url, { expectedDigests }), 'finished')
    assert.equal(bench.server.requests.length, requests, content)
    assert.ok((await bench.read()).equals(made.fresh))
  }
})

async function digestOfFile(algorithm: 'sha-256' | 'sha-512' | 'sha-1'): Promise<string> {
  await using bench = await Bench.open()
  bench.server.file('/a.bin', { size })
  return createHash(algorithm.replace('-', '')).update(bench.server.bytes('/a.bin')).digest('hex')
}

test('a late file in the place is not replaced, and the bytes are kept', async () => {
  for (const ifExists of ['fail', 'skip', 'keepBoth', 'replace'] as const) {
    const made = await afterIntent((bench) => bench.write('file.bin', old), { ifExists })
    await using bench = made.bench
    const outcome = await bench.run(made.url, { ifExists })
    if (ifExists === 'fail') {
      const failed = expectKind(outcome, 'failed')
      assert.equal(failed.error.code, 'DESTINATION_EXISTS')
      assert.deepEqual(failed.failure, { kind: 'final' })
      assert.deepEqual(bench.part?.ranges, [[0, size]])
      assert.deepEqual(await bench.names(), [bench.part.name, 'file.bin'])
      assert.ok((await bench.read()).equals(old))
    } else {
      const { result } = expectKind(outcome, 'finished')
      assert.equal(result.skipped, ifExists === 'skip' ? true : undefined)
      assert.equal(result.path, bench.path(ifExists === 'keepBoth' ? 'file (1).bin' : 'file.bin'))
      assert.ok((await bench.read()).equals(ifExists === 'replace' ? made.fresh : old))
      assert.deepEqual(await bench.names(), ifExists === 'keepBoth' ? ['file (1).bin', 'file.bin'] : ['file.bin'])
    }
  }
})

test('a folder in the place of the file is never touched, and the bytes are kept', async () => {
  const made = await afterIntent((bench) => mkdir(bench.path()))
  await using bench = made.bench
  const failed = expectKind(await bench.run(made.url), 'failed')
  assert.equal(failed.error.code, 'CANNOT_MOVE_FILE')
  assert.deepEqual(failed.failure, { kind: 'final' })
  assert.ok((await readFile(bench.path(bench.part!.name))).equals(made.fresh))
})

test('a symbolic link in the place is replaced and not followed', async () => {
  await using bench = await Bench.open()
  const elsewhere = join(bench.folder, 'elsewhere')
  await writeFile(elsewhere, old)
  await symlink(elsewhere, bench.path())
  const url = bench.server.file('/a.bin', { size })
  expectKind(await bench.run(url), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  assert.ok((await readFile(elsewhere)).equals(old))
})

test('a replaced file hands its mode on', async () => {
  await using bench = await Bench.open()
  await writeFile(bench.path(), old, { mode: 0o600 })
  expectKind(await bench.run(bench.server.file('/a.bin', { size })), 'finished')
  assert.equal((await stat(bench.path())).mode & 0o777, 0o600)
})

test('a cancel that came before the intent leaves the destination alone', async () => {
  await using bench = await Bench.open()
  await bench.write('file.bin', old)
  const url = bench.server.file('/a.bin', { size })
  expectKind(await bench.run(url, {}, { report: { intent: async () => 'cancelled' } }), 'fenced')
  assert.ok((await bench.read()).equals(old))
})

test('where there are no hard links a file is placed by look and rename', async () => {
  await using bench = await Bench.open()
  const { FileFailure } = await import('../../src/world/file-system.ts')
  const files = watchedFiles(bench.world.files, {
    before: (operation, name) => {
      if (operation === 'folder link') throw new FileFailure('not supported', name)
    },
  })
  const url = bench.server.file('/a.bin', { size })
  expectKind(await bench.run(url, { ifExists: 'fail' }, { world: { files } }), 'finished')
  assert.ok((await bench.read()).equals(bench.server.bytes('/a.bin')))
  assert.deepEqual(await readdir(bench.folder), ['file.bin'])
  await rm(bench.path())
})
