/**
 * The real {@link Hasher}: a thread of its own re-reads what is on disk, so that a digest of many gigabytes takes no time
 * from the loop that serves sockets and apps, and is nearly done when the last byte comes. The thread is started with the
 * first digest. If it dies, its digests begin again in a new one, once; the second time they fail. May touch:
 * node:worker_threads.
 */
import { Worker } from 'node:worker_threads'
import type { DigestAlgorithm } from '../contract/digests.ts'
import { type File, FileFailure } from '../world/file-system.ts'
import type { Following, Hasher } from '../world/hasher.ts'
import { fileFailure } from './file-failures.ts'
import type { HashingAnswer, HashingJob, HashingNews, HashingRequest } from './hashing-thread.ts'
import { HeldFile } from './held-file.ts'

export interface HashingThread extends Hasher {
  /** Ends the thread, which is not waited for where its disk hangs; digests under way reject. */
  close(): Promise<void>
}

export interface HasherOptions {
  /** For tests: the program of the thread. */
  readonly program?: URL
  /** So long its end is waited for. @default 2000 */
  readonly patienceMs?: number
}

export function createHasher(options: HasherOptions = {}): HashingThread {
  return new ThreadHasher(options.program ?? threadProgram(), options.patienceMs ?? 2000)
}

/** Type stripping runs the .ts, the published package has the .js: the compiler rewrites imports but not this text. */
function threadProgram(): URL {
  return new URL(`./hashing-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
}

class ThreadHasher implements HashingThread {
  readonly #program: URL
  readonly #jobs = new Map<number, FollowedFile>()
  readonly #patienceMs: number
  #worker: Worker | undefined
  #nextId = 1
  #closed = false

  constructor(program: URL, patienceMs: number) {
    this.#program = program
    this.#patienceMs = patienceMs
  }

  follow(file: File, algorithms: readonly DigestAlgorithm[]): Following {
    if (!(file instanceof HeldFile)) throw new TypeError('this hasher reads files of this file system only')
    return new FollowedFile(this.#nextId++, file, algorithms, {
      take: (job) => {
        this.#jobs.set(job.id, job)
      },
      post: (request) => this.#post(request),
      drop: (job) => {
        this.#jobs.delete(job.id)
        if (this.#jobs.size === 0) this.#worker?.unref()
      },
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#worker = undefined
    if (worker !== undefined) await this.#end(worker)
    this.#failAll(new Error('the hasher was closed'))
  }

  #post(request: HashingRequest): void {
    if (this.#closed) {
      this.#failAll(new Error('the hasher was closed'))
      return
    }
    this.#worker ??= this.#startThread()
    this.#worker.ref()
    this.#worker.postMessage(request)
  }

  #startThread(): Worker {
    // Nothing of the daemon's environment or flags is needed there.
    const worker = new Worker(this.#program, { execArgv: [], env: {}, name: 'longhaul hashing' })
    let cause: unknown
    worker.on('message', (answer: HashingAnswer) => this.#jobs.get(answer.id)?.answered(answer))
    worker.on('error', (error: unknown) => {
      cause = error
    })
    worker.on('exit', () => {
      if (this.#worker !== worker) return
      this.#worker = undefined
      for (const job of this.#jobs.values()) job.threadDied(cause)
    })
    return worker
  }

  /** A read of a disk that hangs cannot be broken off. Whenever it comes back, the thread ends and touches nothing more. */
  async #end(worker: Worker): Promise<void> {
    const enough = Promise.withResolvers<void>()
    const timer = setTimeout(enough.resolve, this.#patienceMs)
    await Promise.race([worker.terminate(), enough.promise])
    clearTimeout(timer)
  }

  #failAll(why: Error): void {
    for (const job of this.#jobs.values()) job.fail(why)
  }
}

/** What a job asks of its hasher. */
interface Desk {
  /** From here on the thread's answers and its death concern it. */
  take(job: FollowedFile): void
  post(request: HashingRequest): void
  drop(job: FollowedFile): void
}

/** Fewer bytes than the thread reads at once are not worth a message. */
const worthTelling = 1 << 20

class FollowedFile implements Following {
  readonly id: number
  readonly #file: HeldFile
  readonly #algorithms: readonly DigestAlgorithm[]
  readonly #desk: Desk
  readonly #result = Promise.withResolvers<ReadonlyMap<DigestAlgorithm, string>>()
  /** Gives the descriptor back. */
  readonly #returned = Promise.withResolvers<void>()
  /** Lent with the first message. */
  #descriptor: number | undefined
  #frontier = 0
  #told = 0
  #size: number | undefined
  #state: 'wanted' | 'stopping' | 'over' = 'wanted'
  /** Threads that have died over it. */
  #deaths = 0

  constructor(id: number, file: HeldFile, algorithms: readonly DigestAlgorithm[], desk: Desk) {
    this.id = id
    this.#file = file
    this.#algorithms = algorithms
    this.#desk = desk
    // It may fail while nobody waits for it; `finish` hears of it.
    this.#result.promise.catch(() => {})
  }

  advance(to: number): void {
    if (to <= this.#frontier || this.#size !== undefined) return
    this.#frontier = to
    if (to - this.#told >= worthTelling) this.#tell()
  }

  async finish(size: number, signal: AbortSignal): Promise<ReadonlyMap<DigestAlgorithm, string>> {
    const onAbort = (): void => this.stop()
    signal.addEventListener('abort', onAbort, { once: true })
    try {
      if (signal.aborted) this.stop()
      if (size < this.#frontier) throw new RangeError(`${this.#frontier} bytes were said to be there, not ${size}`)
      this.#frontier = size
      this.#size = size
      this.#tell()
      // Settled only by the thread's last word, for until then it may be reading.
      return await this.#result.promise
    } catch (error) {
      this.stop()
      signal.throwIfAborted()
      throw error
    } finally {
      signal.removeEventListener('abort', onAbort)
    }
  }

  stop(): void {
    if (this.#state !== 'wanted') return
    if (this.#descriptor === undefined) return this.fail(new Error('stopped'))
    this.#state = 'stopping'
    this.#desk.post({ stop: this.id })
  }

  answered(answer: HashingAnswer): void {
    if (answer.digests !== undefined) {
      this.#result.resolve(new Map(this.#algorithms.map((algorithm, i) => [algorithm, answer.digests![i]!])))
      return this.#end()
    }
    const { message = 'stopped', code } = answer
    const error = Object.assign(new Error(message), code !== undefined && { code })
    this.#result.reject(fileFailure(error, this.#file.path))
    this.#end()
  }

  threadDied(cause: unknown): void {
    this.#deaths++
    if (this.#state === 'stopping') this.fail(new Error('stopped'))
    else if (this.#deaths > 1) this.fail(cause ?? new Error('the hashing thread died twice'))
    else this.#start()
  }

  fail(cause: unknown): void {
    this.#result.reject(new FileFailure('input/output', this.#file.path, { cause }))
    this.#end()
  }

  #tell(): void {
    if (this.#state !== 'wanted') return
    this.#told = this.#frontier
    if (this.#descriptor !== undefined) this.#desk.post({ news: this.#news() })
    // The descriptor is lent: closing the file waits until the thread has let go of its number.
    else this.#file.lend((descriptor) => this.#begin(descriptor)).catch((error: unknown) => this.fail(error))
  }

  #begin(descriptor: number): Promise<void> {
    this.#descriptor = descriptor
    this.#desk.take(this)
    this.#start()
    return this.#returned.promise
  }

  #start(): void {
    const job: HashingJob = { ...this.#news(), descriptor: this.#descriptor!, algorithms: this.#algorithms }
    this.#desk.post({ start: job })
  }

  #news(): HashingNews {
    return { id: this.id, frontier: this.#frontier, size: this.#size }
  }

  #end(): void {
    this.#state = 'over'
    this.#desk.drop(this)
    this.#returned.resolve()
  }
}
