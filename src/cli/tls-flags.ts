/**
 * The flags of TLS, and what they mean as options of a task. May touch: the files of `--ca`, and that of `--cert`, to see whether it
 * has a key; else the files are the daemon's.
 */
import { readFile, stat } from 'node:fs/promises'
import { LonghaulError } from '../contract/errors.ts'
import type { ClientCertificate } from '../contract/secret-reference.ts'
import type { TlsOptions } from '../contract/session.ts'
import type { Context, Flag, Input } from './command.ts'
import { absolutePath } from './current-folder.ts'

type CurrentFolder = Pick<Context, 'cwd'>

export const tlsFlags: readonly Flag[] = [
  { name: 'ca', value: 'FILE', many: true, help: 'a PEM file of authorities to trust beside those of the system' },
  { name: 'cert', value: 'FILE', help: 'a PEM file with the client certificate, and its key if --key is not given' },
  { name: 'key', value: 'FILE', help: 'a PEM file with the key of --cert; nobody else may be allowed to read it' },
  { name: 'key-passphrase', value: 'FILE', help: 'a file whose first line opens an encrypted key' },
  {
    name: 'pin',
    value: 'sha256/BASE64',
    many: true,
    help: 'the SHA-256 of a public key that the chain of the server must have',
  },
]

/** @throws INVALID_ARGUMENT; FILE_DOES_NOT_EXIST for a `--ca` that cannot be read */
export async function tlsOf(input: Input, folder: CurrentFolder): Promise<TlsOptions | undefined> {
  const ca = await Promise.all(input.values('ca').map((file) => authorityOf(file, folder)))
  const clientCertificate = certificateOf(input, folder)
  await refuseWithoutKey(input, folder)
  // curl takes several in one word.
  const pins = input.values('pin').flatMap((pin) => pin.split(';'))
  if (ca.length === 0 && clientCertificate === undefined && pins.length === 0) return undefined
  return {
    ...(ca.length > 0 && { ca }),
    ...(clientCertificate !== undefined && { clientCertificate }),
    ...(pins.length > 0 && { pins }),
  }
}

function certificateOf(input: Input, folder: CurrentFolder): ClientCertificate | undefined {
  const reference = (flag: string): ClientCertificate | undefined => {
    const file = input.value(flag)
    return file === undefined ? undefined : { from: 'file', name: absolutePath(file, folder) }
  }
  const [certificate, key, passphrase] = ['cert', 'key', 'key-passphrase'].map(reference)
  if (certificate !== undefined)
    return { ...certificate, ...(key !== undefined && { key }), ...(passphrase !== undefined && { passphrase }) }
  if (key === undefined && passphrase === undefined) return undefined
  throw new LonghaulError(
    'INVALID_ARGUMENT',
    `--${key === undefined ? 'key-passphrase' : 'key'} belongs to a certificate: name that with --cert FILE. Nothing was started.`,
  )
}

/** Else it would be found out by the daemon, which knows nothing of flags. What cannot be read here is its affair. */
async function refuseWithoutKey(input: Input, folder: CurrentFolder): Promise<void> {
  const file = input.value('cert')
  if (file === undefined || input.has('key')) return
  const path = absolutePath(file, folder)
  // A named pipe in this place must not hold us up.
  const isFile = await stat(path).then(
    (found) => found.isFile(),
    () => false,
  )
  const text = isFile ? await readFile(path, 'utf8').catch(() => undefined) : undefined
  if (text?.includes('-----BEGIN CERTIFICATE-----') !== true || text.includes('PRIVATE KEY-----')) return
  throw new LonghaulError(
    'INVALID_ARGUMENT',
    `--cert ${file} holds no private key: name the file of its key with --key FILE. Nothing was started.`,
  )
}

async function authorityOf(file: string, folder: CurrentFolder): Promise<string> {
  const path = absolutePath(file, folder)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LonghaulError('FILE_DOES_NOT_EXIST', `--ca ${file} cannot be read: ${why}. Nothing was started.`, {
      cause,
    })
  }
  if (text.includes('-----BEGIN CERTIFICATE-----')) return text
  throw new LonghaulError(
    'INVALID_ARGUMENT',
    `--ca ${file} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----). Nothing was started.`,
  )
}
