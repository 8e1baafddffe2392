// The bytes that simulated servers serve. Every version of every address has bytes of its own at every position, so that a
// mixture of two versions, a shift, a hole or a repetition is seen by comparing with the whole ones.
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { DigestAlgorithm } from '../../src/contract/digests.ts'
import { Seeded } from './seeded.ts'

/** Equal arguments, equal bytes. Versions of one address and one size always differ, even where it is one byte. */
export function contentOf(url: string, version: number, size: number): Uint8Array {
  const random = new Seeded(`${url} ${version}`)
  const words = new Uint32Array(Math.ceil(size / 4))
  for (let i = 0; i < words.length; i++) words[i] = random.fraction() * 2 ** 32
  const bytes = new Uint8Array(words.buffer, 0, size)
  if (size > 0) bytes[0] = (new Seeded(url).int(0, 255) + version) % 256
  return bytes
}

/** Lower-case hex. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha-256'): string {
  if (algorithm === 'crc32') return crc32(bytes).toString(16).padStart(8, '0')
  return createHash(algorithm.replace('-', '')).update(bytes).digest('hex')
}

/** Says in words which of the whole ones this is, or of which parts of them it was mixed. @param names by default their versions */
export function describeContent(
  bytes: Uint8Array,
  wholes: readonly Uint8Array[],
  names: readonly string[] = wholes.map((_, version) => `version ${version}`),
): string {
  const same = wholes.findIndex((whole) => Buffer.compare(whole, bytes) === 0)
  if (same >= 0) return `the whole of ${names[same]}`
  const parts: { readonly what: string; readonly from: number }[] = []
  for (let at = 0; at < bytes.length;) {
    const runs = wholes.map((whole) => runLength(bytes, whole, at))
    const longest = Math.max(0, ...runs)
    const what = longest === 0 ? 'no version' : names[runs.indexOf(longest)]!
    if (parts.at(-1)?.what !== what) parts.push({ what, from: at })
    at += Math.max(1, longest)
  }
  const told = parts
    .slice(0, 8)
    .map(({ what, from }, i) => `${from}-${(parts[i + 1]?.from ?? bytes.length) - 1} of ${what}`)
  const more = parts.length > told.length ? `, and ${parts.length - told.length} stretches more` : ''
  return `${bytes.length} bytes: ${told.join(', ') || 'empty'}${more}; whole ones have ${wholes.map((w) => w.length).join(', ')}`
}

/** How many bytes from there on are equal. */
function runLength(bytes: Uint8Array, whole: Uint8Array, from: number): number {
  let at = from
  while (at < bytes.length && at < whole.length && bytes[at] === whole[at]) at++
  return at - from
}
