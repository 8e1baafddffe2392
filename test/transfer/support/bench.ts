/**
 * Runs attempts as the service does: the real engine on real sockets and files, and a journal of paper that keeps what the
 * engine reported, so that the next attempt is given what the last one recorded.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Part, PublishIntent, Representation, RestartCause } from '../../../src/contract/bytes.ts'
import type { HeaderPairs, ResponseJson } from '../../../src/contract/task.ts'
import type { Proof } from '../../../src/contract/words.ts'
import { createTransport } from '../../../src/network/transport.ts'
import { createClock } from '../../../src/platform/clock.ts'
import { createFileSystem } from '../../../src/platform/files.ts'
import { createHasher, type HashingThread } from '../../../src/platform/hashing.ts'
import type { Access } from '../../../src/transfer/access.ts'
import type { Assignment, Engine, Outcome, Report } from '../../../src/transfer/assignment.ts'
import { createEngine } from '../../../src/transfer/engine.ts'
import { type PieceSizes, pieceSizes } from '../../../src/transfer/download/pieces.ts'
import type { TransferWorld } from '../../../src/transfer/download/attempt.ts'
import { realFile } from './watched-files.ts'
import type { Transport } from '../../../src/world/transport.ts'
import { silentLog } from '../../../src/world/log.ts'
import { FaultServer, type FaultServerOptions } from '../../../src/testing/index.ts'

export const taskId = '01JDFK3Z8Q0123456789ABCDEF'

export type ReportName = keyof Report

/** What the service would put together for one task. */
export type Wishes = Partial<Omit<Assignment, 'request' | 'policy'>> & {
  readonly headers?: HeaderPairs
  readonly method?: string
  readonly policy?: Partial<Assignment['policy']>
}

export class Bench {
  readonly server: FaultServer
  readonly folder: string
  readonly world: TransferWorld & { readonly hasher: HashingThread }
  /** Names of the reports in order, without progress. */
  readonly said: string[] = []
  readonly restarts: string[] = []
  /** So often it was said that all bytes are there. */
  fetched = 0
  /** Of each restart. */
  readonly restartCauses: RestartCause[] = []
  readonly progress: Parameters<Report['progress']>[0][] = []
  /** How a file is cut for several connections: smaller ones make a test of them quick. */
  sizes: PieceSizes = pieceSizes
  /** How many connections there are beside the first. */
  furtherConnections: number = 7
  /** Those that are held; each is how to take it back. */
  readonly further: Set<() => void> = new Set()
  resumedAt: number | undefined
  proof: Proof | undefined
  part: Part | undefined
  intent: PublishIntent | undefined
  reserved: { readonly names: readonly string[]; readonly response: ResponseJson } | undefined
  representation: Representation | undefined
  #attempt = 0
  #delivered = 0
  readonly #waiting = new Set<() => void>()

  static async open(options: FaultServerOptions = {}): Promise<Bench> {
    const server = await FaultServer.start(options)
    return new Bench(server, await mkdtemp(join(tmpdir(), 'longhaul-transfer-')))
  }

  private constructor(server: FaultServer, folder: string) {
    this.server = server
    this.folder = folder
    this.world = {
      transport: counting(createTransport(), (bytes) => this.#count(bytes)),
      files: createFileSystem(),
      clock: createClock(),
      hasher: createHasher(),
      log: silentLog,
    }
  }

  assignment(url: string, wishes: Wishes = {}): Assignment {
    const { headers = [], method = 'GET', policy, ...rest } = wishes
    return {
      task: taskId,
      session: 1,
      fence: this.#attempt,
      attempt: this.#attempt,
      request: { url, method, headers },
      expectedDigests: [],
      expectedLength: undefined,
      folder: this.folder,
      folderIdentity: undefined,
      name: 'file.bin',
      spooled: false,
      ifExists: 'replace',
      umask: 0o022,
      part: this.part,
      intent: this.intent,
      delivered: undefined,
      restarts: this.restarts.length,
      ...rest,
      policy: {
        stallMs: 10_000,
        cookies: 'session',
        acceptableStatusCodes: [{ from: 200, to: 299 }],
        tls: {},
        proxy: 'none',
        keepHeadersAcrossOrigins: [],
        allowPrivateRedirects: false,
        maximumSegments: 1,
        bandwidthLimit: undefined,
        ...policy,
      },
    }
  }

  /** For attempts that share what an engine remembers. */
  engine(world: Partial<TransferWorld> = {}): Engine {
    const hasher = {
      follow: (file, algorithms) => this.world.hasher.follow(realFile.get(file) ?? file, algorithms),
    } satisfies TransferWorld['hasher']
    return createEngine({ ...this.world, hasher, ...world }, { sizes: this.sizes })
  }

  /** One attempt that goes on from what the ones before it recorded. */
  run(
    url: string,
    wishes: Wishes = {},
    options: {
      readonly signal?: AbortSignal
      readonly report?: Partial<Report>
      readonly world?: Partial<TransferWorld>
      readonly access?: Access
      /** Else one of its own, which knows nothing of the attempts before. */
      readonly engine?: Engine
    } = {},
  ): Promise<Outcome> {
    this.#attempt++
    const engine = options.engine ?? this.engine(options.world)
    const report = { ...this.report(), ...options.report }
    return engine.run(
      this.assignment(url, wishes),
      report,
      options.signal ?? new AbortController().signal,
      options.access,
    )
  }

  report(): Report {
    const note = (name: ReportName): void => {
      this.said.push(name)
    }
    return {
      reserve: async ({ part, kept, names, response, representation }) => {
        note('reserve')
        this.reserved = { names, response }
        this.representation = representation
        if (kept === 'none' || this.part === undefined) this.part = { ...part, ranges: [], representation }
        return { name: names[0]! }
      },
      resumed: async ({ offset, proof }) => {
        note('resumed')
        this.resumedAt = offset
        this.proof = proof
        return 'recorded'
      },
      checkpoint: async ({ part, identity, ranges, representation }) => {
        note('checkpoint')
        // Plain data, as through a thread.
        this.part = structuredClone({ ...part, identity, ranges, representation })
        return 'recorded'
      },
      restart: async (why, because) => {
        note('restart')
        this.restartCauses.push(because)
        this.restarts.push(why)
        this.part = undefined
        this.intent = undefined
        return 'recorded'
      },
      fetched: () => {
        this.fetched++
      },
      intent: async (intent) => {
        note('intent')
        this.intent = structuredClone(intent)
        return 'recorded'
      },
      more: (giveUp) => {
        if (this.further.size >= this.furtherConnections) return undefined
        this.further.add(giveUp)
        return () => this.further.delete(giveUp)
      },
      progress: (facts) => {
        this.progress.push(facts)
      },
    }
  }

  /** Resolves when so many bytes of bodies, over all attempts, were handed to the engine. */
  async handedOver(bytes: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const look = (): void => {
      if (this.#delivered >= bytes) resolve()
    }
    this.#waiting.add(look)
    look()
    await promise
    this.#waiting.delete(look)
  }

  #count(bytes: number): void {
    this.#delivered += bytes
    for (const look of this.#waiting) look()
  }

  path(name = 'file.bin'): string {
    return join(this.folder, name)
  }

  read(name = 'file.bin'): Promise<Buffer> {
    return readFile(this.path(name))
  }

  write(name: string, content: string | Uint8Array): Promise<void> {
    return writeFile(this.path(name), content)
  }

  async names(): Promise<readonly string[]> {
    return (await readdir(this.folder)).toSorted()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop()
    await this.world.transport.close()
    await this.world.hasher.close()
    await rm(this.folder, { recursive: true, force: true })
  }
}

/** The transport, and how much of bodies it hands over. */
function counting(transport: Transport, handed: (bytes: number) => void): Transport {
  return {
    open: async (request, signal) => {
      const exchange = await transport.open(request, signal)
      return {
        head: exchange.head,
        get facts() {
          return exchange.facts
        },
        close: () => exchange.close(),
        arrived: (told) => exchange.arrived?.(told),
        receive: (sink) => {
          const take = (bytes: Uint8Array): Promise<void> | undefined => {
            const taken = sink(bytes)
            handed(bytes.byteLength)
            return taken
          }
          return exchange.receive(sink.room === undefined ? take : Object.assign(take, { room: sink.room }))
        },
      }
    },
    close: () => transport.close(),
  }
}

/** The outcome as one of a kind, or a failure that shows what it is instead. */
export function expectKind<K extends Outcome['kind']>(outcome: Outcome, kind: K): Extract<Outcome, { kind: K }> {
  if (outcome.kind === kind) return outcome as Extract<Outcome, { kind: K }>
  const why =
    outcome.kind === 'failed' ? `: ${outcome.error.code} ${outcome.error.message} ${String(outcome.error.cause)}` : ''
  throw new Error(`expected ${kind}, got ${outcome.kind}${why}`)
}
