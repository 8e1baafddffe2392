// What servers say of their bytes by digests (RFC 9530). Which fields, algorithms and company, the length of the content
// chooses: so it is the same for all answers of one version, and takes nothing from the chances of a plan.
import { createHash } from 'node:crypto'
import type { ServerNature } from './server-plan.ts'

type Fields = readonly (readonly [string, string])[]

/** @param body of the answer: the whole, or a range of it */
export function digestFields(nature: ServerNature, whole: Uint8Array, body: Uint8Array): Fields {
  if (!nature.digestHeader) return []
  switch (whole.length % 4) {
    case 0:
      return [['repr-digest', said('sha-256', whole)]]
    case 1:
      // A weaker digest of other bytes beside the strong one is nobody's business.
      return [['repr-digest', `${said('md5', new Uint8Array(1))}, ${said('sha-512', whole)};by=us, new=?1`]]
    case 2:
      return [
        ['repr-digest', said('sha-256', whole)],
        ['content-digest', said('sha-512', body)],
      ]
    default:
      return [
        ['repr-digest', `${said('sha-256', new Uint8Array(1))},`],
        ['content-digest', said('md5', body)],
      ]
  }
}

export function isDigestField(name: string): boolean {
  return name === 'repr-digest' || name === 'content-digest'
}

/** A strong one, of bytes that nobody has. */
export function falseDigest(field: 'repr-digest' | 'content-digest'): Fields[number] {
  return [field, said('sha-256', Buffer.from('what no server has'))]
}

function said(algorithm: 'sha-512' | 'sha-256' | 'md5', bytes: Uint8Array): string {
  return `${algorithm}=:${createHash(algorithm.replace('-', '')).update(bytes).digest('base64')}:`
}
