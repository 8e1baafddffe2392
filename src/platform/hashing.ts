/**
 * The real {@link Hasher}: a thread of its own re-reads what is on disk, so that a digest of many gigabytes takes no time
 * from the loop that serves sockets and apps. The thread is started with the first digest. If it dies, its digests begin
 * again in a new one, once; the second time they fail. May touch: node:worker_threads.
 */
import { Worker } from 'node:worker_threads'
import { type File, FileFailure } from '../world/file-system.ts'
import type { Hasher } from '../world/hasher.ts'
import { fileFailure } from './file-failures.ts'
import type { HashingAnswer, HashingJob, HashingRequest } from './hashing-thread.ts'
import { HeldFile } from './held-file.ts'

export interface HashingThread extends Hasher {
  /** Ends the thread; digests under way reject. */
  close(): Promise<void>
}

export interface HasherOptions {
  /** For tests: the program of the thread. */
  readonly program?: URL
}

export function createHasher(options: HasherOptions = {}): HashingThread {
  return new ThreadHasher(options.program ?? threadProgram())
}

/** Type stripping runs the .ts, the published package has the .js: the compiler rewrites imports but not this text. */
function threadProgram(): URL {
  return new URL(`./hashing-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
}

interface Job {
  readonly request: HashingJob
  readonly path: string
  readonly resolve: (digest: string) => void
  readonly reject: (why: unknown) => void
  /** Threads that have died over it. */
  deaths: number
}

class ThreadHasher implements HashingThread {
  readonly #program: URL
  readonly #jobs = new Map<number, Job>()
  #worker: Worker | undefined
  #nextId = 1
  #closed = false

  constructor(program: URL) {
    this.#program = program
  }

  async digest(file: File, size: number, algorithm: 'sha-256', signal: AbortSignal): Promise<string> {
    signal.throwIfAborted()
    if (!(file instanceof HeldFile)) throw new TypeError('this hasher reads files of this file system only')
    // The descriptor is lent: closing the file waits until the thread has let go of its number.
    return file.lend((descriptor) => this.#run(descriptor, file.path, size, algorithm, signal))
  }

  async close(): Promise<void> {
    this.#closed = true
    const worker = this.#worker
    this.#worker = undefined
    await worker?.terminate()
    this.#failAll(new Error('the hasher was closed'))
  }

  #run(descriptor: number, path: string, size: number, algorithm: 'sha-256', signal: AbortSignal): Promise<string> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const id = this.#nextId++
    // Settled only by the thread's last word on it, for until then it may be reading.
    const onAbort = (): void => this.#post({ stop: id })
    const settle = (): void => {
      signal.removeEventListener('abort', onAbort)
      this.#jobs.delete(id)
      if (this.#jobs.size === 0) this.#worker?.unref()
    }
    this.#jobs.set(id, {
      request: { id, descriptor, size, algorithm },
      path,
      deaths: 0,
      resolve: (digest) => {
        settle()
        resolve(digest)
      },
      reject: (why) => {
        settle()
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the reason of the caller's signal, whatever it is
        reject(signal.aborted ? signal.reason : why)
      },
    })
    signal.addEventListener('abort', onAbort, { once: true })
    this.#post({ start: { id, descriptor, size, algorithm } })
    return promise
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
    worker.on('message', (answer: HashingAnswer) => this.#take(answer))
    worker.on('error', (error: unknown) => {
      cause = error
    })
    worker.on('exit', () => {
      if (this.#worker === worker) this.#died(cause)
    })
    return worker
  }

  #take(answer: HashingAnswer): void {
    const job = this.#jobs.get(answer.id)
    if (job === undefined) return
    if (answer.digest !== undefined) {
      job.resolve(answer.digest)
      return
    }
    const error = Object.assign(
      new Error(answer.message ?? 'stopped'),
      answer.code !== undefined && { code: answer.code },
    )
    job.reject(fileFailure(error, job.path))
  }

  #died(cause: unknown): void {
    this.#worker = undefined
    for (const job of this.#jobs.values()) {
      job.deaths++
      if (job.deaths > 1)
        job.reject(
          new FileFailure('input/output', job.path, { cause: cause ?? new Error('the hashing thread died twice') }),
        )
      else this.#post({ start: job.request })
    }
  }

  #failAll(why: Error): void {
    for (const job of this.#jobs.values()) job.reject(new FileFailure('input/output', job.path, { cause: why }))
  }
}
