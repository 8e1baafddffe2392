// A segment is fed from memory that it lends. New memory of a mebibyte for each checkpoint would have the collector run all the time.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { Buffers } from '../../src/transfer/download/buffers.ts'
import { Segment } from '../../src/transfer/download/segment.ts'
import type { PartFile } from '../../src/transfer/files/part-file.ts'
import { FileFailure } from '../../src/world/file-system.ts'

const mebibyte = 1024 * 1024

class Counted extends Buffers {
  readonly taken = new Set<Buffer>()

  override take(atMost: number): Buffer {
    const buffer = super.take(atMost)
    this.taken.add(buffer)
    return buffer
  }
}

interface Written {
  readonly at: number
  readonly bytes: Buffer
}

function segmentOver(
  buffers: Buffers,
  from: number,
  until: number | undefined,
): { segment: Segment; written: Written[] } {
  const written: Written[] = []
  const part = {
    write: async (bytes: Uint8Array, at: number) => {
      written.push({ at, bytes: Buffer.from(bytes) })
      await setImmediate()
    },
  } as unknown as PartFile
  return { segment: new Segment(part, from, until, buffers, () => {}), written }
}

/** As a socket does it: into the room, or into memory of its own while there is none. */
async function feed(segment: Segment, bytes: Buffer): Promise<void> {
  for (let rest = bytes; rest.length > 0;) {
    const room = segment.room() ?? Buffer.alloc(64 * 1024)
    const piece = room.subarray(0, rest.copy(room))
    rest = rest.subarray(piece.length)
    await segment.take(piece)
  }
}

test('two buffers serve a segment, however often a checkpoint flushes it', async () => {
  const buffers = new Counted()
  const size = 20 * mebibyte
  const { segment, written } = segmentOver(buffers, 0, size)
  const bytes = Buffer.alloc(size, 'all the bytes ')
  const step = 300_000
  for (let at = 0; at < size; at += step) {
    await feed(segment, bytes.subarray(at, at + step))
    if ((at / step) % 5 === 0) await segment.flush()
  }
  await segment.flush()
  await segment.close()
  assert.ok(Buffer.concat(written.map((piece) => piece.bytes)).equals(bytes))
  assert.equal(buffers.taken.size, 2)
})

test('one buffer serves a segment whose writes are done at once', async () => {
  const buffers = new Counted()
  const file = Buffer.alloc(8 * mebibyte)
  let reached = 0
  const part = {
    write: (bytes: Uint8Array, at: number) => {
      file.set(bytes, at)
    },
  } as unknown as PartFile
  const segment = new Segment(part, 0, file.length, buffers, (_from, to) => (reached = to))
  const bytes = Buffer.alloc(file.length, 'bytes that are no use in another order ')
  const step = 300_000
  for (let at = 0; at < file.length; at += step) {
    // What was lent before a flush is put into after it, as a socket does whose memory was asked for earlier.
    const room = segment.room()!
    if ((at / step) % 4 === 0) await segment.flush()
    const some = room.subarray(0, bytes.copy(room, 0, at, at + step))
    assert.equal(segment.take(some), undefined, 'nobody has to wait')
    const rest = bytes.subarray(at + some.length, at + step)
    assert.equal(segment.take(rest), undefined)
  }
  await segment.flush()
  assert.equal(reached, file.length)
  assert.ok(file.equals(bytes))
  assert.equal(buffers.taken.size, 1)
})

test('a write that fails at once ends the segment like one that fails later', async () => {
  const part = {
    write: () => {
      throw new FileFailure('no space', '/full')
    },
  } as unknown as PartFile
  const segment = new Segment(part, 0, undefined, new Buffers(), () => assert.fail('nothing was written'))
  const full = segment.room()!
  assert.throws(() => segment.take(full), FileFailure)
  assert.equal(segment.room(), undefined)
  assert.throws(() => segment.take(Buffer.from('more')), FileFailure)
  await assert.rejects(segment.flush(), FileFailure)
  await segment.close()
})

test('after a write that failed at once nothing of the same bytes is written behind it, or counted', async () => {
  const written: number[] = []
  const part = {
    write: (_bytes: Uint8Array, at: number) => {
      if (written.push(at) === 1) throw new FileFailure('input/output', '/ill')
    },
  } as unknown as PartFile
  const segment = new Segment(part, 0, undefined, new Buffers(), () => assert.fail('nothing was written'))
  assert.throws(() => segment.take(Buffer.alloc(3 * mebibyte)), FileFailure)
  await assert.rejects(segment.flush(), FileFailure)
  await segment.close()
  assert.deepEqual(written, [0])
})

test('the next piece of a file is laid with the memory of the one before, to its last bytes', async () => {
  const buffers = new Counted()
  // Another connection goes on meanwhile.
  buffers.enter()
  for (let piece = 0; piece < 8; piece++) {
    const from = piece * 3 * mebibyte
    const { segment } = segmentOver(buffers, from, from + 3 * mebibyte)
    await feed(segment, Buffer.alloc(3 * mebibyte, piece))
    await segment.flush()
    await segment.close()
  }
  assert.ok(buffers.taken.size <= 3, `${buffers.taken.size} buffers`)
})

test('one that began among many gets larger buffers when it is left alone', async () => {
  const buffers = new Counted()
  for (let other = 0; other < 255; other++) buffers.enter()
  const { segment } = segmentOver(buffers, 0, undefined)
  await feed(segment, Buffer.alloc(mebibyte))
  for (let other = 0; other < 255; other++) buffers.leave()
  await feed(segment, Buffer.alloc(4 * mebibyte))
  assert.deepEqual(
    [...buffers.taken].map(({ byteLength }) => byteLength),
    [64 * 1024, 64 * 1024, mebibyte, mebibyte],
  )
})

test('one that goes on behind its end goes on in large pieces', async () => {
  const buffers = new Counted()
  const { segment, written } = segmentOver(buffers, 0, 100)
  await feed(segment, Buffer.alloc(100))
  await segment.flush()
  await feed(segment, Buffer.alloc(3 * mebibyte))
  await segment.flush()
  assert.ok(written.length <= 6, `${written.length} writes`)
})

test('a small file alone takes no more than it needs', () => {
  const buffers = new Buffers()
  buffers.enter()
  assert.equal(buffers.take(16_385).byteLength, 16_385)
})
