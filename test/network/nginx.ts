/** nginx as Debian has it, on a port of its own, in front of one folder. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { answers, freePort } from '../support/ports.ts'

export interface Nginx extends AsyncDisposable {
  readonly url: string
  readonly authority: string
  /** Served under `url`. */
  readonly folder: string
}

/** `rules` go into the server's block, which speaks TLS with both protocols. */
export async function nginx(rules = ''): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), 'longhaul-nginx-'))
  const { cert, key } = testCertificate()
  await writeFile(join(folder, 'server.pem'), cert + key)
  const port = await freePort()
  await writeFile(
    join(folder, 'nginx.conf'),
    `daemon off; worker_processes 1; pid nginx.pid; error_log stderr;
     events {}
     http {
       access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp;
       scgi_temp_path tmp;
       server {
         listen 127.0.0.1:${port} ssl http2; ssl_certificate server.pem; ssl_certificate_key server.pem;
         root ${folder};
         ${rules}
       }
     }`,
  )
  const args = [
    '-p',
    folder,
    '-c',
    'nginx.conf',
    '-e',
    'stderr',
    ...(process.getuid?.() === 0 ? ['-g', 'user root;'] : []),
  ]
  const child = spawn('nginx', args, {
    env: { ...process.env, PATH: `${process.env['PATH'] ?? ''}:/usr/sbin` },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', (text: Buffer) => {
    said += text.toString()
  })
  const ended = once(child, 'exit')
  let exited = false
  void ended.then(() => {
    exited = true
  })
  while (!(await answers(port))) if (exited) throw new Error(`nginx did not start: ${said}`)
  return {
    url: `https://localhost:${port}/`,
    authority: testAuthority(),
    folder,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM')
      await ended
      await rm(folder, { recursive: true, force: true })
    },
  }
}
