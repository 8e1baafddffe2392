/**
 * `openssl s_server`: a TLS server that is not Node's. Node's own server takes every client certificate and then closes the
 * connection; what refuses one by the alerts that the standards name is OpenSSL's.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { testAuthority, testCertificate } from '../support/certificates.ts'

export interface OpensslServer extends AsyncDisposable {
  /** Answers a page of its own to every GET, without a length. */
  readonly url: string
  /** PEM: what a client has to trust. */
  readonly authority: string
}

/** A server that demands a client certificate by the test authority. With `alpn`, one that speaks nothing else. */
export async function demandingServer(version: 'TLSv1.2' | 'TLSv1.3', alpn?: string): Promise<OpensslServer> {
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-s-server-'))
  const { cert, key } = testCertificate()
  await writeFile(join(folder, 'server.pem'), cert + key, { mode: 0o600 })
  await writeFile(join(folder, 'ca.pem'), testAuthority())
  const demand = [
    '-Verify',
    '2',
    '-verify_return_error',
    '-CAfile',
    'ca.pem',
    ...(alpn === undefined ? [] : ['-alpn', alpn]),
  ]
  const options = ['-accept', '127.0.0.1:0', '-cert', 'server.pem', '-www', version.replace('TLSv1.', '-tls1_')]
  const child = spawn('openssl', ['s_server', ...options, ...demand], {
    cwd: folder,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  const ended = once(child, 'exit')
  let url = ''
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^ACCEPT .*:(\d+)$/.exec(line)?.[1]
    if (port === undefined) continue
    url = `https://127.0.0.1:${port}/`
    break
  }
  child.stdout.resume()
  return {
    url,
    authority: testAuthority(),
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}
