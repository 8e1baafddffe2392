import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { parseArguments } from '../../src/cli/arguments.ts'
import type { Context } from '../../src/cli/command.ts'
import { add } from '../../src/cli/commands/add.ts'
import { optionsOf } from '../../src/cli/download-flags.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const options = (cwd: string, ...flags: readonly string[]): ReturnType<typeof optionsOf> => {
  const { input } = parseArguments(add, [...flags, 'http://h.example/x'])
  return optionsOf(input, { cwd, wallMs: () => 0 } as unknown as Context)
}

test('-o that ends in a dot names a folder, whether it is there or not', async () => {
  for (const [given, to] of [
    ['b/.', 'b/./'],
    ['..', '../'],
    ['b/..', 'b/../'],
    ['b.', 'b.'],
    ['b/...', 'b/...'],
  ] as const)
    assert.equal((await options('/', '-o', given)).to, to, given)
})

test('of a certificate without a key in its file it is said that the key is missing, and how to name it', async () => {
  const cwd = await temporaryFolder()
  const certificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'
  const key = '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n'
  writeFileSync(join(cwd, 'client.pem'), certificate)
  writeFileSync(join(cwd, 'both.pem'), certificate + key)
  await assert.rejects(options(cwd, '--cert', 'client.pem'), {
    code: 'INVALID_ARGUMENT',
    message: '--cert client.pem holds no private key: name the file of its key with --key FILE. Nothing was started.',
  })
  await options(cwd, '--cert', 'both.pem')
  await options(cwd, '--cert', 'client.pem', '--key', 'other.pem')
  // What cannot be read here is the daemon's to judge, when it is needed.
  await options(cwd, '--cert', 'missing.pem')
})
