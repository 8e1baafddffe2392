// The twin of src/network: every server that there is, and a Transport for each life. Nothing here follows a redirect, judges
// a status or asks twice; that is what the code under test does. Servers outlive every life, and what they were asked is kept.
import type { DigestAlgorithm } from '../../src/contract/digests.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import {
  type Exchange,
  NetworkFailure,
  type NetworkPhase,
  type Outgoing,
  type Transport,
} from '../../src/world/transport.ts'
import { addressOf, factsOf, peerOf } from './addresses.ts'
import { fieldOf } from './answers.ts'
import { type Failed } from './breaks.ts'
import { describeContent, digestOf } from './content.ts'
import { SimulatedExchange } from './exchange.ts'
import { type Life } from './life.ts'
import { type Seeded } from './seeded.ts'
import { type Answer, Server } from './server.ts'
import { type ServerPlan } from './server-plan.ts'
import { type Timeline } from './timeline.ts'

export interface InternetOptions {
  readonly timeline: Timeline
  readonly random: Seeded
  /** Of the machine that asks: the facts of a connection are in its time. */
  readonly wall: () => number
  /** Told of each request when it arrives. */
  readonly heard?: (request: RequestRecord) => void
}

export interface RequestRecord {
  readonly atMs: number
  readonly life: string
  readonly method: string
  readonly url: string
  readonly range?: string
  readonly ifRange?: string
  /** In words. */
  readonly answer: string
}

/** Where a request goes: a server, or the redirects that lead to it. */
interface Place {
  readonly server: Server
  /** Where to go instead. */
  readonly next?: string
  /** One of the server's places. Undefined: it is the address itself, which may lead to them. */
  readonly number?: number
}

const redirectStatuses = [302, 301, 307, 308] as const

export class Internet {
  readonly #options: InternetOptions
  readonly #places = new Map<string, Place>()
  readonly #servers = new Map<string, Server>()
  readonly #log: RequestRecord[] = []
  readonly #running = new Set<SimulatedExchange>()
  /** Requests that are not over, where they went, and who answers them. */
  readonly #open = new Map<object, { readonly origin: string; readonly isPlace: boolean; readonly server: Server }>()

  constructor(options: InternetOptions) {
    this.#options = options
  }

  /** An address, and the redirects before it if the plan has some. */
  serve(url: string, plan: ServerPlan): void {
    const stations = Array.from({ length: plan.nature.redirects + 1 }, (_, hop) => station(url, hop))
    const server = new Server(new URL(url).href, plan, this.#options)
    const last = stations.pop()!
    stations.forEach((each, hop) => this.#places.set(each, { server, next: stations[hop + 1] ?? last }))
    this.#places.set(last, { server })
    plan.places?.forEach((_, i) => this.#places.set(elsewhere(last, i + 1), { server, number: i + 1 }))
    this.#servers.set(new URL(url).href, server)
  }

  /** Faults are over: from now on every server serves its newest version, honestly and at full speed. */
  calm(): void {
    for (const server of this.#servers.values()) server.calm()
  }

  /** Every connection is reset, as when the machine changes its network. */
  breakConnections(): void {
    for (const exchange of this.#running) exchange.stop('connection lost', 'the network broke')
  }

  /** The contents that a correct download of it may end with: those served so far, or the newest where only a digest tells. */
  versions(url: string): readonly Uint8Array[] {
    return this.#server(url).acceptable
  }

  /** Of the newest version that will ever be. Lower-case hex. */
  digestOf(url: string, algorithm?: DigestAlgorithm): string {
    return digestOf(this.#server(url).content(), algorithm)
  }

  /** Which version these bytes are, or of which they were mixed, in words. */
  describe(url: string, bytes: Uint8Array): string {
    const { contents } = this.#server(url)
    return describeContent(
      bytes,
      contents.map(([, content]) => content),
      contents.map(([what]) => what),
    )
  }

  get requests(): number {
    return this.#log.length
  }

  /**
   * By origin of an address: how many requests are not over, as its server sees it. Not of the places that it may lead to: while the
   * first of them is asked for the rest, what another gives is not let go of.
   */
  crowds(): ReadonlyMap<string, number> {
    const counts = new Map<string, number>()
    for (const { origin, isPlace } of this.#open.values())
      if (!isPlace) counts.set(origin, (counts.get(origin) ?? 0) + 1)
    return counts
  }

  get log(): readonly RequestRecord[] {
    return this.#log
  }

  /** The seam, for one life. */
  transport(life: Life): Transport {
    const stops = new Set<() => void>()
    const idle = new Set<string>()
    let closed = false
    return {
      open: (request, signal) => {
        const url = addressOf(request)
        if (url instanceof LonghaulError) return Promise.reject(url)
        if (life.dead) return new Promise<never>(() => {})
        if (closed || signal.aborted) return Promise.reject(aborted('connect', url))
        return this.#begin(request, url, { life, signal, stops, idle })
      },
      close: async () => {
        closed = true
        for (const stop of stops) stop()
        await life.call('transport.close', () => idle.clear())
      },
    }
  }

  // ------------------------------------------------------------------------------------------------------------- inside

  #begin(
    request: Outgoing,
    url: URL,
    by: {
      readonly life: Life
      readonly signal: AbortSignal
      readonly stops: Set<() => void>
      readonly idle: Set<string>
    },
  ): Promise<Exchange> {
    const { life, signal, stops, idle } = by
    const { promise, resolve, reject } = Promise.withResolvers<Exchange>()
    const begunMs = this.#options.wall()
    let phase: NetworkPhase = 'connect'
    let exchange: SimulatedExchange | undefined
    let over = false
    const asking = {}
    const forget = life.onEnd(() => this.#open.delete(asking))
    const end = (): void => {
      over = true
      this.#open.delete(asking)
      forget()
      stops.delete(stop)
      signal.removeEventListener('abort', stop)
      if (exchange !== undefined) this.#running.delete(exchange)
    }
    const stop = (): void => {
      if (life.dead) return
      if (exchange !== undefined) return exchange.close()
      end()
      reject(aborted(phase, url))
    }
    stops.add(stop)
    signal.addEventListener('abort', stop, { once: true })

    const asked = life.call(
      'transport.open',
      () => {
        if (over) return 'silence'
        phase = 'head'
        return this.#ask(request, url, life, asking)
      },
      { effect: [0, 30], answer: [0, 30] },
    )
    void asked.then((reply) => {
      if (over || reply === 'silence') return
      if ('failed' in reply) {
        end()
        reject(new NetworkFailure(reply.failed, reply.phase, `${peerOf(url)}: ${reply.failed} (${reply.phase})`))
        return
      }
      const reused = idle.delete(url.origin)
      exchange = new SimulatedExchange({
        life,
        answer: reply,
        peer: peerOf(url),
        facts: factsOf(request, reply.headers, { reused, begunMs, nowMs: this.#options.wall() }),
        over: (connection) => {
          end()
          if (connection === 'usable') idle.add(url.origin)
        },
      })
      this.#running.add(exchange)
      resolve(exchange)
    })
    return promise
  }

  #ask(request: Outgoing, url: URL, life: Life, asking: object): Answer | Failed | 'silence' {
    const [reply, words] = this.#reply(request, url, asking)
    const range = fieldOf(request, 'range')
    const ifRange = fieldOf(request, 'if-range')
    const record: RequestRecord = {
      atMs: this.#options.timeline.now,
      life: life.name,
      method: request.method,
      url: request.url,
      ...(range !== undefined && { range }),
      ...(ifRange !== undefined && { ifRange }),
      answer: words,
    }
    this.#log.push(record)
    this.#options.heard?.(record)
    return reply
  }

  #reply(request: Outgoing, url: URL, asking: object): readonly [Answer | Failed | 'silence', string] {
    const bare = url.origin + url.pathname
    const place = this.#places.get(bare)
    if (place?.next !== undefined) return this.#redirect(place.next)
    if (place !== undefined) {
      const { server, number } = place
      const [leads, query] = number === undefined ? server.lead() : [0, '']
      if (leads > 0) return this.#redirect(elsewhere(bare, leads) + query)
      const open = [...this.#open.values()].filter((each) => each.server === server).length
      this.#open.set(asking, { origin: url.origin, isPlace: number !== undefined, server })
      return server.ask(request, { open, ...(number !== undefined && { place: number }) })
    }
    const isKnown = [...this.#places.keys()].some((known) => new URL(known).host === url.host)
    if (!isKnown) return [{ failed: 'cannot find host', phase: 'lookup' }, 'no such host']
    return [this.#plain(404, []), '404 nothing is there']
  }

  #redirect(to: string): readonly [Answer, string] {
    const status = redirectStatuses[to.length % redirectStatuses.length]!
    return [this.#plain(status, [['location', to]]), `${status} to ${to}`]
  }

  #plain(status: number, headers: Answer['headers']): Answer {
    return {
      status,
      headers: [...headers, ['content-length', '0']],
      body: new Uint8Array(),
      proof: 'length',
      ends: 'well',
      bytesPerSecond: () => Infinity,
      random: this.#options.random,
    }
  }

  #server(url: string): Server {
    const server = this.#servers.get(new URL(url).href)
    if (server === undefined) throw new Error(`nothing is served at ${url}`)
    return server
  }
}

/** The address itself, then where its redirects lead: another path, another host, and so on in turn. */
function station(url: string, hop: number): string {
  const there = new URL(url)
  if (hop > 0) there.pathname += `/to-${hop}`
  if (hop % 2 === 0 && hop > 0) there.hostname = `mirror-${hop}.${there.hostname}`
  return there.href
}

/** Under the same name. */
function elsewhere(url: string, place: number): string {
  const there = new URL(url)
  there.hostname = `place-${place}.${there.hostname}`
  return there.href
}

function aborted(phase: NetworkPhase, url: URL): NetworkFailure {
  return new NetworkFailure('aborted', phase, `${peerOf(url)}: the request was given up`)
}
