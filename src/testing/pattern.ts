/**
 * Pseudo-random bytes of any length that are made where they are needed: no file, no memory, and any range of them at
 * once. Every block of 4 KiB carries its number, so bytes in a wrong place change the digest.
 */
import { createHash } from 'node:crypto'

const blockBytes = 4096

export interface Pattern {
  /** The bytes from `from`, as many as there are up to `size` of them. */
  bytes(from: number, size: number): Buffer
  /** Lower-case hex SHA-256 of the first `size` bytes. */
  digest(size: number): string
}

export function createPattern(seed: string): Pattern {
  const base = Buffer.concat(
    Array.from({ length: blockBytes / 32 }, (_, i) => createHash('sha256').update(`${seed} ${i}`).digest()),
  )
  const block = (number: number, into: Buffer, at: number): void => {
    base.copy(into, at)
    into.writeDoubleLE(number + 1, at + 1024 * (number % 4))
  }
  const bytes = (from: number, size: number): Buffer => {
    const first = Math.floor(from / blockBytes)
    const last = Math.ceil((from + size) / blockBytes)
    const whole = Buffer.allocUnsafe((last - first) * blockBytes)
    for (let number = first; number < last; number++) block(number, whole, (number - first) * blockBytes)
    return whole.subarray(from - first * blockBytes, from - first * blockBytes + size)
  }
  const digests = new Map<number, string>()
  return {
    bytes,
    digest(size) {
      let digest = digests.get(size)
      if (digest === undefined) {
        const hash = createHash('sha256')
        for (let at = 0; at < size; at += 1 << 20) hash.update(bytes(at, Math.min(1 << 20, size - at)))
        digest = hash.digest('hex')
        digests.set(size, digest)
      }
      return digest
    },
  }
}
