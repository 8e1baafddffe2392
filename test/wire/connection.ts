// Two ends of one real local socket, for the tests of the wire.
import { once } from 'node:events'
import { createServer, connect, type Socket } from 'node:net'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Channel } from '../../src/world/channel.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

export interface Ends {
  readonly near: Socket
  readonly far: Socket
}

/** A connected pair; both are destroyed after the test. */
export async function socketPair(t: TestContext): Promise<Ends> {
  const path = join(await temporaryFolder(), 's')
  const accepted = Promise.withResolvers<Socket>()
  const server = createServer((socket) => accepted.resolve(socket)).listen(path)
  await once(server, 'listening')
  const near = connect(path)
  const far = await accepted.promise
  server.close()
  for (const socket of [near, far]) socket.on('error', () => {})
  t.after(() => {
    near.destroy()
    far.destroy()
  })
  return { near, far }
}

/** What a channel delivers, to be awaited in order. */
export class Received {
  readonly closed: Promise<Error>
  readonly #lines: string[] = []
  readonly #waiting: ((line: string) => void)[] = []

  constructor(channel: Channel) {
    const { promise, resolve } = Promise.withResolvers<Error>()
    this.closed = promise
    channel.on({
      line: (line) => {
        const next = this.#waiting.shift()
        if (next === undefined) this.#lines.push(line)
        else next(line)
      },
      drained: () => {},
      closed: resolve,
    })
  }

  /** Lines that came and were not asked for. */
  get left(): readonly string[] {
    return this.#lines
  }

  next(): Promise<string> {
    const line = this.#lines.shift()
    if (line !== undefined) return Promise.resolve(line)
    const { promise, resolve } = Promise.withResolvers<string>()
    this.#waiting.push(resolve)
    return promise
  }
}
