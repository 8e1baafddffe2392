/** A TLS server that writes the HTTP/2 frames it is told to, whether they make sense or not (RFC 9113 §4 and §6). */
import { once } from 'node:events'
import { type Socket, createServer } from 'node:net'
import { TLSSocket, createSecureContext } from 'node:tls'
import { testAuthority, testCertificate } from '../support/certificates.ts'

const types = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PUSH_PROMISE: 5, PING: 6, GOAWAY: 7, CONTINUATION: 9 }
const endStream = 0x1
const endHeaders = 0x4
export const codes = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  ENHANCE_YOUR_CALM: 11,
  HTTP_1_1_REQUIRED: 13,
} as const

type Fields = readonly (readonly [string, string])[]
type End = { readonly end?: boolean }

/** One request as it came, and the connection to answer it on. */
export class Wire {
  readonly stream: number
  /** Of this connection, the first is 1. */
  readonly request: number
  readonly #tls: TLSSocket
  readonly #tcp: Socket
  readonly #pings: (() => void)[]

  constructor(tls: TLSSocket, tcp: Socket, pings: (() => void)[], stream: number, request: number) {
    this.#pings = pings
    this.#tls = tls
    this.#tcp = tcp
    this.stream = stream
    this.request = request
  }

  head(status: number, fields: Fields = [], { end = false }: End = {}): void {
    this.#block([[':status', String(status)], ...fields], end)
  }

  trailers(fields: Fields, { end = true }: End = {}): void {
    this.#block(fields, end)
  }

  data(bytes: string | Buffer, { end = false }: End = {}): void {
    this.frame(types.DATA, end ? endStream : 0, Buffer.from(bytes))
  }

  reset(code: number): void {
    this.frame(types.RST_STREAM, 0, number(code))
  }

  goaway(lastStream: number, code: number): void {
    this.frame(types.GOAWAY, 0, Buffer.concat([number(lastStream), number(code)]), 0)
  }

  /** Resolves when all that was sent has been read: PINGs are answered in their turn. */
  async read(): Promise<void> {
    const answered = Promise.withResolvers<void>()
    this.#pings.push(answered.resolve)
    this.frame(types.PING, 0, Buffer.alloc(8), 0)
    await answered.promise
  }

  promise(): void {
    const fields: Fields = [
      [':method', 'GET'],
      [':scheme', 'https'],
      [':path', '/pushed'],
      [':authority', 'localhost'],
    ]
    this.frame(types.PUSH_PROMISE, endHeaders, Buffer.concat([number(2), ...fields.map(literal)]))
  }

  raw(bytes: Buffer | string): void {
    this.#tls.write(bytes)
  }

  frame(type: number, flags: number, payload: Buffer, stream: number = this.stream): void {
    this.#tls.write(frame(type, flags, stream, payload))
  }

  /** In good order: close_notify, then FIN. */
  close(): void {
    this.#tls.end()
  }

  /** FIN without close_notify, once all is written. */
  cut(): void {
    this.#tls.write('', () => this.#tcp.end())
  }

  breakOff(): void {
    this.#tls.write('', () => this.#tcp.resetAndDestroy())
  }

  #block(fields: Fields, end: boolean): void {
    const block = Buffer.concat(fields.map(literal))
    const most = 16_384
    for (let at = 0; at === 0 || at < block.length; at += most) {
      const type = at === 0 ? types.HEADERS : types.CONTINUATION
      const flags = (at === 0 && end ? endStream : 0) | (at + most >= block.length ? endHeaders : 0)
      this.frame(type, flags, block.subarray(at, at + most))
    }
  }
}

export interface RawHttp2 extends AsyncDisposable {
  readonly url: string
  readonly authority: string
  /** Connections on which HTTP/2 was spoken. */
  readonly connections: number
  /** Handshakes that offered no HTTP/2. */
  readonly refused: number
}

/**
 * `answer` is called for each request; the server speaks nothing but HTTP/2. Whoever does not offer it in the handshake gets
 * an alert, or, of one that is `silent` as nghttpd is, a connection that closes at the first byte.
 */
export async function rawHttp2(
  answer: (wire: Wire) => void,
  how: { readonly silent?: boolean } = {},
): Promise<RawHttp2> {
  const context = createSecureContext(testCertificate())
  const sockets = new Set<Socket>()
  const counts = { connections: 0, refused: 0 }
  const server = createServer((tcp) => {
    sockets.add(tcp)
    tcp.on('error', () => {}).on('close', () => sockets.delete(tcp))
    // The handshake says in clear text what is offered.
    tcp.once('data', (hello: Buffer) => {
      const offered = hello.includes('\u0002h2')
      tcp.pause()
      tcp.unshift(hello)
      const protocols = offered || how.silent !== true ? { ALPNProtocols: ['h2'] } : {}
      const tls = new TLSSocket(tcp, { isServer: true, secureContext: context, ...protocols })
      tls.on('error', () => {})
      if (!offered) {
        counts.refused++
        tls.once('data', () => tls.end())
        return
      }
      tls.on('secure', () => {
        counts.connections++
        tls.write(frame(types.SETTINGS, 0, 0, Buffer.alloc(0)))
      })
      serve(tls, tcp, answer)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (typeof address !== 'object' || address === null) throw new Error('no port')
  return {
    url: `https://127.0.0.1:${address.port}/`,
    authority: testAuthority(),
    get connections() {
      return counts.connections
    },
    get refused() {
      return counts.refused
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
}

function serve(tls: TLSSocket, tcp: Socket, answer: (wire: Wire) => void): void {
  let held = Buffer.alloc(0)
  let prefaced = false
  let requests = 0
  const pings: (() => void)[] = []
  tls.on('data', (chunk: Buffer) => {
    held = Buffer.concat([held, chunk])
    if (!prefaced && held.length >= 24) {
      held = held.subarray(24)
      prefaced = true
    }
    while (prefaced && held.length >= 9 && held.length >= 9 + held.readUIntBE(0, 3)) {
      const [type, flags, stream] = [held[3]!, held[4]!, held.readUInt32BE(5)]
      held = held.subarray(9 + held.readUIntBE(0, 3))
      if (type === types.SETTINGS && (flags & 1) === 0) tls.write(frame(types.SETTINGS, 1, 0, Buffer.alloc(0)))
      if (type === types.PING && (flags & 1) === 1) pings.shift()?.()
      if (type === types.HEADERS) answer(new Wire(tls, tcp, pings, stream, ++requests))
    }
  })
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A field without any compression (RFC 7541 §6.2.2). */
function literal([name, value]: readonly [string, string]): Buffer {
  return Buffer.concat([Buffer.from([0]), ...[name, value].map(text)])
}

/** Of a length in seven bits, or more if need be (RFC 7541 §5.1). */
function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.from([bytes.length]), bytes])
  const length = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128)
  return Buffer.concat([Buffer.from([...length, rest]), bytes])
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
