/**
 * An HTTP/1.1 server that can tell every lie: it writes its answers byte by byte on a raw socket, so that cuts, resets,
 * stalls and broken framing happen exactly where a test says. It keeps a record of what it was asked and what it sent,
 * and lets a test wait for either without sleeping.
 *
 *     await using server = await FaultServer.start()
 *     const url = server.file('/a.bin', { size: 5_000_000, etag: '"v1"', script: [cutAfter(1_000_000)] })
 *     …
 *     const second = await server.received(2)
 *     assert.equal(second.headers.range, 'bytes=1000000-')
 *
 * Each request for a file takes the next step of its script (see `behaviours.ts`); after the last one it is served well, or
 * as `afterwards` says. Good service means ranges, If-Range, conditional requests, HEAD, keep-alive. Requests must have no body.
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, type Server, type Socket, createServer } from 'node:net'
import { type SecureContext, TLSSocket, createSecureContext } from 'node:tls'
import { bytesOf, type FileOptions, planAnswer } from './answer-plan.ts'
import { AnswerWriter, type Line } from './answer-writer.ts'
import type { Behaviour, Step } from './behaviour.ts'
import { busy } from './behaviours.ts'
import { type Pattern, createPattern } from './pattern.ts'
import { type PathTraffic, type ReceivedRequest, recordOf, type RequestRecord } from './request-record.ts'

export type { FileOptions } from './answer-plan.ts'
export type { PathTraffic, ReceivedRequest } from './request-record.ts'

export interface FaultServerOptions {
  /** @default '127.0.0.1' */
  readonly host?: string
  /** @default any free one */
  readonly port?: number
  /** Serves https with this key and certificate (PEM). @default http */
  readonly tls?: ServerTls
  /** Ms after which a wait for what does not come (`received`, `sent`, `until` …) rejects. @default 20_000 */
  readonly patienceMs?: number
  /** Name in the addresses that `file()` gives. @default the host */
  readonly name?: string
}

export interface ServerTls {
  readonly key: string
  readonly cert: string
  readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3'
}

interface Resource extends FileOptions {
  /** Requests that took a step. */
  asked: number
}

/** What is counted for a path, also for one that has no file. */
interface Count {
  atOnce: number
  mostAtOnce: number
  turnedAway: number
}

/** A test that waits for what does not come should say so before the runner kills it. */
const usualPatienceMs = 20_000

/**
 * A server whose failings a test chooses. `await using server = await FaultServer.start()`, then `server.file(path, …)` for
 * each address; see docs/testing.md.
 */
export class FaultServer implements AsyncDisposable {
  readonly #options: FaultServerOptions
  readonly #resources = new Map<string, Resource>()
  readonly #counts = new Map<string, Count>()
  readonly #patterns = new Map<string, Pattern>()
  readonly #requests: RequestRecord[] = []
  /** Each with what lies above TLS; itself where there is none. */
  readonly #sockets = new Map<Socket, Socket>()
  readonly #watchers = new Set<() => void>()
  #server: Server | undefined
  #secureContext: SecureContext | undefined
  #port = 0
  #connections = 0
  #released = Promise.withResolvers<void>()
  #held: PromiseWithResolvers<void> | undefined
  /** What a step of a script threw; whoever waits is told, and `stop` only if nobody was. */
  #fault: { readonly why: unknown; isTold: boolean } | undefined

  static async start(options: FaultServerOptions = {}): Promise<FaultServer> {
    const server = new FaultServer(options)
    await server.restart()
    return server
  }

  protected constructor(options: FaultServerOptions) {
    this.#options = options
    this.#port = options.port ?? 0
  }

  // ------------------------------------------------------------------------------------------------------- what it serves

  /** Serves a file and gives its address. */
  file(path: string, options: FileOptions): string {
    this.#resources.set(path, { ...options, asked: 0 })
    return this.url(path)
  }

  /** Answers every request for this path by the steps of the script, and after the last one by that again. */
  answers(path: string, ...script: readonly [Step, ...Step[]]): string {
    return this.file(path, { size: 0, script, afterwards: script.at(-1)! })
  }

  /** From now on the path has these options instead; its script, if none is given, goes on. */
  change(path: string, options: Partial<FileOptions>): void {
    const resource = this.#resource(path)
    const asked = options.script === undefined ? resource.asked : 0
    this.#resources.set(path, { ...resource, ...options, asked })
  }

  url(path: string): string {
    const host = this.#options.name ?? this.#options.host ?? '127.0.0.1'
    const scheme = this.#options.tls === undefined ? 'http' : 'https'
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${this.#port}${path}`
  }

  get port(): number {
    return this.#port
  }

  /** SHA-256, lower-case hex, of the whole file as its options say. */
  digest(path: string): string {
    const { content, seed, size = 0 } = this.#resource(path)
    if (content === undefined) return this.#pattern(seed ?? path).digest(size)
    return createHash('sha256').update(this.bytes(path)).digest('hex')
  }

  /** Its bytes, or some of them. */
  bytes(path: string, from = 0, size?: number): Buffer {
    const whole = bytesOf(this.#resource(path), {}, (seed) => this.#pattern(seed ?? path))
    return Buffer.from(whole.bytes(from, size ?? whole.size - from))
  }

  // ------------------------------------------------------------------------------------------------------- what it saw

  /** All, in the order in which their heads arrived. */
  get requests(): readonly ReceivedRequest[] {
    return this.#requests
  }

  /** Those for exactly this path and query. */
  requestsFor(path: string): readonly ReceivedRequest[] {
    return this.#requests.filter((request) => request.path === path)
  }

  /** Bytes of bodies that left for this path, over all requests. */
  bytesSent(path: string): number {
    return this.requestsFor(path).reduce((sum, request) => sum + request.bytesSent, 0)
  }

  /** What went on for this path so far; addresses with a query count for the file that serves them. */
  traffic(path: string): PathTraffic {
    const { atOnce, mostAtOnce, turnedAway } = this.#count(path)
    const requests = this.#requests.filter((request) => this.#pathOf(request) === path)
    return {
      requests: requests.length,
      atOnce,
      mostAtOnce,
      bytesSent: requests.reduce((sum, request) => sum + request.bytesSent, 0),
      ranges: requests.flatMap(({ headers: { range } }) => (range === undefined ? [] : [range])),
      turnedAway,
    }
  }

  get openConnections(): number {
    return this.#sockets.size
  }

  /** Connections that were ever made. */
  get connections(): number {
    return this.#connections
  }

  /** Resolves with the n-th request (of that path) when its head has arrived. */
  async received(n: number, path?: string): Promise<ReceivedRequest> {
    const all = (): readonly ReceivedRequest[] => (path === undefined ? this.#requests : this.requestsFor(path))
    await this.until(() => all().length >= n, `request ${n}${path === undefined ? '' : ` for ${path}`}`)
    return all()[n - 1]!
  }

  /** Resolves when so many bytes of bodies have left for this path. */
  async sent(path: string, bytes: number): Promise<void> {
    await this.until(() => this.bytesSent(path) >= bytes, `${bytes} bytes sent for ${path}`)
  }

  /** Resolves when no client is connected. */
  async deserted(): Promise<void> {
    await this.until(() => this.#sockets.size === 0, 'all clients gone')
  }

  /** Resolves when `condition` holds; it is asked whenever something happened here. @throws what a step of a script threw */
  async until(condition: () => boolean, what: string): Promise<void> {
    if (condition()) return
    if (this.#fault !== undefined) throw told(this.#fault)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { patienceMs = usualPatienceMs } = this.#options
    const watcher = (): void => {
      if (condition()) resolve()
      else if (this.#fault !== undefined) reject(told(this.#fault))
    }
    const timer = setTimeout(() => reject(new Error(`waited ${patienceMs} ms for: ${what}`)), patienceMs)
    this.#watchers.add(watcher)
    try {
      await promise
    } finally {
      clearTimeout(timer)
      this.#watchers.delete(watcher)
    }
  }

  // ------------------------------------------------------------------------------------------------------- what befalls it

  /** Lets every stalled answer go on, also one that has sent all that comes before its stall. */
  release(): void {
    this.#released.resolve()
    this.#released = Promise.withResolvers()
  }

  /** Takes connections and requests but answers nothing until `resume()`. */
  hold(): void {
    this.#held ??= Promise.withResolvers()
  }

  /** Ends `hold()`. */
  resume(): void {
    this.#held?.resolve()
    this.#held = undefined
  }

  /** Resets every connection; goes on listening. */
  resetAll(): void {
    for (const [socket, clear] of this.#sockets) {
      // Resetting one whose farewell is under way leaves a handle that Node waits for at exit, for ever (24.21).
      if (socket.writableEnded || clear.writableEnded) socket.destroy()
      else socket.resetAndDestroy()
    }
  }

  /**
   * As if the machine lost its server: every connection is reset and nobody listens.
   *
   * @throws what a step of a script threw, if nobody waited who could be told
   */
  async stop(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (server === undefined) return
    const closed = once(server, 'close')
    server.close()
    this.resetAll()
    this.release()
    this.resume()
    await closed
    const fault = this.#fault
    this.#fault = undefined
    if (fault?.isTold === false) throw told(fault)
  }

  /** Listens again, on the same port. */
  async restart(): Promise<void> {
    if (this.#server !== undefined) return
    const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => this.#welcome(socket))
    this.#server = server
    server.listen(this.#port, this.#options.host ?? '127.0.0.1')
    await once(server, 'listening')
    this.#port = (server.address() as AddressInfo).port
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  // ------------------------------------------------------------------------------------------------------- how it does it

  #welcome(tcp: Socket): void {
    this.#sockets.set(tcp, tcp)
    tcp.on('error', () => {})
    tcp.on('close', () => {
      this.#sockets.delete(tcp)
      this.#happened()
    })
    this.#connections++
    this.#happened()
    let clear = tcp
    if (this.#options.tls !== undefined) {
      this.#secureContext ??= createSecureContext(this.#options.tls)
      const secureContext = this.#secureContext
      clear = new TLSSocket(tcp, { isServer: true, secureContext })
      clear.on('error', () => tcp.destroy())
      this.#sockets.set(tcp, clear)
    }
    let text = ''
    let turn = Promise.resolve<'open' | 'closed'>('open')
    const number = this.#connections
    clear.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
      for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
        const request = this.#record(text.slice(0, end), number)
        text = text.slice(end + 4)
        turn = turn.then((state) => (state === 'open' ? this.#answer(request, { tcp, clear }) : state))
      }
    })
    // Our clients never close one side only: they have left, perhaps in the middle of an answer.
    clear.on('end', () => {
      clear.end()
      if (this.#requests.some((request) => request.connection === number && request.ended === 'no')) clear.destroy()
    })
  }

  #record(head: string, connection: number): RequestRecord {
    const request = recordOf(head, this.#requests.length + 1, connection)
    this.#requests.push(request)
    this.#happened()
    return request
  }

  async #answer(request: RequestRecord, line: Line): Promise<'open' | 'closed'> {
    await this.#held?.promise
    const path = this.#pathOf(request)
    const resource = this.#resources.get(path)
    const count = this.#count(path)
    const isFull = count.atOnce >= (resource?.maximumAtOnce ?? Infinity)
    if (isFull) count.turnedAway++
    else count.mostAtOnce = Math.max(count.mostAtOnce, ++count.atOnce)
    try {
      const step = isFull ? chosen(resource?.whenBusy ?? busy(), request) : nextStep(resource, request)
      const plan = planAnswer(request, resource, step, (seed) => this.#pattern(seed ?? path))
      if (step.raw === undefined) request.status = plan.status
      const writer = new AnswerWriter(line, step, {
        released: () => this.#released.promise,
        bodySent: (bytes) => {
          request.bytesSent += bytes
          this.#happened()
        },
      })
      const { ended, state } = await writer.write(plan)
      request.ended = ended
      return state
    } catch (why) {
      // There is no answer; the client must not wait for one.
      this.#fault ??= { why, isTold: false }
      line.tcp.destroy()
      return 'closed'
    } finally {
      if (!isFull) count.atOnce--
      this.#happened()
    }
  }

  /** The file's path: with the query where there is a file of that name. */
  #pathOf({ path }: ReceivedRequest): string {
    return this.#resources.has(path) ? path : (path.split('?')[0] ?? '')
  }

  #count(path: string): Count {
    let count = this.#counts.get(path)
    if (count === undefined) this.#counts.set(path, (count = { atOnce: 0, mostAtOnce: 0, turnedAway: 0 }))
    return count
  }

  #resource(path: string): Resource {
    const resource = this.#resources.get(path)
    if (resource === undefined) throw new Error(`the fault server has no file ${path}; give it one by file()`)
    return resource
  }

  #pattern(seed: string): Pattern {
    let pattern = this.#patterns.get(seed)
    if (pattern === undefined) this.#patterns.set(seed, (pattern = createPattern(seed)))
    return pattern
  }

  #happened(): void {
    for (const watcher of this.#watchers) watcher()
  }
}

function told(fault: { readonly why: unknown; isTold: boolean }): unknown {
  fault.isTold = true
  return fault.why
}

/** A request that is turned away takes no step of the script. */
function nextStep(resource: Resource | undefined, request: ReceivedRequest): Behaviour {
  if (resource === undefined) return {}
  const { script = [], afterwards = {} } = resource
  return chosen(script[resource.asked++] ?? afterwards, request)
}

function chosen(step: Step, request: ReceivedRequest): Behaviour {
  return typeof step === 'function' ? step(request) : step
}
