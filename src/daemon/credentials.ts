/** What `session.setCredential` may be asked with. Nothing here shows what it refuses: it may be the secret. */
import { z } from 'zod'
import type { Credential, CredentialReference } from '../contract/credential.ts'
import { folder, text } from './fields.ts'

/** RFC 7617 §2 allows no control characters, and no header carries a line break. */
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const controls = /[\x00-\x1f\x7f]/
const words: z.ZodType<string> = text(64 * 1024).refine((value) => !controls.test(value), 'holds control characters')
const token: z.ZodType<string> = text(64 * 1024).refine(
  (value) => /^[\x21-\x7e]+$/.test(value),
  'holds what a header cannot carry',
)

const reference: z.ZodType<CredentialReference> = z.union([
  z.object({ from: z.literal('file'), name: folder }),
  z.object({
    from: z.literal('env', "must be 'file' or 'env': other places for secrets are not in this version"),
    name: text(1024).refine((name) => name !== '' && !name.includes('='), 'is not the name of a variable'),
  }),
])

export const credential: z.ZodType<Credential> = z.union([
  z.object({ user: words, password: z.union([words, reference]) }),
  z.object({ bearer: z.union([token, reference]) }),
])

/** Scheme, host and port as `URL.origin` writes them. */
export const origin: z.ZodType<string> = text(4096).refine((value) => {
  const parsed = URL.parse(value)
  return parsed !== null && /^https?:$/.test(parsed.protocol) && parsed.origin === value
}, 'is not an origin such as https://example.com')
