/** Which name a file gets, and what happens to one that is there already. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readdirSync } from 'node:fs'
import { lstat, mkdir, rm } from 'node:fs/promises'
import { test } from 'node:test'
import type { Delivered, PartIdentity } from '../../src/contract/bytes.ts'
import type { ExpectedDigest } from '../../src/contract/digests.ts'
import type { Report } from '../../src/transfer/assignment.ts'
import type { Transport } from '../../src/world/transport.ts'
import { cutAfter } from '../../src/testing/index.ts'
import { FileFailure } from '../../src/world/file-system.ts'
import { needs } from '../support/needs.ts'
import { Bench, expectKind, taskId } from './support/bench.ts'
import { watchedFiles } from './support/watched-files.ts'

const size = 50_000

test('without a name the safe name of the server is taken', async () => {
  await using bench = await Bench.open()
  const headers = { 'Content-Disposition': 'attachment; filename="../../.evil.txt"' }
  const url = bench.server.file('/a', { size, headers })
  const outcome = expectKind(await bench.run(url, { name: undefined, ifExists: 'fail' }), 'finished')
  assert.equal(outcome.result.path, bench.path('evil.txt'))
  assert.equal(outcome.response?.suggestedFilename, 'evil.txt')
})

test('a name of a server is made safe before it is that of a file', async () => {
  await using bench = await Bench.open()
  const long = `${'%C3%A9'.repeat(300)}.tar.gz`
  const names = [
    ['invoice%E2%80%AEfdp.exe', 'invoicefdp.exe'],
    ['a%00b%0Ac.txt', 'abc.txt'],
    ['CON.txt', 'CON_.txt'],
    ['C%3A%5Cwindows%5Csystem.ini', 'system.ini'],
    [long, `${'é'.repeat(96)}.tar.gz`],
  ] as const
  for (const [said, safe] of names) {
    const headers = { 'Content-Disposition': `attachment; filename*=UTF-8''${said}` }
    const url = bench.server.file('/a', { size, headers })
    expectKind(await bench.run(url, { name: undefined, ifExists: 'fail' }), 'finished')
    assert.ok((await bench.names()).includes(safe), `${said} became ${(await bench.names()).join(', ')}`)
    bench.part = undefined
    bench.intent = undefined
  }
  assert.equal((await bench.names()).length, names.length)
})

test('the name of a part keeps as many whole characters of a long one as fit', async () => {
  await using bench = await Bench.open()
  const name = `${'日本'.repeat(40)}.bin`
  assert.equal(Buffer.byteLength(name), 244)
  const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(size / 2)] })
  expectKind(await bench.run(url, { name }), 'failed')
  const [part] = await bench.names()
  assert.match(part!, /^\.(?:日本)+日?(?:…|\.bin)?\.[0-9A-Z]{8}\.longhaul-part$/)
  assert.ok(Buffer.byteLength(part!) <= 255)
  expectKind(await bench.run(url, { name }), 'finished')
  assert.deepEqual(await bench.names(), [name])
})

test('a name that a server chose replaces no file', async () => {
  await using bench = await Bench.open()
  await bench.write('a', 'mine')
  const url = bench.server.file('/a', { size })
  const failed = expectKind(await bench.run(url, { name: undefined, ifExists: 'fail' }), 'failed')
  assert.equal(failed.error.code, 'DESTINATION_EXISTS')
  assert.match(
    failed.error.message,
    /^There is already a file at \S+\/a\.$/,
    'nothing came, so nothing is said to be kept',
  )
  assert.deepEqual(bench.said, [])
  assert.equal(String(await bench.read('a')), 'mine')
})

test('a folder in the place of a name that a server chose is called a folder', async () => {
  await using bench = await Bench.open()
  await mkdir(bench.path('a'))
  const url = bench.server.file('/a', { size })
  const failed = expectKind(await bench.run(url, { name: undefined, ifExists: 'fail' }), 'failed')
  assert.equal(failed.error.code, 'CANNOT_MOVE_FILE')
  assert.match(failed.error.message, /^There is a folder at \S+\/a, where the file should go\.$/)
})

test('a pipe in a folder is not replaced by a file of its name', { skip: needs('posix') }, async () => {
  await using bench = await Bench.open()
  execFileSync('mkfifo', [bench.path('a')])
  const url = bench.server.file('/a', { size })
  for (const name of ['a', undefined]) {
    const failed = expectKind(await bench.run(url, { name, ifExists: 'replace' }), 'failed')
    assert.equal(failed.error.code, 'CANNOT_MOVE_FILE')
    assert.match(failed.error.message, /^There is a device, a pipe or a socket at \S+\/a, where the file should go\.$/)
  }
  assert.ok((await lstat(bench.path('a'))).isFIFO())
})

test('fail, skip and a folder in the place need no request when the name is known', async () => {
  await using bench = await Bench.open()
  await bench.write('file.bin', 'mine')
  await mkdir(bench.path('folder'))
  const url = bench.server.file('/a', { size })
  assert.equal(expectKind(await bench.run(url, { ifExists: 'fail' }), 'failed').error.code, 'DESTINATION_EXISTS')
  const skipped = expectKind(await bench.run(url, { ifExists: 'skip' }), 'finished')
  assert.equal(skipped.result.skipped, true)
  assert.equal(skipped.result.bytes, 4)
  assert.equal(expectKind(await bench.run(url, { name: 'folder' }), 'failed').error.code, 'CANNOT_MOVE_FILE')
  assert.equal(bench.server.requests.length, 0)
})

test('skip leaves a file alone whatever is in it, but not one without the digest that is expected', async () => {
  await using bench = await Bench.open()
  await bench.write('file.bin', 'mine')
  await mkdir(bench.path('folder'))
  const url = bench.server.file('/a', { size })
  const sha256 = (text: string): ExpectedDigest => ({
    algorithm: 'sha-256',
    hex: createHash('sha256').update(text).digest('hex'),
  })
  const skip = { ifExists: 'skip', expectedDigests: [sha256('mine')] } as const
  const { result } = expectKind(await bench.run(url, skip), 'finished')
  const digest = `sha-256:${sha256('mine').hex}`
  assert.deepEqual([result.skipped, result.bytes, result.digest], [true, 4, digest])
  const other = expectKind(await bench.run(url, { ...skip, expectedDigests: [sha256('yours')] }), 'failed')
  assert.equal(other.error.code, 'DIGEST_MISMATCH')
  assert.match(other.error.message, /file\.bin with sha-256 .* It was left as it is, and nothing was fetched\./)
  assert.deepEqual(other.failure, { kind: 'final' })
  assert.equal(String(await bench.read('file.bin')), 'mine')
  const folder = expectKind(await bench.run(url, { ...skip, name: 'folder' }), 'failed')
  assert.equal(folder.error.code, 'FILE_IS_DIRECTORY')
  assert.equal(bench.server.requests.length, 0)
})

test('keepBoth takes the first number that is free', async () => {
  await using bench = await Bench.open()
  for (const name of ['file.bin', 'file (1).bin']) await bench.write(name, 'mine')
  const url = bench.server.file('/a', { size })
  const outcome = expectKind(await bench.run(url, { ifExists: 'keepBoth' }), 'finished')
  assert.equal(outcome.result.path, bench.path('file (2).bin'))
  assert.equal(bench.reserved?.names[0], 'file (2).bin')
})

test('keepBoth goes on where others have all the numbers that were free so far', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size })
  const others = new Set(['file.bin', ...Array.from({ length: 40 }, (_, i) => `file (${i + 1}).bin`)])
  const reserve: Report['reserve'] = async (facts) => {
    const name = facts.names.find((each) => !others.has(each))
    return name === undefined ? { busyWith: 'OTHER' } : bench.report().reserve({ ...facts, names: [name] })
  }
  const outcome = expectKind(await bench.run(url, { ifExists: 'keepBoth' }, { report: { reserve } }), 'finished')
  assert.equal(outcome.result.path, bench.path('file (41).bin'))
})

test('a name that another task holds is busy', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size })
  const report = { reserve: async () => ({ busyWith: 'OTHER' }) }
  const failed = expectKind(await bench.run(url, {}, { report }), 'failed')
  assert.equal(failed.error.code, 'DESTINATION_BUSY')
  assert.match(failed.error.message, /OTHER/)
  assert.deepEqual(await bench.names(), [])
})

test('in the spool the name begins with the task', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/photos/cat.jpg', { size })
  const outcome = expectKind(await bench.run(url, { name: undefined, spooled: true }), 'finished')
  assert.equal(outcome.result.path, bench.path(`${taskId.slice(-8)}-cat.jpg`))
  assert.equal(bench.intent?.how, 'link')
})

test('kept bytes beside an earlier destination go on beside the new one', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(20_000), cutAfter(10_000)] })
  expectKind(await bench.run(url), 'failed')
  await mkdir(bench.path('new'))
  const folder = bench.path('new')
  expectKind(await bench.run(url, { folder }), 'failed')
  assert.deepEqual(bench.restarts, [])
  assert.deepEqual(bench.part?.ranges, [[0, 30_000]])
  assert.equal(bench.part.folder, folder)
  expectKind(await bench.run(url, { folder }), 'finished')
  assert.equal(bench.server.bytesSent('/a'), size)
  assert.ok((await bench.read('new/file.bin')).equals(bench.server.bytes('/a')))
})

for (const [what, kind, trouble] of [
  ['stopped', 'stopped', 'is stopped'],
  ['ended by a full disk', 'failed', 'no space'],
] as const)
  test(`kept bytes count in their folder until their copy does: a copy that is ${what} costs nothing`, async () => {
    await using bench = await Bench.open()
    await Promise.all([mkdir(bench.path('old')), mkdir(bench.path('new'))])
    const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(20_000)] })
    expectKind(await bench.run(url, { folder: bench.path('old') }), 'failed')
    const before = structuredClone(bench.part)
    const stopping = new AbortController()
    const files = watchedFiles(bench.world.files, {
      before: (operation, name) => {
        if (operation === 'file write' && trouble === 'no space') throw new FileFailure('no space', name)
      },
      // Its file is there, and the copy is about to begin.
      after: (operation) => {
        if (operation === 'folder create') stopping.abort()
      },
    })
    const wishes = { folder: bench.path('new') }
    const signal = trouble === 'no space' ? new AbortController().signal : stopping.signal
    expectKind(await bench.run(url, wishes, { world: { files }, signal }), kind)
    assert.deepEqual(bench.part, before)
    expectKind(await bench.run(url, wishes), 'finished')
    assert.deepEqual(bench.restarts, [])
    assert.deepEqual(
      bench.server.requests.map(({ headers }) => headers['range']),
      [undefined, 'bytes=20000-', 'bytes=20000-'],
    )
    assert.ok((await bench.read('new/file.bin')).equals(bench.server.bytes('/a')))
  })

test('kept bytes whose folder is gone are fetched again', async () => {
  await using bench = await Bench.open()
  await mkdir(bench.path('old'))
  const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(20_000)] })
  expectKind(await bench.run(url, { folder: bench.path('old') }), 'failed')
  await rm(bench.path('old'), { recursive: true })
  expectKind(await bench.run(url), 'finished')
  assert.deepEqual(bench.restarts, ['the folder of the partial file is gone'])
})

test('kept bytes on a disk that is not plugged in do not hold up a download that was given another place', async () => {
  await using bench = await Bench.open()
  const folder = bench.path('old')
  await mkdir(folder)
  const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(20_000)] })
  expectKind(await bench.run(url, { folder }), 'failed')
  // What is left of it is an empty folder on another disk.
  await rm(bench.path(`old/${bench.part!.name}`))
  bench.part = { ...bench.part!, identity: { ...bench.part!.identity!, device: 'unplugged' } }
  expectKind(await bench.run(url, { folder }), 'failed')
  assert.deepEqual(bench.restarts, [])
  expectKind(await bench.run(url), 'finished')
  assert.deepEqual(bench.restarts, ['the partial file is gone'])
})

async function identityOf(bench: Bench, path: string): Promise<PartIdentity> {
  const folder = await bench.world.files.folder(path)
  await folder.close()
  const { inode, birthMs, device } = folder.identity
  return { inode, birthMs, device }
}

test('a folder that is on another device than when the task was added is waited for, before anything is asked', async () => {
  await using bench = await Bench.open()
  const settled = await identityOf(bench, bench.folder)
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const away = { folderIdentity: { ...settled, inode: '2', device: 'unplugged' } }
  const { error, failure } = expectKind(await bench.run(url, away), 'failed')
  assert.equal(error.code, 'DESTINATION_UNAVAILABLE')
  assert.equal(failure.kind, 'destination unavailable')
  assert.match(error.message, /on another device than when the task was added/)
  assert.equal(bench.server.requestsFor('/a').length, 0)
  assert.deepEqual(readdirSync(bench.folder), [])
  // It was to be published when its disk was taken away.
  bench.intent = {
    folder: bench.folder,
    name: 'file.bin',
    how: 'replace',
    identity: { inode: '7', birthMs: 1, device: 'unplugged' },
    bytes: size,
    lengthVerified: true,
    modifiedMs: 1,
  }
  expectKind(await bench.run(url, away), 'failed')
  assert.deepEqual(bench.said, [])
})

test('a folder that was made anew on its disk, whose disk has another number, or that was seen in another boot is the one', async () => {
  await using bench = await Bench.open()
  const settled = await identityOf(bench, bench.folder)
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const places: readonly PartIdentity[] = [
    { ...settled, inode: '2' },
    { ...settled, device: 'before it was unplugged' },
    { ...settled, inode: '2', device: '' },
  ]
  for (const folderIdentity of places) {
    bench.part = undefined
    bench.intent = undefined
    expectKind(await bench.run(url, { folderIdentity }), 'finished')
  }
})

test('kept bytes that are there are gone on from, whatever their folder was when the task was added', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"', script: [cutAfter(20_000)] })
  expectKind(await bench.run(url), 'failed')
  const folderIdentity = { inode: '2', birthMs: 1, device: 'another' }
  expectKind(await bench.run(url, { folderIdentity }), 'finished')
  assert.deepEqual(bench.restarts, [])
})

async function deliveredOnce(bench: Bench, url: string): Promise<NonNullable<Parameters<Bench['run']>[1]>> {
  const first = expectKind(await bench.run(url), 'finished')
  const file: Delivered = first.delivered!
  bench.part = undefined
  bench.intent = undefined
  bench.said.length = 0
  return {
    ifExists: 'revalidate',
    delivered: {
      file,
      response: first.response!,
      representation: bench.representation!,
      lengthVerified: true,
      digest: 'sha-256:aa',
    },
  }
}

test('a file delivered before that has not changed is asked for conditionally and not fetched', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: 'W/"v1"' })
  const wishes = await deliveredOnce(bench, url)
  const outcome = expectKind(await bench.run(url, { ...wishes, name: undefined }), 'finished')
  assert.deepEqual(outcome.result, {
    path: bench.path(),
    bytes: size,
    lengthVerified: true,
    notModified: true,
    digest: 'sha-256:aa',
  })
  assert.equal(outcome.response?.status, 200)
  assert.equal((await bench.server.received(2)).headers['if-none-match'], 'W/"v1"')
  assert.deepEqual(bench.said, [])
})

test('a file delivered before that has changed on the server is fetched into its place', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const wishes = await deliveredOnce(bench, url)
  bench.server.change('/a', { seed: 'new', etag: '"v2"' })
  const outcome = expectKind(await bench.run(url, wishes), 'finished')
  assert.equal(outcome.result.notModified, false)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a file delivered before is asked for conditionally only if what was verified of it agrees with what is expected', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const [sha256, md5] = [bench.server.digest('/a'), createHash('md5').update(bench.server.bytes('/a')).digest('hex')]
  const both = [
    { algorithm: 'sha-256', hex: sha256 },
    { algorithm: 'md5', hex: md5 },
  ] as const
  for (const [verified, expectedDigests, conditional] of [
    [`sha-256:${sha256}`, both, true],
    // The strongest alone is recorded; what the same key expects was verified beside it.
    [`sha-256:${sha256}`, both.slice(1), true],
    ['sha-256:aa', both, false],
    [undefined, both, false],
    [undefined, [], true],
  ] as const) {
    const wishes = await deliveredOnce(bench, url)
    const { digest: _, ...delivered } = wishes.delivered!
    const earlier = { ...delivered, ...(verified !== undefined && { digest: verified }) }
    expectKind(await bench.run(url, { ...wishes, delivered: earlier, expectedDigests }), 'finished')
    assert.equal(bench.server.requests.at(-1)!.headers['if-none-match'], conditional ? '"v1"' : undefined)
  }
})

test('a file delivered before that was changed here is fetched without a condition', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const wishes = await deliveredOnce(bench, url)
  await bench.write('file.bin', 'edited')
  expectKind(await bench.run(url, wishes), 'finished')
  assert.equal((await bench.server.received(2)).headers['if-none-match'], undefined)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('a file delivered before that is changed here while the newer one comes is replaced only if that was asked for', async () => {
  const asked = { fail: 'DESTINATION_EXISTS', keepBoth: 'file (1).bin', skip: 'file.bin', replace: 'file.bin' } as const
  for (const [ifExists, expected] of Object.entries(asked)) {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, etag: '"v1"' })
    const wishes = { ...(await deliveredOnce(bench, url)), ifExists: ifExists as keyof typeof asked }
    bench.server.change('/a', { seed: 'new', etag: '"v2"' })
    const reserve: Report['reserve'] = async (facts) => {
      await bench.write('file.bin', 'edited')
      return bench.report().reserve(facts)
    }
    const outcome = await bench.run(url, wishes, { report: { reserve } })
    if (ifExists !== 'replace') assert.equal(String(await bench.read()), 'edited', ifExists)
    if (outcome.kind === 'failed') {
      assert.equal(outcome.error.code, expected)
      assert.deepEqual(bench.part?.ranges, [[0, size]], 'the bytes are kept')
    } else assert.equal(expectKind(outcome, 'finished').result.path, bench.path(expected))
  }
})

test('a file delivered before that is changed here after the intent is not replaced by its recovery', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const wishes = { ...(await deliveredOnce(bench, url)), ifExists: 'fail' as const }
  bench.server.change('/a', { seed: 'new', etag: '"v2"' })
  const intent: Report['intent'] = async (facts) => {
    await bench.report().intent(facts)
    return 'fenced'
  }
  expectKind(await bench.run(url, wishes, { report: { intent } }), 'fenced')
  assert.equal(bench.intent?.how, 'replace')
  await bench.write('file.bin', 'edited')
  assert.equal(expectKind(await bench.run(url, wishes), 'failed').error.code, 'DESTINATION_EXISTS')
  assert.equal(String(await bench.read()), 'edited')
})

test('a file under another name that the server chose this time is not the one delivered before', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const wishes = { ...(await deliveredOnce(bench, url)), name: undefined, ifExists: 'fail' as const }
  await bench.write('other.txt', 'mine')
  const headers = { 'Content-Disposition': 'attachment; filename="other.txt"' }
  bench.server.change('/a', { seed: 'new', etag: '"v2"', headers })
  assert.equal(expectKind(await bench.run(url, wishes), 'failed').error.code, 'DESTINATION_EXISTS')
  assert.equal(String(await bench.read('other.txt')), 'mine')
})

test('a file that vanishes here while the server is asked about it is fetched', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, etag: '"v1"' })
  const wishes = await deliveredOnce(bench, url)
  let asked = 0
  const transport: Transport = {
    open: async (request, signal) => {
      const exchange = await bench.world.transport.open(request, signal)
      if (asked++ === 0) await rm(bench.path())
      return exchange
    },
    close: () => Promise.resolve(),
  }
  const outcome = expectKind(await bench.run(url, wishes, { world: { transport } }), 'finished')
  assert.equal(outcome.result.notModified, false)
  assert.ok((await bench.read()).equals(bench.server.bytes('/a')))
})

test('by the date a file is revalidated as well', async () => {
  await using bench = await Bench.open()
  const lastModified = 'Wed, 01 Jan 2020 00:00:00 GMT'
  const url = bench.server.file('/a', { size, lastModified })
  const wishes = await deliveredOnce(bench, url)
  bench.server.change('/a', { script: [{ status: 304 }] })
  assert.equal(expectKind(await bench.run(url, wishes), 'finished').result.notModified, true)
  assert.equal((await bench.server.received(2)).headers['if-modified-since'], lastModified)
})

test('a 304 that was not asked for is a refusal', async () => {
  await using bench = await Bench.open()
  const url = bench.server.file('/a', { size, script: [{ status: 304 }] })
  const failed = expectKind(await bench.run(url), 'failed')
  assert.equal(failed.error.code, 'HTTP_STATUS')
  assert.equal(failed.error.status, 304)
})

for (const [field, value] of [
  ['If-None-Match', '"v2"'],
  ['If-Modified-Since', 'Thu, 02 Jan 2020 00:00:00 GMT'],
] as const)
  test(`a 304 to an ${field} of the request's own says nothing of the file that was delivered before`, async () => {
    await using bench = await Bench.open()
    const url = bench.server.file('/a', { size, lastModified: 'Wed, 01 Jan 2020 00:00:00 GMT' })
    const wishes = await deliveredOnce(bench, url)
    bench.server.change('/a', { seed: 'new', etag: '"v2"', lastModified: value })
    const failed = expectKind(await bench.run(url, { ...wishes, headers: [[field, value]] }), 'failed')
    assert.equal(failed.error.status, 304)
  })

test('progress tells phases in order, and not more than ten times a second', async () => {
  await using bench = await Bench.open()
  const { ManualClock } = await import('../support/manual-clock.ts')
  const url = bench.server.file('/a', { size: 5_000_000 })
  expectKind(await bench.run(url, {}, { world: { clock: new ManualClock() } }), 'finished')
  const phases = bench.progress.map(({ phase }) => phase)
  assert.deepEqual(phases, ['connecting', 'transferring', 'verifying', 'delivering'])
  assert.deepEqual(bench.progress.at(-1), { phase: 'delivering', received: 5_000_000, total: 5_000_000 })
})
