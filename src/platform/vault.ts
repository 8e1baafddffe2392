/**
 * Secrets on this machine: sealed with AES-256-GCM under a key in a file of mode 0600, which holds off other users and whoever
 * finds a copy of the journal alone, not one who has the whole disk. May touch: node:fs, for the key and for what references
 * lead to.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import type { CredentialReference } from '../contract/credential.ts'
import { LonghaulError } from '../contract/errors.ts'
import type { Vault } from '../world/vault.ts'
import { canPass } from './can-pass.ts'
import { type KeyFile, readKey, readOrMakeKey } from './key-file.ts'

const nonceBytes = 12
const tagBytes = 16
/** The first character of what is sealed: how it was done. */
const version = '1'
const secretLimit = 64 * 1024

/** @param environment in which `env` references are looked up */
export function createVault(keyPath: string, environment: Readonly<Record<string, string | undefined>>): Vault {
  const file: KeyFile = {
    path: keyPath,
    what: 'The key file',
    code: 'NO_PERMISSIONS_TO_READ_FILE',
    hint: `If it is yours, chmod 600 ${keyPath}. If it is damaged, remove it and set the credentials again.`,
  }
  let key: Uint8Array | undefined
  return {
    seal: async (text, place) => {
      key ??= await readOrMakeKey(file)
      const nonce = randomBytes(nonceBytes)
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(Buffer.from(place))
      const body = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()])
      return version + Buffer.concat([nonce, body, cipher.getAuthTag()]).toString('base64url')
    },
    open: async (sealed, place) => {
      key ??= await readKey(file)
      if (key === undefined) throw notOpened(`the key file ${keyPath} is gone`)
      const bytes = Buffer.from(sealed.slice(1), 'base64url')
      if (!sealed.startsWith(version) || bytes.length < nonceBytes + tagBytes)
        throw notOpened('it is not of a form that this version knows')
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes))
          .setAAD(Buffer.from(place))
          .setAuthTag(bytes.subarray(-tagBytes))
        const text = decipher.update(bytes.subarray(nonceBytes, -tagBytes))
        return Buffer.concat([text, decipher.final()]).toString('utf8')
      } catch (cause) {
        throw notOpened(`the key file ${keyPath} is another one, or the stored text was changed`, cause)
      }
    },
    read: async (reference) => {
      const secret = reference.from === 'env' ? environment[reference.name] : await contentOf(reference.name)
      if (secret === undefined)
        throw unreadable(
          reference,
          "is not in the daemon's environment",
          'The daemon takes it from daemon.env of the client that starts it.',
        )
      return secret.replace(/\r?\n$/, '')
    },
  }
}

async function contentOf(path: string): Promise<string> {
  const place = { from: 'file', name: path } as const
  let file
  try {
    // Not blocking: a named pipe in this place must not hold us up.
    file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : String(cause)
    throw unreadable(place, `cannot be read (${code})`, 'Put it back, or set the credential anew.', canPass(cause))
  }
  try {
    const { mode, uid, size } = await file.stat()
    if ((mode & constants.S_IFMT) !== constants.S_IFREG || size > secretLimit)
      throw unreadable(
        place,
        `is not a file of at most ${secretLimit / 1024} KiB`,
        'Name a file that holds the secret alone.',
      )
    // As for keys of TLS: what root made for us may be open to the group it was made for.
    const others = uid === 0 && process.getuid?.() !== 0 ? 0o037 : 0o077
    if (process.platform !== 'win32' && (mode & others) !== 0)
      throw unreadable(place, 'is not used, because others may read or change it', `chmod 600 ${path}`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

function notOpened(why: string, cause?: unknown): LonghaulError {
  return new LonghaulError('USER_AUTHENTICATION_REQUIRED', `What is stored sealed cannot be opened: ${why}.`, {
    cause,
    hint: 'Call setCredential again; it is sealed anew then.',
  })
}

function unreadable(
  { from, name }: CredentialReference,
  why: string,
  hint: string,
  retryable: boolean = false,
): LonghaulError {
  const what = from === 'env' ? `The variable ${name}` : `The file ${name}`
  return new LonghaulError('USER_AUTHENTICATION_REQUIRED', `${what} of the credential ${why}.`, {
    hint,
    retryable,
  })
}
