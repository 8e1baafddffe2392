/** The bytes that an answer is made of, as they are or coded, and their digests. */
import { createHash } from 'node:crypto'
import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import type { Coding, DigestFields } from './behaviour.ts'

export interface Representation {
  readonly size: number
  bytes(from: number, size: number): Uint8Array
}

export function fixed(content: string | Uint8Array): Representation {
  const all = Buffer.from(content)
  return { size: all.length, bytes: (from, size) => all.subarray(from, from + size) }
}

export function coded(whole: Representation, coding?: Coding): Representation {
  return coding === undefined ? whole : fixed(encode[coding](whole.bytes(0, whole.size)))
}

export function partOf(whole: Representation, from: number, to: number): Representation {
  return { size: to - from, bytes: (at, count) => whole.bytes(from + at, count) }
}

const encode: Readonly<Record<Coding, (bytes: Uint8Array) => Uint8Array>> = {
  gzip: gzipSync,
  deflate: deflateSync,
  br: brotliCompressSync,
}

/** Value of the field (RFC 9530): `sha-256=:…:`. */
export function digestField(of: Representation, { algorithm, wrong }: DigestFields): string {
  const hash = createHash(algorithm === 'sha' ? 'sha1' : algorithm.replace('-', ''))
  const step = 1 << 20
  for (let at = 0; at < of.size; at += step) hash.update(of.bytes(at, Math.min(step, of.size - at)))
  if (wrong === true) hash.update('and more')
  return `${algorithm}=:${hash.digest('base64')}:`
}
