/** The digests that can be expected of a file, announced for it, and computed. */

/** Bytes of each, the strongest first. */
export const digestBytes = { 'sha-512': 64, 'sha-384': 48, 'sha-256': 32, 'sha-1': 20, md5: 16, crc32: 4 } as const

export type DigestAlgorithm = keyof typeof digestBytes

/** The strongest first. */
export const digestAlgorithms: readonly DigestAlgorithm[] = Object.keys(digestBytes) as DigestAlgorithm[]

export interface ExpectedDigest {
  readonly algorithm: DigestAlgorithm
  /** Lower case. */
  readonly hex: string
}

/** 'sha-256:HEX', the one spelling that is kept and shown. Equal digests have equal texts. */
export function digestText({ algorithm, hex }: ExpectedDigest): string {
  return `${algorithm}:${hex}`
}

/** Of a text that {@link digestText} made. */
export function digestOfText(text: string): ExpectedDigest | undefined {
  const [name, hex, more] = text.split(':')
  const algorithm = digestAlgorithms.find((known) => known === name)
  return algorithm === undefined || hex === undefined || more !== undefined ? undefined : { algorithm, hex }
}

export function strongestDigest(digests: readonly ExpectedDigest[]): ExpectedDigest | undefined {
  for (const algorithm of digestAlgorithms) {
    const found = digests.find((digest) => digest.algorithm === algorithm)
    if (found !== undefined) return found
  }
  return undefined
}
