/** One request through a {@link Transport}, received to its end: what most tests of the network want to know. */
import { createHash } from 'node:crypto'
import { type BodyEnd, type BodySink, type Exchange, type Outgoing, type Transport } from '../../src/world/transport.ts'

export interface Received {
  readonly exchange: Exchange
  readonly end: BodyEnd
  /** SHA-256 of the body, lower-case hex. */
  readonly digest: string
}

export interface AskOptions extends Partial<Omit<Outgoing, 'url'>> {
  readonly signal?: AbortSignal
  /** Called with each piece before it counts as taken. */
  readonly sink?: BodySink
}

export async function open(transport: Transport, url: string, options: AskOptions = {}): Promise<Exchange> {
  const { signal = new AbortController().signal, sink: _sink, ...request } = options
  return transport.open({ method: 'GET', headers: [], ...request, url }, signal)
}

export async function ask(transport: Transport, url: string, options: AskOptions = {}): Promise<Received> {
  const exchange = await open(transport, url, options)
  const hash = createHash('sha256')
  const end = await exchange.receive((bytes) => {
    const taken = options.sink?.(bytes)
    if (taken === undefined) {
      hash.update(bytes)
      return undefined
    }
    // Hashed only after it was taken: bytes that change while they are lent would show.
    return taken.then(() => void hash.update(bytes))
  })
  return { exchange, end, digest: hash.digest('hex') }
}
