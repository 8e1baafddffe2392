/**
 * A server of one file that sends at a given rate, over all connections together, and counts what it has handed to the system. A
 * client that keeps up leaves next to nothing in the buffers between, so the count is what the client got.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'

const etag = '"paced"'
const everyMs = 5

interface Sending {
  readonly response: ServerResponse
  at: number
  readonly end: number
  waits: boolean
}

export class PacedServer implements AsyncDisposable {
  readonly #body: Buffer
  readonly #bytesPerTick: number
  readonly #server: Server
  readonly #sendings = new Set<Sending>()
  readonly #timer: NodeJS.Timeout
  /** Bytes of the body that were sent, to whomever. */
  sent = 0

  static async start(body: Buffer, bytesPerSecond: number): Promise<PacedServer> {
    const made = new PacedServer(body, bytesPerSecond)
    made.#server.listen(0, '127.0.0.1')
    await once(made.#server, 'listening')
    return made
  }

  private constructor(body: Buffer, bytesPerSecond: number) {
    this.#body = body
    this.#bytesPerTick = Math.round((bytesPerSecond * everyMs) / 1000)
    this.#server = createServer((request, response) => this.#answer(request, response))
    this.#timer = setInterval(() => this.#send(), everyMs)
  }

  url(name: string): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/${name}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer)
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const size = this.#body.length
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '')
    const at = range === null ? 0 : Number(range[1])
    const end = range === null || range[2] === '' ? size : Math.min(size, Number(range[2]) + 1)
    response.writeHead(range === null ? 200 : 206, {
      'content-length': end - at,
      etag,
      'accept-ranges': 'bytes',
      ...(range !== null && { 'content-range': `bytes ${at}-${end - 1}/${size}` }),
    })
    const sending: Sending = { response, at, end, waits: false }
    this.#sendings.add(sending)
    response.on('drain', () => (sending.waits = false))
    response.on('close', () => this.#sendings.delete(sending))
  }

  #send(): void {
    const ready = [...this.#sendings].filter((sending) => !sending.waits)
    for (const sending of ready) {
      const { response, at, end } = sending
      const bytes = this.#body.subarray(at, Math.min(end, at + Math.ceil(this.#bytesPerTick / ready.length)))
      sending.at += bytes.length
      sending.waits = !response.write(bytes, (error) => {
        if (error === null || error === undefined) this.sent += bytes.length
      })
      if (sending.at < end) continue
      response.end()
      this.#sendings.delete(sending)
    }
  }
}
