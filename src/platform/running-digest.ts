/** One digest that bytes are added to. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import type { DigestAlgorithm } from '../contract/digests.ts'

export interface RunningDigest {
  update(bytes: Uint8Array): void
  /** Once only. */
  hex(): string
}

const names = { 'sha-512': 'sha512', 'sha-384': 'sha384', 'sha-256': 'sha256', 'sha-1': 'sha1', md5: 'md5' } as const

export function runningDigest(algorithm: DigestAlgorithm): RunningDigest {
  if (algorithm === 'crc32') {
    let value = 0
    return {
      update: (bytes) => {
        value = crc32(bytes, value)
      },
      hex: () => value.toString(16).padStart(8, '0'),
    }
  }
  const hash = createHash(names[algorithm])
  return { update: (bytes) => void hash.update(bytes), hex: () => hash.digest('hex') }
}
