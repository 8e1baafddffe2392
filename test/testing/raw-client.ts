// Asks a fault server on a socket of its own and shows what came, byte by byte: no HTTP client stands in between that could mend
// or refuse it.
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { FaultServer } from '../../src/testing/fault-server.ts'

export interface RawAnswer {
  /** All that came. */
  readonly text: string
  readonly status: number
  /** Names in lower case; of repeated ones the last. */
  readonly headers: Readonly<Record<string, string>>
  /** As it came: chunks with their sizes. */
  readonly body: Buffer
  readonly end: 'closed' | 'reset'
}

/** A client that is connected, and has perhaps asked for something. */
export class RawClient {
  readonly #socket: Socket
  readonly #pieces: Buffer[] = []
  readonly #end: Promise<RawAnswer['end']>
  /** As they came from the system. */
  get pieces(): readonly Buffer[] {
    return this.#pieces
  }

  static async connect(server: FaultServer): Promise<RawClient> {
    const socket = connect(server.port, '127.0.0.1')
    await once(socket, 'connect')
    return new RawClient(socket)
  }

  private constructor(socket: Socket) {
    this.#socket = socket
    const { promise, resolve } = Promise.withResolvers<RawAnswer['end']>()
    socket.on('data', (piece: Buffer) => this.#pieces.push(piece))
    socket.on('error', () => resolve('reset'))
    socket.on('close', () => resolve('closed'))
    this.#end = promise
  }

  ask(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): this {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`)
    this.#socket.write(`${method} ${path} HTTP/1.1\r\nHost: localhost\r\n${lines.join('')}\r\n`)
    return this
  }

  /** Says that nothing more is asked, and reads to the end. */
  async rest(): Promise<RawAnswer> {
    this.#socket.end()
    return this.end()
  }

  /** Reads until the server ends it. */
  async end(): Promise<RawAnswer> {
    const end = await this.#end
    const all = Buffer.concat(this.#pieces)
    const text = all.toString('latin1')
    const headEnd = text.indexOf('\r\n\r\n')
    const [first = '', ...lines] = text.slice(0, headEnd).split('\r\n')
    const headers = lines
      .map((line) => line.split(/: (.*)/s))
      .map(([name = '', value = '']) => [name.toLowerCase(), value])
    return {
      text,
      status: Number(first.split(' ')[1]),
      headers: Object.fromEntries(headers) as Record<string, string>,
      body: all.subarray(headEnd + 4),
      end,
    }
  }

  leave(): void {
    this.#socket.destroy()
  }
}

/** One question, one answer, one connection. */
export async function ask(
  server: FaultServer,
  path: string,
  headers: Readonly<Record<string, string>> = {},
  method = 'GET',
): Promise<RawAnswer> {
  const before = server.requests.length
  const client = (await RawClient.connect(server)).ask(path, headers, method)
  await server.until(() => (server.requests[before]?.ended ?? 'no') !== 'no', `the answer to ${path}`)
  return client.rest()
}
