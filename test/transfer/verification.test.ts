/** Each rule by which a digest is verified, on raw sockets: who says it, where, of which bytes, and what follows. */
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { crc32 } from 'node:zlib'
import { digestAlgorithms, type DigestAlgorithm, type ExpectedDigest } from '../../src/contract/digests.ts'
import type { Outcome } from '../../src/transfer/assignment.ts'
import type { Following, Hasher } from '../../src/world/hasher.ts'
import { cutAfter, lie, status, trailers, type Behaviour, type FileOptions } from '../../src/testing/index.ts'
import { Bench, expectKind, type Wishes } from './support/bench.ts'
import { realFile, watchedFiles } from './support/watched-files.ts'

const path = '/a.bin'
const size = 3_500_000
const cut = 1_500_000

const fieldNames: Partial<Record<DigestAlgorithm, string>> = { 'sha-1': 'sha' }

function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm): string {
  if (algorithm === 'crc32') return crc32(bytes).toString(16).padStart(8, '0')
  return createHash(algorithm.replace('-', '')).update(bytes).digest('hex')
}

/** The text of a field. */
function said(bytes: Uint8Array, ...algorithms: readonly DigestAlgorithm[]): string {
  return algorithms
    .map((algorithm) => {
      const value = Buffer.from(digestOf(bytes, algorithm), 'hex').toString('base64')
      return `${fieldNames[algorithm] ?? algorithm}=:${value}:`
    })
    .join(', ')
}

const wrong = Buffer.from('other bytes')

async function opened(): Promise<{ readonly bench: Bench; readonly bytes: Buffer; readonly hex: string }> {
  const bench = await Bench.open()
  bench.server.file(path, { size })
  return { bench, bytes: bench.server.bytes(path), hex: bench.server.digest(path) }
}

function serve(bench: Bench, file: Partial<FileOptions>, ...script: readonly Behaviour[]): string {
  return bench.server.file(path, { size, ...file, script })
}

function assertMismatch(outcome: Outcome, joined: boolean, says: RegExp): void {
  const { error, failure } = expectKind(outcome, 'failed')
  assert.equal(error.code, 'DIGEST_MISMATCH')
  assert.match(error.message, says)
  assert.deepEqual(failure, { kind: 'digest', joined })
}

/** A hasher that tells what is asked of it. */
function watched(hasher: Hasher): {
  readonly hasher: Hasher
  readonly followed: DigestAlgorithm[][]
  furthest: number
} {
  const record = {
    followed: [] as DigestAlgorithm[][],
    furthest: 0,
    hasher: {
      follow: (file, algorithms) => {
        record.followed.push([...algorithms])
        const following: Following = hasher.follow(file, algorithms)
        return {
          ...following,
          advance: (to) => {
            record.furthest = Math.max(record.furthest, to)
            following.advance(to)
          },
          finish: (...args) => following.finish(...args),
          stop: () => following.stop(),
        }
      },
    } satisfies Hasher,
  }
  return record
}

test('each algorithm can be expected, and all at once; the strongest is told', async () => {
  const { bench, bytes } = await opened()
  await using _ = bench
  const url = serve(bench, {})
  const all = digestAlgorithms.map((algorithm): ExpectedDigest => ({ algorithm, hex: digestOf(bytes, algorithm) }))
  for (const expectedDigests of [...all.map((digest) => [digest]), all.toReversed()]) {
    const { result } = expectKind(await bench.run(url, { ...again, expectedDigests }), 'finished')
    const strongest = expectedDigests.at(-1)!
    assert.equal(result.digest, `${strongest.algorithm}:${strongest.hex}`)
    assert.equal(result.lengthVerified, true)
  }
})

const again: Wishes = { part: undefined, intent: undefined }

test('one wrong digest among several that are expected fails the download, whichever it is', async () => {
  const { bench, bytes } = await opened()
  await using _ = bench
  const url = serve(bench, {})
  for (const bad of digestAlgorithms) {
    const expectedDigests = digestAlgorithms.map((algorithm): ExpectedDigest => ({
      algorithm,
      hex: digestOf(algorithm === bad ? wrong : bytes, algorithm),
    }))
    const outcome = await bench.run(url, { ...again, expectedDigests })
    assertMismatch(outcome, false, new RegExp(`with ${bad} ${digestOf(bytes, bad)}, but .* was expected`))
    assert.deepEqual(await bench.names(), [])
  }
})

test('every server is asked for a digest, unless the request asks in its own words', async () => {
  const { bench } = await opened()
  await using _ = bench
  const url = serve(bench, {})
  expectKind(await bench.run(url), 'finished')
  expectKind(await bench.run(url, { ...again, headers: [['want-REPR-digest', 'md5=10']] }), 'finished')
  const asked = bench.server.requests.map(({ rawHeaders }) =>
    rawHeaders.filter(([name]) => name.toLowerCase() === 'want-repr-digest').map(([, value]) => value),
  )
  assert.deepEqual(asked, [['sha-256=9, sha-512=8'], ['md5=10']])
})

const right: Readonly<Record<string, (bytes: Buffer) => readonly [Behaviour, DigestAlgorithm]>> = {
  'Repr-Digest in the head': (bytes) => [{ headers: { 'Repr-Digest': said(bytes, 'sha-256') } }, 'sha-256'],
  'Content-Digest in the head': (bytes) => [{ headers: { 'Content-Digest': said(bytes, 'sha-512') } }, 'sha-512'],
  'Repr-Digest in the trailer': (bytes) => [trailers({ 'Repr-Digest': said(bytes, 'sha-256') }), 'sha-256'],
  'Content-Digest in the trailer': (bytes) => [trailers({ 'content-digest': said(bytes, 'md5') }), 'md5'],
  'one in the head and another in the trailer': (bytes) => [
    { ...trailers({ 'Repr-Digest': said(bytes, 'sha-512') }), headers: { 'Repr-Digest': said(bytes, 'sha-1') } },
    'sha-512',
  ],
  'several lines': (bytes) => [
    {
      rawHeaderLines: [
        `Repr-Digest: ${said(bytes, 'md5')}`,
        `Repr-Digest: ${said(bytes, 'sha-256')}`,
        `Repr-Digest: ${said(bytes, 'sha-1')}`,
      ],
    },
    'sha-256',
  ],
  'a wrong weak one beside the right strong one': (bytes) => [
    { headers: { 'Repr-Digest': `${said(wrong, 'md5', 'sha-256')}, ${said(bytes, 'sha-512')}` } },
    'sha-512',
  ],
}
for (const [what, make] of Object.entries(right)) {
  test(`a digest that the server announces is verified and told: ${what}`, async () => {
    const { bench, bytes } = await opened()
    await using _ = bench
    const [step, algorithm] = make(bytes)
    const { result } = expectKind(await bench.run(serve(bench, {}, step)), 'finished')
    assert.equal(result.digest, `${algorithm}:${digestOf(bytes, algorithm)}`)
  })
}

const lies: Readonly<Record<string, (bytes: Buffer) => Behaviour>> = {
  'Repr-Digest in the head': () => ({ headers: { 'Repr-Digest': said(wrong, 'sha-256') } }),
  'Content-Digest in the head': () => ({ headers: { 'Content-Digest': said(wrong, 'sha-512') } }),
  'Repr-Digest in the trailer': () => trailers({ 'Repr-Digest': said(wrong, 'sha-256') }),
  'Content-Digest in the trailer': () => trailers({ 'Content-Digest': said(wrong, 'sha-1') }),
  'a right one in the head and a wrong one in the trailer': (bytes) => ({
    ...trailers({ 'Repr-Digest': said(wrong, 'sha-256') }),
    headers: { 'Repr-Digest': said(bytes, 'sha-256') },
  }),
  'Repr-Digest right and Content-Digest wrong': (bytes) => ({
    headers: { 'Repr-Digest': said(bytes, 'sha-256'), 'Content-Digest': said(wrong, 'md5') },
  }),
  'a right weak one beside the wrong strong one': (bytes) => ({
    headers: { 'Repr-Digest': `${said(bytes, 'md5', 'sha-256')}, ${said(wrong, 'sha-512')}` },
  }),
}
for (const [what, make] of Object.entries(lies)) {
  test(`a digest that the server announces and does not keep fails the download: ${what}`, async () => {
    const { bench, bytes } = await opened()
    await using _ = bench
    assertMismatch(await bench.run(serve(bench, {}, make(bytes))), false, /was announced by the server/)
    assert.deepEqual(await bench.names(), [])
    assert.deepEqual(bench.restartCauses, ['bytes changed'])
  })
}

const silent: Readonly<Record<string, Behaviour>> = {
  'of an unknown algorithm': { headers: { 'Repr-Digest': 'blake9=:AAAA:', 'Content-Digest': 'unixsum=:AAAA:' } },
  'that is malformed': { headers: { 'Repr-Digest': `${said(wrong, 'sha-256')},`, 'Content-Digest': 'sha-256=:AA' } },
  'of another length': { headers: { 'Repr-Digest': 'sha-256=:AAAA:', 'Content-Digest': 'sha-512="text"' } },
  'in a malformed trailer': trailers({ 'Repr-Digest': `SHA-256=:${said(wrong, 'sha-256')}` }),
  'by the withdrawn name': { headers: { Digest: 'sha-256=AAAA', 'Content-MD5': 'AAAA' } },
}
for (const [what, step] of Object.entries(silent)) {
  test(`a digest ${what} is as if it had not been sent, and nothing is hashed`, async () => {
    const { bench } = await opened()
    await using _ = bench
    const { hasher, followed } = watched(bench.world.hasher)
    const { result } = expectKind(await bench.run(serve(bench, {}, step), {}, { world: { hasher } }), 'finished')
    assert.equal(result.digest, undefined)
    assert.deepEqual(followed, [])
  })
}

test('bytes are hashed while they come, and those announced in a trailer only when it has come', async () => {
  const { bench, bytes, hex } = await opened()
  await using _ = bench
  const url = serve(bench, {}, trailers({ 'Repr-Digest': said(bytes, 'sha-512') }))
  const record = watched(bench.world.hasher)
  const expectedDigests: readonly ExpectedDigest[] = [{ algorithm: 'sha-256', hex }]
  let atTheEnd: unknown
  const paper = bench.report()
  const report = {
    progress: (facts: Parameters<typeof paper.progress>[0]) => {
      if (facts.phase === 'verifying') atTheEnd = [record.followed.length, record.furthest > size - 1_500_000]
      paper.progress(facts)
    },
  }
  expectKind(await bench.run(url, { expectedDigests }, { world: { hasher: record.hasher }, report }), 'finished')
  assert.deepEqual(atTheEnd, [1, true])
  assert.deepEqual(record.followed, [['sha-256'], ['sha-512']])
})

test('over several connections the digest follows what is there without a gap, and a wrong one may be the fault of joining', async () => {
  await using bench = await Bench.open()
  const large = 20 * 1024 * 1024
  const url = bench.server.file(path, { size: large, etag: '"v1"' })
  const hex = bench.server.digest(path)
  const policy = { maximumSegments: 4 }
  const record = watched(bench.world.hasher)
  const right: readonly ExpectedDigest[] = [{ algorithm: 'sha-256', hex }]
  const options = { world: { hasher: record.hasher } }
  const { result } = expectKind(await bench.run(url, { policy, expectedDigests: right }, options), 'finished')
  assert.equal(result.digest, `sha-256:${hex}`)
  assert.ok(bench.server.requests.length > 1, 'one connection only')
  assert.deepEqual([record.followed, record.furthest], [[['sha-256']], large])
  const bad: readonly ExpectedDigest[] = [{ algorithm: 'sha-256', hex: '00'.repeat(32) }]
  assertMismatch(await bench.run(url, { ...again, policy, expectedDigests: bad }), true, /was expected/)
})

test('a coded body is stored as it came, and its digests are of just these bytes', async () => {
  const { bench, bytes } = await opened()
  await using _ = bench
  for (const [name, whose] of [
    ['Repr-Digest', bytes],
    ['Content-Digest', bytes],
    ['Repr-Digest', wrong],
  ] as const) {
    const headers = { 'Content-Encoding': 'gzip', [name]: said(whose, 'sha-256') }
    const outcome = await bench.run(serve(bench, {}, { headers }), again)
    if (whose === wrong) assertMismatch(outcome, false, /announced/)
    else assert.equal(expectKind(outcome, 'finished').result.digest, `sha-256:${digestOf(bytes, 'sha-256')}`)
  }
})

test('a file that is announced to be another than is expected is refused before its bytes come', async () => {
  const { bench, bytes } = await opened()
  await using _ = bench
  const expectedDigests: readonly ExpectedDigest[] = [{ algorithm: 'sha-256', hex: '00'.repeat(32) }]
  const url = serve(bench, { headers: { 'Repr-Digest': said(bytes, 'sha-256') } })
  assertMismatch(await bench.run(url, { expectedDigests }), false, /Nothing of it was fetched/)
  assert.deepEqual([bench.said, bench.restarts], [[], []])
  const sha512 = [{ algorithm: 'sha-512', hex: digestOf(bytes, 'sha-512') }] as const
  const { result } = expectKind(await bench.run(url, { expectedDigests: sha512 }), 'finished')
  assert.equal(result.digest, `sha-512:${sha512[0].hex}`)
})

// ---------------------------------------------------------------------------------------------------- over several attempts

async function cutThen(
  bench: Bench,
  file: Partial<FileOptions>,
  next: Behaviour,
  wishes: Wishes = {},
): Promise<Outcome> {
  const url = serve(bench, file, cutAfter(cut), next)
  expectKind(await bench.run(url, wishes), 'failed')
  return bench.run(url, wishes)
}

test('the digest of a download that went on is of all its bytes, those of earlier attempts read again', async () => {
  const { bench, bytes, hex } = await opened()
  await using _ = bench
  const record = watched(bench.world.hasher)
  const url = serve(bench, { etag: '"v1"' }, cutAfter(cut))
  const expectedDigests: readonly ExpectedDigest[] = [
    { algorithm: 'sha-256', hex },
    { algorithm: 'crc32', hex: digestOf(bytes, 'crc32') },
  ]
  const options = { world: { hasher: record.hasher } }
  expectKind(await bench.run(url, { expectedDigests }, options), 'failed')
  const { result } = expectKind(await bench.run(url, { expectedDigests }, options), 'finished')
  assert.equal(bench.resumedAt, cut)
  assert.equal(result.digest, `sha-256:${hex}`)
  assert.equal(record.followed.length, 2)
})

test('Content-Digest of a 206 is of that range alone and is not looked at; its Repr-Digest is of the whole', async () => {
  const { bench, bytes, hex } = await opened()
  await using _ = bench
  const headers = { 'Content-Digest': said(wrong, 'sha-512'), 'Repr-Digest': said(bytes, 'sha-256') }
  const { result } = expectKind(await cutThen(bench, { etag: '"v1"' }, { headers }), 'finished')
  assert.equal(bench.resumedAt, cut)
  assert.equal(result.digest, `sha-256:${hex}`)
})

test('a wrong Repr-Digest of a 206 throws away what was joined', async () => {
  const { bench } = await opened()
  await using _ = bench
  const headers = { 'Repr-Digest': said(wrong, 'sha-256') }
  assertMismatch(await cutThen(bench, { etag: '"v1"' }, { headers }), true, /announced/)
  assert.deepEqual(await bench.names(), [])
  expectKind(await bench.run(bench.server.url(path)), 'finished')
  assert.deepEqual(await bench.read(), bench.server.bytes(path))
})

test('what was announced with the first bytes holds for those that come later without a word of it', async () => {
  const { bench, bytes } = await opened()
  await using _ = bench
  const first = { headers: { 'Repr-Digest': said(bytes, 'sha-256') }, ...cutAfter(cut) }
  const url = serve(bench, { etag: '"v1"' }, first, lie('other bytes under the old ETag'))
  expectKind(await bench.run(url), 'failed')
  assertMismatch(await bench.run(url), true, /announced/)
  assert.deepEqual(await bench.names(), [])
})

test('a strong digest that the server repeats proves the bytes where there is no validator', async () => {
  const { bench, bytes, hex } = await opened()
  await using _ = bench
  for (const file of [{}, { etag: 'W/"weak"' }]) {
    const options = { ...file, headers: { 'Repr-Digest': said(bytes, 'sha-256') } }
    const url = serve(bench, options, cutAfter(cut))
    expectKind(await bench.run(url, again), 'failed')
    const { result } = expectKind(await bench.run(url, { intent: undefined }), 'finished')
    assert.deepEqual([bench.resumedAt, bench.proof], [cut, 'digest'])
    assert.equal(result.digest, `sha-256:${hex}`)
    assert.deepEqual(await bench.read(), bytes)
  }
  assert.deepEqual(bench.restarts, [])
})

const unproven: Readonly<Record<string, readonly [DigestAlgorithm, Behaviour]>> = {
  'is not repeated': ['sha-256', { headers: { 'Repr-Digest': undefined } }],
  'is another one': ['sha-256', { headers: { 'Repr-Digest': said(wrong, 'sha-256') } }],
  'is weak': ['md5', {}],
}
for (const [what, [algorithm, next]] of Object.entries(unproven)) {
  test(`a digest that ${what} proves nothing, and the download starts from zero`, async () => {
    const { bench, bytes } = await opened()
    await using _ = bench
    expectKind(await cutThen(bench, { headers: { 'Repr-Digest': said(bytes, algorithm) } }, next), 'finished')
    assert.equal(bench.resumedAt, undefined)
    assert.deepEqual(await bench.read(), bytes)
    const causes = { 'is another one': ['bytes changed'], 'is not repeated': ['cannot go on'], 'is weak': [] }
    assert.deepEqual(bench.restartCauses, causes[what as keyof typeof causes])
  })
}

test('a digest that changes shows that the file has changed, whatever the ETag says', async () => {
  const { bench } = await opened()
  await using _ = bench
  const first = serve(bench, { etag: '"v1"' }, { headers: { 'Repr-Digest': said(wrong, 'sha-256') }, ...cutAfter(cut) })
  expectKind(await bench.run(first), 'failed')
  const bytes = bench.server.bytes(path)
  bench.server.change(path, { headers: { 'Repr-Digest': said(bytes, 'sha-256') } })
  expectKind(await bench.run(first), 'finished')
  assert.deepEqual(bench.restartCauses, ['bytes changed'])
  assert.deepEqual(await bench.read(), bytes)
})

test('bytes that a failed sync threw away are hashed as they came the second time', async () => {
  const { bench, hex, bytes } = await opened()
  await using _ = bench
  const expectedDigests: readonly ExpectedDigest[] = [{ algorithm: 'sha-256', hex }]
  const record = watched(bench.world.hasher)
  let syncs = 0
  const files = watchedFiles(bench.world.files, {
    before: (operation) => {
      if (operation === 'file sync' && ++syncs === 1) throw new Error('the disk gave up')
    },
  })
  // The first time the bytes are wrong, and all of them are followed before the sync at the end fails.
  const url = serve(bench, { etag: '"v1"' }, { ...lie('wrong the first time'), ...cutAfter(size - 1) })
  const hasher: Hasher = {
    follow: (file, algorithms) => record.hasher.follow(realFile.get(file) ?? file, algorithms),
  }
  expectKind(await bench.run(url, { expectedDigests }, { world: { files, hasher } }), 'failed')
  assert.equal(bench.part?.ranges.length ?? 0, 0)
  const { result } = expectKind(await bench.run(url, { expectedDigests }), 'finished')
  assert.equal(result.digest, `sha-256:${hex}`)
  assert.deepEqual(await bench.read(), bytes)
})

test('a file is closed though an attempt ends while it is followed', async () => {
  const { bench, hex } = await opened()
  await using _ = bench
  const expectedDigests: readonly ExpectedDigest[] = [{ algorithm: 'sha-256', hex }]
  const url = serve(bench, { etag: '"v1"' }, cutAfter(cut), status(503))
  for (let attempt = 0; attempt < 2; attempt++) expectKind(await bench.run(url, { expectedDigests }), 'failed')
  expectKind(await bench.run(url, { expectedDigests }), 'finished')
})
