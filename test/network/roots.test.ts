/** Authorities that are trusted without being named. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { certificatesIn, missingFrom } from '../../src/network/roots.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const skip = needs('openssl')
const transport = new URL('../../src/network/transport.ts', import.meta.url).href

/** What a process with these variables says of a server's certificate. */
async function trusts(url: string, env: Readonly<Record<string, string>>): Promise<string> {
  const program = `
    import { createTransport } from ${JSON.stringify(transport)}
    const request = { url: ${JSON.stringify(url)}, method: 'GET', headers: [] }
    const asked = createTransport().open(request, new AbortController().signal)
    process.stdout.write(await asked.then(({ head }) => String(head.status), (error) => error.reason))
    process.exit()`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [said] = await Promise.all([text(child.stdout), once(child, 'exit')])
  return said
}

test('an authority in SSL_CERT_FILE is trusted, beside those of Node and of the request', { skip }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'good' })
  const folder = await temporaryFolder()
  const bundle = join(folder, 'roots.pem')
  await writeFile(bundle, testAuthority())
  const url = server.file('/a', { size: 1 })
  assert.equal(await trusts(url, {}), 'certificate has unknown root')
  assert.equal(await trusts(url, { SSL_CERT_FILE: bundle }), '200')
})

test('certificates are found in a bundle with comments, and each counts once', { skip }, () => {
  const [one, two] = [testAuthority().trim(), testCertificate().cert.trim()]
  const bundle = `# one\n${one}\n\n# two\r\n${two.replaceAll('\n', '\r\n')}\n${one}\n`
  const found = certificatesIn(bundle)
  assert.equal(found.length, 3)
  assert.deepEqual(missingFrom([], found).length, 2)
  assert.deepEqual(missingFrom([`${one}\n`], found).length, 1)
  assert.deepEqual(missingFrom([one, two], found), [])
  assert.deepEqual(certificatesIn('no certificate'), [])
})
