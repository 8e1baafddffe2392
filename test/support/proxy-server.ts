/**
 * A proxy on raw sockets that keeps a record of all that it was told: an honest one for HTTP and CONNECT or for SOCKS5, or
 * one that says what a test wants. Every name that it is asked for is this machine.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'
import type { KeyAndCertificate } from './certificates.ts'

export interface ProxyServerOptions {
  readonly kind?: 'http' | 'socks5'
  /** `user:password`; without it nobody is asked. */
  readonly credential?: string
  /** How it is to be proved over HTTP. @default 'Basic' */
  readonly scheme?: 'Basic' | 'Digest'
  /** TLS to the proxy itself. */
  readonly certificate?: KeyAndCertificate
  /** Its own words come in pieces of one byte. */
  readonly drips?: boolean
  /** Instead of honest work: called with each connection and the first bytes that came over it. */
  readonly instead?: (socket: Socket, said: Buffer) => void
}

export class ProxyServer implements AsyncDisposable {
  /** Heads as they came (HTTP), or targets as they were named (SOCKS5). */
  readonly told: string[] = []
  /** `user:password` as given over SOCKS5. */
  readonly credentials: string[] = []
  readonly #options: ProxyServerOptions
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  readonly #counts = new Set<string>()
  #connections = 0

  static async start(options: ProxyServerOptions = {}): Promise<ProxyServer> {
    const proxy = new ProxyServer(options)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  private constructor(options: ProxyServerOptions) {
    this.#options = options
    this.#server = createServer({ noDelay: true }, (tcp) => this.#accept(tcp))
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    const { kind = 'http', certificate } = this.#options
    return `${kind === 'socks5' ? 'socks5' : certificate === undefined ? 'http' : 'https'}://127.0.0.1:${this.port}`
  }

  get connections(): number {
    return this.#connections
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #accept(tcp: Socket): void {
    this.#connections++
    const { certificate, instead, kind } = this.#options
    const socket: Socket =
      certificate === undefined
        ? tcp
        : new TLSSocket(tcp, { isServer: true, secureContext: createSecureContext(certificate) })
    for (const each of [tcp, socket]) {
      this.#sockets.add(each)
      each.on('error', () => each.destroy())
      each.on('close', () => this.#sockets.delete(each))
    }
    if (instead !== undefined) socket.once('data', (said: Buffer) => instead(socket, said))
    else
      void (kind === 'socks5' ? this.#socks(new Reader(socket)) : this.#http(new Reader(socket))).catch(() =>
        socket.destroy(),
      )
  }

  async #http(client: Reader): Promise<void> {
    let last: Socket | undefined
    for (;;) {
      const head = (await client.until('\r\n\r\n')).toString('latin1')
      this.told.push(head)
      const [method = '', target = ''] = head.split(' ')
      const refusal = this.#refusal(head)
      if (refusal !== undefined) {
        await this.#say(client.socket, refusal)
        continue
      }
      const url = new URL(method === 'CONNECT' ? `http://${target}` : target)
      const server = this.#towards(Number(url.port === '' ? 80 : url.port))
      if (method === 'CONNECT') {
        await once(server, 'connect')
        await this.#say(client.socket, 'HTTP/1.0 200 Connection established\r\nContent-Length: 5\r\n\r\n')
        join(client, server)
        return
      }
      const rest = head.slice(head.indexOf('\r\n')).replace(/^proxy-.*\r\n/gim, '')
      server.write(`${method} ${url.pathname}${url.search} HTTP/1.1${rest}`, 'latin1')
      server.pipe(client.socket, { end: false })
      // What ends early ends early for the client too; one that has answered before and goes now is of no interest.
      last = server
      server.on(
        'close',
        () => last === server && (server.readableAborted ? client.socket.destroy() : client.socket.end()),
      )
    }
  }

  /** The whole answer to who does not prove who he is. */
  #refusal(head: string): string | undefined {
    const { credential, scheme = 'Basic' } = this.#options
    if (credential === undefined) return undefined
    const given = /^proxy-authorization: (.*)\r$/im.exec(head)?.[1] ?? ''
    const right =
      scheme === 'Basic'
        ? given === `Basic ${Buffer.from(credential).toString('base64')}`
        : this.#provesDigest(head, given, credential)
    if (right) return undefined
    const challenge =
      scheme === 'Basic' ? 'Basic realm="a, Digest b"' : 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
    return `HTTP/1.1 407 No\r\nProxy-Authenticate: ${challenge}\r\nContent-Length: 0\r\n\r\n`
  }

  #provesDigest(head: string, given: string, credential: string): boolean {
    const [method = '', target = ''] = head.split(' ')
    const field = (name: string): string => new RegExp(`\\b${name}="?([^",]*)`).exec(given)?.[1] ?? ''
    const hash = (text: string): string => createHash('sha256').update(text).digest('hex')
    const [user = '', password = ''] = credential.split(':')
    const [count, cnonce] = [field('nc'), field('cnonce')]
    const key = hash(`${user}:r:${password}`)
    const expected = hash(`${key}:n:${count}:${cnonce}:auth:${hash(`${method}:${target}`)}`)
    const isNew = !this.#counts.has(count)
    this.#counts.add(count)
    return field('uri') === target && field('response') === expected && isNew
  }

  async #socks(client: Reader): Promise<void> {
    const { credential } = this.#options
    const { socket } = client
    const methods = await client.bytes((await client.bytes(2))[1]!)
    const method = credential === undefined ? 0 : 2
    if (!methods.includes(method)) return void socket.end(Buffer.from([5, 0xff]))
    await this.#say(socket, Buffer.from([5, method]))
    if (credential !== undefined) {
      const user = await client.bytes((await client.bytes(2))[1]!)
      const password = await client.bytes((await client.bytes(1))[0]!)
      this.credentials.push(`${user.toString()}:${password.toString()}`)
      const right = this.credentials.at(-1) === credential
      await this.#say(socket, Buffer.from([1, right ? 0 : 1]))
      if (!right) return void socket.end()
    }
    const type = (await client.bytes(4))[3]
    const address = await client.bytes(type === 1 ? 4 : type === 4 ? 16 : (await client.bytes(1))[0]!)
    const port = (await client.bytes(2)).readUInt16BE()
    const named = type === 3 ? address.toString() : type === 1 ? address.join('.') : address.toString('hex')
    this.told.push(`${named}:${port}`)
    const server = this.#towards(port, type === 4 ? '::1' : '127.0.0.1')
    await once(server, 'connect')
    // Bound to a name, which is rare and allowed.
    await this.#say(socket, Buffer.from([5, 0, 0, 3, 4, ...Buffer.from('here'), 0, 1]))
    join(client, server)
  }

  #towards(port: number, host = '127.0.0.1'): Socket {
    const server = connect({ port, host, noDelay: true })
    this.#sockets.add(server)
    server.on('error', () => server.destroy())
    return server
  }

  async #say(socket: Socket, words: string | Buffer): Promise<void> {
    const bytes = Buffer.from(words)
    if (this.#options.drips !== true) return void socket.write(bytes)
    for (const byte of bytes) await new Promise((resolve) => socket.write(Buffer.from([byte]), resolve))
  }
}

function join({ socket, left }: Reader, server: Socket): void {
  server.write(left())
  socket.pipe(server)
  server.pipe(socket)
  // A cut is passed on as a cut.
  socket.on('close', () => server.destroy())
  server.on('close', () => server.readableAborted && socket.resetAndDestroy())
}

/** Takes from a socket what a test server wants to see next. */
class Reader {
  readonly socket: Socket
  #held: Buffer = Buffer.alloc(0)

  constructor(socket: Socket) {
    this.socket = socket
  }

  readonly left = (): Buffer => this.#held

  async bytes(count: number): Promise<Buffer> {
    while (this.#held.length < count) await this.#more()
    return this.#take(count)
  }

  async until(end: string): Promise<Buffer> {
    while (!this.#held.includes(end)) await this.#more()
    return this.#take(this.#held.indexOf(end) + end.length)
  }

  #take(count: number): Buffer {
    const taken = this.#held.subarray(0, count)
    this.#held = this.#held.subarray(count)
    return taken
  }

  async #more(): Promise<void> {
    for (;;) {
      const chunk: unknown = this.socket.read()
      if (chunk instanceof Buffer) {
        this.#held = Buffer.concat([this.#held, chunk])
        return
      }
      if (this.socket.readableEnded || this.socket.destroyed) throw new Error('the client left')
      await Promise.race([once(this.socket, 'readable'), once(this.socket, 'end'), once(this.socket, 'close')])
    }
  }
}
