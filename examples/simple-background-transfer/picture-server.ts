/** A slow and unreliable server of one picture, on loopback: a fixed rate, an ETag, ranges, and one cut line. */
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface PictureServer {
  readonly url: string
  readonly port: number
  /** Body bytes handed to the system so far, over all requests. */
  readonly sent: () => number
  readonly requests: readonly {
    readonly range: string | undefined
    readonly ifRange: string | undefined
    readonly status: number
  }[]
  close(): void
}

export interface PictureServerOptions {
  readonly bytes: Uint8Array
  /** Bytes per second. */
  readonly rate: number
  /** The first connection is cut after this many bytes. */
  readonly cutAt: number
  readonly cut: () => void
}

const stepsPerSecond = 20

export async function servePicture({ bytes, rate, cutAt, cut }: PictureServerOptions): Promise<PictureServer> {
  const etag = '"9f2c"'
  const requests: { range: string | undefined; ifRange: string | undefined; status: number }[] = []
  let sent = 0
  let cutOnce = false

  const drip = (response: ServerResponse, from: number): void => {
    let at = from
    const timer = setInterval(() => {
      const limit = cutOnce ? bytes.length : cutAt
      const next = Math.min(at + Math.ceil(rate / stepsPerSecond), limit)
      const piece = bytes.subarray(at, next)
      at = next
      sent += piece.length
      response.write(piece)
      if (at === bytes.length) {
        clearInterval(timer)
        response.end()
      } else if (at === limit) {
        clearInterval(timer)
        cutOnce = true
        cut()
        // In the middle of the body: the other end sees a line that broke.
        response.socket?.end()
      }
    }, 1000 / stepsPerSecond)
    response.on('close', () => clearInterval(timer))
  }

  const server = createServer((request, response) => {
    const { range, 'if-range': ifRange } = request.headers
    const from = /^bytes=(\d+)-$/.exec(range ?? '')?.[1]
    const partial = from !== undefined && (ifRange === undefined || ifRange === etag)
    const offset = partial ? Number(from) : 0
    requests.push({ range, ifRange: typeof ifRange === 'string' ? ifRange : undefined, status: partial ? 206 : 200 })
    response.writeHead(partial ? 206 : 200, {
      'content-type': 'image/png',
      'content-length': bytes.length - offset,
      'content-disposition': 'attachment; filename="sunrise.png"',
      'accept-ranges': 'bytes',
      etag,
      ...(partial && { 'content-range': `bytes ${offset}-${bytes.length - 1}/${bytes.length}` }),
    })
    drip(response, offset)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}/sunrise.png`,
    port,
    sent: () => sent,
    requests,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
