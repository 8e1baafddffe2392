import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Claim, Pieces } from '../../src/transfer/download/pieces.ts'

const mebibyte = 1024 * 1024

test('pieces are handed out in file order', () => {
  const pieces = new Pieces([], 100 * mebibyte, 4)
  const claims = [pieces.next(0), pieces.next(0), pieces.next(0)]
  const size = Math.ceil((100 * mebibyte) / 8)
  assert.deepEqual(
    claims.map((claim) => [claim?.from, claim?.to]),
    [
      [0, size],
      [size, 2 * size],
      [2 * size, 3 * size],
    ],
  )
})

test('a piece is never larger than 32 MiB nor smaller than 4', () => {
  assert.equal(new Pieces([], 2 ** 31, 4).next(0)?.to, 32 * mebibyte)
  assert.equal(new Pieces([], 10 * mebibyte, 4).next(0)?.to, 4 * mebibyte)
})

test('who is given the whole file keeps the piece that it is at when another joins', () => {
  const pieces = new Pieces([], 64 * mebibyte, 4)
  const first = pieces.claimAll(0, 0)
  assert.equal(first.to, 64 * mebibyte)
  pieces.took(first, mebibyte, 1)
  const second = pieces.next(1)
  assert.equal(first.to, 9 * mebibyte)
  assert.deepEqual([second?.from, second?.to], [9 * mebibyte, 17 * mebibyte])
})

test('the rest of one that is to end is free at once, and what another fetches by then is not freed again when it has ended', () => {
  const pieces = new Pieces([], 16 * mebibyte, 2)
  const [one, other] = [pieces.next(0)!, pieces.next(0)!]
  pieces.took(one, mebibyte, 1)
  pieces.relieve(one)
  assert.ok(pieces.isRelieved(one))
  const rest = pieces.next(2)!
  assert.deepEqual([rest.from, rest.to], [mebibyte, 4 * mebibyte])
  const free = pieces.free
  pieces.release(one)
  pieces.relieve(one)
  assert.equal(pieces.free, free)
  assert.equal(other.from, 4 * mebibyte)
})

test('a claim goes on into what nobody has claimed, and not into what is there or another fetches', () => {
  const pieces = new Pieces([[40 * mebibyte, 64 * mebibyte]], 64 * mebibyte, 4)
  const first = pieces.claimAll(0, 0)
  assert.equal(first.to, 40 * mebibyte)
  const second = pieces.next(0)
  assert.equal(pieces.extend(first), false)
  pieces.release(second!)
  assert.equal(pieces.extend(first), true)
  assert.equal(first.to, 16 * mebibyte)
})

test('where no piece is left, half of what would take longest is taken over', () => {
  const pieces = new Pieces([], 16 * mebibyte, 2)
  const fast = pieces.next(0)!
  const slow = pieces.next(0)!
  for (let claim = pieces.next(0); claim !== undefined && claim.from >= 8 * mebibyte; claim = pieces.next(0)) {
    pieces.took(claim, claim.to - claim.position, 1)
    pieces.release(claim)
    if (pieces.free === 0) break
  }
  pieces.took(fast, 3 * mebibyte, 1)
  pieces.took(slow, 1, 1)
  const rest = pieces.next(1000)!
  assert.equal(rest.to, 8 * mebibyte)
  assert.equal(slow.to, rest.from)
})

/** Two halves of 8 MiB: the first has come in a second, the second only in part. */
function lastOfTwo(got: number): { readonly pieces: Pieces; readonly slow: Claim } {
  const pieces = new Pieces([], 8 * mebibyte, 1)
  const [fast, slow] = [pieces.next(0)!, pieces.next(0)!]
  pieces.took(fast, 4 * mebibyte, 1000)
  pieces.took(slow, got, 1000)
  pieces.release(fast)
  return { pieces, slow }
}

test('a small rest is left to who has it, unless that one lags far behind: then it is halved as long as it would take seconds', () => {
  const { pieces, slow } = lastOfTwo(3 * mebibyte)
  assert.equal(pieces.offers(1000), false, 'it comes as fast as the rest did')
  pieces.took(slow, 1, 60_000)
  for (let left = slow.to - slow.position; pieces.offers(60_000); left = slow.to - slow.position) {
    const { from, to } = pieces.next(60_000)!
    assert.equal(to - from, Math.floor(left / 2))
    assert.equal(slow.to, from)
  }
  assert.equal(slow.to - slow.position, mebibyte / 8)
  assert.equal(pieces.isRelieved(slow), false)
})

test('who has been silent for three seconds lags, whatever it brought before, and the last of it is taken over whole', () => {
  const { pieces, slow } = lastOfTwo(4 * mebibyte - 1000)
  assert.equal(pieces.offers(3999), false)
  assert.equal(pieces.next(4000)?.from, 8 * mebibyte - 1000)
  assert.equal(pieces.isRelieved(slow), true)
  assert.equal(pieces.extend(slow), false)
  assert.equal(pieces.offers(4000), false)
})

test('what was taken over from a silent one is taken over again only after twice the time', () => {
  const { pieces } = lastOfTwo(4 * mebibyte - 1000)
  const taken: number[] = []
  for (let nowMs = 1000; nowMs < 60_000; nowMs += 100) if (pieces.next(nowMs) !== undefined) taken.push(nowMs)
  assert.deepEqual(taken, [4000, 10_000, 22_000, 46_000])
})

test('who is kept waiting by us does not lag, and is judged anew when it may go on', () => {
  const { pieces, slow } = lastOfTwo(4 * mebibyte - 1000)
  pieces.waits(slow, true, 2000)
  assert.equal(pieces.offers(60_000), false)
  pieces.waits(slow, false, 60_000)
  assert.equal(pieces.offers(62_999), false)
  assert.equal(pieces.offers(63_000), true)
})

test('where all are slow, none lags', () => {
  const pieces = new Pieces([], 8 * mebibyte, 1)
  const [one, other] = [pieces.next(0)!, pieces.next(0)!]
  pieces.took(one, 4 * mebibyte, 100_000)
  pieces.took(other, 3 * mebibyte, 100_000)
  pieces.release(one)
  assert.equal(pieces.offers(100_001), false)
})

test('no byte is claimed twice and none is forgotten, whoever breaks off when', () => {
  const steps = fc.array(
    fc.record({
      what: fc.constantFrom('next', 'take', 'release', 'extend'),
      which: fc.nat(),
      bytes: fc.nat(9_000_000),
    }),
    { maxLength: 80 },
  )
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 60_000_000 }), fc.integer({ min: 1, max: 8 }), (plan, total, most) => {
      const had: [number, number][] = total > 5000 ? [[1000, 2000]] : []
      const pieces = new Pieces(had, total, most)
      const open: Claim[] = [pieces.claimAll(0, 0)]
      const taken: (readonly [number, number])[] = [...had]
      const end = (claim: Claim): void => {
        if (claim.position > claim.from) taken.push([claim.from, claim.position])
        pieces.release(claim)
        open.splice(open.indexOf(claim), 1)
      }
      let now = 0
      for (const { what, which, bytes } of plan) {
        now += 7
        const claim = open[which % Math.max(1, open.length)]
        if (what === 'next') {
          const made = pieces.next(now)
          if (made !== undefined) open.push(made)
        } else if (claim === undefined) continue
        else if (what === 'take') pieces.took(claim, Math.min(bytes, claim.to - claim.position), 0)
        else if (what === 'release') end(claim)
        else pieces.extend(claim)
        const all = [...taken, ...open.map(({ from, to }) => [from, to] as const)].toSorted((a, b) => a[0] - b[0])
        for (let i = 1; i < all.length; i++) assert.ok(all[i - 1]![1] <= all[i]![0], 'two claims overlap')
        const claimed = all.reduce((sum, [from, to]) => sum + to - from, 0)
        assert.equal(claimed + pieces.free, total)
      }
      for (let claim = open[0] ?? pieces.next(now); claim !== undefined; claim = open[0] ?? pieces.next(now)) {
        if (!open.includes(claim)) open.push(claim)
        pieces.took(claim, claim.to - claim.position, 0)
        end(claim)
      }
      assert.equal(pieces.complete, true)
    }),
    { numRuns: 300 },
  )
})
