/** nginx on loopback or in a network namespace, http or TLS 1.3 by the tests' authority, each with a folder of its own. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { testAuthority, testCertificate } from '../test/support/certificates.ts'
import { answers, freePort } from '../test/support/ports.ts'
import { end } from './process-facts.ts'

/** Where it listens. */
export interface Place {
  /** @default 127.0.0.1 */
  readonly address?: string
  /** What a command there is started by. @default nothing */
  readonly prefix?: readonly string[]
}

export interface ServerOptions {
  /** Absolute; what it serves. */
  readonly root: string
  /** Its own; it is made. */
  readonly folder: string
  readonly kind: 'http' | 'tls'
  readonly place: Place
}

export interface Server extends AsyncDisposable {
  url(name: string): string
  /** PEM file of the authority that signed its certificate. */
  readonly authority: string
}

export async function serve({ root, folder, kind, place }: ServerOptions): Promise<Server> {
  const { address = '127.0.0.1', prefix = [] } = place
  mkdirSync(folder)
  const port = await freePort()
  const authority = join(folder, 'ca.pem')
  if (kind === 'tls') {
    const { key, cert } = testCertificate()
    writeFileSync(authority, testAuthority())
    writeFileSync(join(folder, 'key.pem'), key)
    writeFileSync(join(folder, 'cert.pem'), cert)
  }
  writeFileSync(join(folder, 'nginx.conf'), configuration({ root, kind, listen: `${address}:${port}` }))
  const argv = [...prefix, 'nginx', '-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr']
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] })
  await once(child, 'spawn')
  await listening(child, { address, port, prefix })
  return {
    url: (name) => `${kind === 'tls' ? 'https' : 'http'}://${address}:${port}/${name}`,
    authority,
    [Symbol.asyncDispose]: () => end(child.pid!, 'SIGTERM'),
  }
}

function configuration({ root, kind, listen }: { root: string; kind: 'http' | 'tls'; listen: string }): string {
  const tls = kind === 'tls' ? 'ssl_certificate cert.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.3;' : ''
  return `
daemon off; worker_processes 2; pid nginx.pid; error_log stderr error;
${process.getuid?.() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; server_tokens off;
  types { } default_type application/octet-stream;
  client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4; scgi_temp_path t5;
  server { listen ${listen}${kind === 'tls' ? ' ssl' : ''}; root ${root}; ${tls} }
}
`
}

interface Listening {
  readonly address: string
  readonly port: number
  readonly prefix: readonly string[]
}

async function listening(child: ChildProcess, { address, port, prefix }: Listening): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`)
    // From here another namespace cannot be asked; the first request will tell.
    if (prefix.length > 0 && tries > 10) return
    if (prefix.length === 0 && (await answers(port, address))) return
    await pause(50)
  }
  throw new Error(`nginx does not listen on ${address}:${port}`)
}
