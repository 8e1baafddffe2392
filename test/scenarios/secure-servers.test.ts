/** Servers that are particular about TLS and HTTP, met by an app through its daemon. */
import assert from 'node:assert/strict'
import { createHash, randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { createSecureServer, type ServerHttp2Session } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { DownloadOptions } from 'longhaul'
import { demandingServer } from '../network/openssl-server.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { Stage } from '../support/stage.ts'

const skip = needs('openssl')
const stage = await Stage.open()
after(() => stage[Symbol.asyncDispose]())
const app = await stage.start({ identifier: 'com.example.secure' })

interface Ended {
  readonly path?: string
  readonly code?: string
  readonly message?: string
  readonly protocols: readonly string[]
  readonly attempts: number
}

async function ended(url: string, options: DownloadOptions<undefined>): Promise<Ended> {
  return app.run(
    async ({ session }, address, given): Promise<Ended> => {
      const task = await session.download(address, given)
      const attempts = async (): Promise<number> => (await task.explain()).attempts.length
      try {
        const { path, metrics } = await task.finished()
        return { path, protocols: metrics.transactions.map(({ protocol }) => protocol), attempts: await attempts() }
      } catch (error) {
        const { code, message } = error as { readonly code: string; readonly message: string }
        return { code, message, protocols: [], attempts: await attempts() }
      }
    },
    url,
    options,
  )
}

test(
  'a file that is served by HTTP/2 alone arrives over it, goes on from where a stream was reset, and says so',
  { skip },
  async () => {
    const body = randomBytes(3_000_000)
    let broken = 0
    const server = createSecureServer(testCertificate(), (request, response) => {
      const from = Number(/^bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0)
      const until = broken === 0 ? 1_000_000 : body.length
      response.writeHead(from > 0 ? 206 : 200, {
        'content-length': body.length - from,
        etag: '"v1"',
        'accept-ranges': 'bytes',
        ...(from > 0 && { 'content-range': `bytes ${from}-${body.length - 1}/${body.length}` }),
      })
      if (until === body.length) {
        response.end(body.subarray(from))
        return
      }
      broken++
      response.write(body.subarray(from, until), () => response.stream.close(0))
    })
    const sessions = new Set<ServerHttp2Session>()
    server.on('session', (session) => sessions.add(session.on('error', () => {})))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}/file`
    const got = await ended(url, {
      to: join(stage.files, 'by-h2'),
      tls: { ca: [testAuthority()] },
      retry: { initialDelay: '10ms' },
    })
    assert.equal(got.code, undefined, got.message)
    assert.deepEqual([got.attempts, broken], [2, 1])
    assert.ok(got.protocols.length > 1 && got.protocols.every((protocol) => protocol === 'h2'), got.protocols.join())
    assert.equal(
      createHash('sha256')
        .update(await readFile(got.path!))
        .digest('hex'),
      createHash('sha256').update(body).digest('hex'),
    )
    for (const session of sessions) session.destroy()
    server.close()
  },
)

test('a client certificate is read by the daemon, and its key is in no file of the daemon', { skip }, async () => {
  await using server = await demandingServer('TLSv1.3')
  const { cert, key } = testCertificate()
  const name = join(stage.files, 'client.pem')
  await writeFile(name, cert + key, { mode: 0o600 })
  const tls = { ca: [server.authority], clientCertificate: { from: 'file', name } } as const
  const got = await ended(server.url, { to: join(stage.files, 'by-name'), tls })
  assert.equal(got.code, undefined, got.message)
  const without = await ended(server.url, { to: join(stage.files, 'nameless'), tls: { ca: [server.authority] } })
  assert.deepEqual([without.code, without.attempts], ['CLIENT_CERTIFICATE_REQUIRED', 1])

  const marked = key.split('\n')[1]!
  let files = 0
  for (const entry of await readdir(stage.home, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue
    files++
    assert.ok(!(await readFile(join(entry.parentPath, entry.name))).includes(marked), entry.name)
  }
  assert.ok(files > 2)
})

test('a server without a pinned key fails once, with its pins in the message', { skip }, async () => {
  await using server = await CertifiedServer.start({ certificate: 'good' })
  const url = server.file('/a', { size: 1000 })
  const pin = pinOf(testCertificate().cert)
  const ca = [server.authority]
  const wrong = await ended(url, {
    to: join(stage.files, 'wrong'),
    tls: { ca, pins: [`sha256/${'A'.repeat(43)}=`] },
  })
  assert.deepEqual([wrong.code, wrong.attempts], ['SERVER_CERTIFICATE_UNTRUSTED', 1])
  assert.ok(wrong.message?.includes(pin), wrong.message)
  const right = await ended(url, { to: join(stage.files, 'right'), tls: { ca, pins: [pin] } })
  assert.equal(right.code, undefined, right.message)
})

test(
  'get --cert, --key and --pin do the same from the command line, with paths of its own folder',
  { skip },
  async () => {
    await using server = await demandingServer('TLSv1.3')
    const { cert, key } = testCertificate()
    for (const [name, text] of [
      ['ca.pem', server.authority],
      ['mine.pem', cert],
      ['mine.key', key],
    ] as const)
      await writeFile(join(stage.files, name), text, { mode: 0o600 })
    const get = ['get', server.url, '--ca', 'ca.pem', '--cert', 'mine.pem', '--key', 'mine.key', '-o', 'by-get']
    const got = await stage.longhaul(
      ...get,
      '--pinnedpubkey',
      `sha256//${pinOf(testAuthority()).slice('sha256/'.length)}`,
    )
    assert.equal(got.code, 0, got.stderr)
    const refused = await stage.longhaul(...get.slice(0, -1), 'other', '--pin', `sha256/${'A'.repeat(43)}=`)
    assert.equal(refused.code, 5)
    assert.match(refused.stderr, /tls\.pins/)
  },
)

function pinOf(certificate: string): string {
  const spki = new X509Certificate(certificate).publicKey.export({ type: 'spki', format: 'der' })
  return `sha256/${createHash('sha256').update(spki).digest('base64')}`
}
