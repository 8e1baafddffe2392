/**
 * The program of the hashing thread: follows files that grow, by lent descriptors and positional reads. A block a turn for
 * each job, so that many share the thread fairly and a word from outside is heard between two turns; a block is read once for
 * all digests of its job. May touch: descriptors lent by `hashing`.
 */
import { readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'
import type { DigestAlgorithm } from '../contract/digests.ts'
import { runningDigest, type RunningDigest } from './running-digest.ts'

/** How far the file of a job has grown. */
export interface HashingNews {
  readonly id: number
  /** The bytes [0, frontier) are there. */
  readonly frontier: number
  /** Bytes of the whole, once known; then all of them are there. */
  readonly size: number | undefined
}

export interface HashingJob extends HashingNews {
  readonly descriptor: number
  readonly algorithms: readonly DigestAlgorithm[]
}

/** `news` of a job that has been answered are ignored: its descriptor is not lent any more. */
export type HashingRequest = { readonly start: HashingJob } | { readonly news: HashingNews } | { readonly stop: number }

/** Exactly one for each job, and after it the thread uses the descriptor no more. Without digests: failed or stopped. */
export interface HashingAnswer {
  readonly id: number
  /** In the order of the job's algorithms. */
  readonly digests?: readonly string[]
  readonly message?: string
  readonly code?: string
}

interface Running {
  readonly job: HashingJob
  readonly digests: readonly RunningDigest[]
  news: HashingNews
  at: number
}

const blockSize = 1 << 20

const running = new Map<number, Running>()
const block = Buffer.allocUnsafe(blockSize)
let turnIsDue = false

function begin(job: HashingJob): void {
  running.set(job.id, { job, digests: job.algorithms.map(runningDigest), news: job, at: 0 })
}

function answer(message: HashingAnswer): void {
  running.delete(message.id)
  parentPort?.postMessage(message)
}

/** While the file grows only whole blocks are worth a read. */
function next({ news: { frontier, size }, at }: Running): number {
  if (size !== undefined) return Math.min(blockSize, size - at)
  return frontier - at >= blockSize ? blockSize : 0
}

function step(follower: Running): void {
  const { job, digests } = follower
  try {
    const wanted = next(follower)
    if (wanted > 0) {
      const read = readSync(job.descriptor, block, 0, wanted, follower.at)
      if (read === 0) throw new Error(`the file ends at ${follower.at} bytes, before others that were to be read`)
      for (const digest of digests) digest.update(block.subarray(0, read))
      follower.at += read
    }
    if (follower.at === follower.news.size) answer({ id: job.id, digests: digests.map((digest) => digest.hex()) })
  } catch (error) {
    fail(job.id, error)
  }
}

function fail(id: number, error: unknown): void {
  const message = error instanceof Error ? error.message : String(error)
  answer({ id, message, ...(error instanceof Error && 'code' in error && { code: String(error.code) }) })
}

function isReady(follower: Running): boolean {
  return follower.news.size !== undefined || next(follower) > 0
}

function turn(): void {
  turnIsDue = false
  for (const follower of running.values()) if (isReady(follower)) step(follower)
  wake()
}

function wake(): void {
  if (turnIsDue || !running.values().some(isReady)) return
  turnIsDue = true
  setImmediate(turn)
}

parentPort?.on('message', (request: HashingRequest) => {
  if ('start' in request) {
    try {
      begin(request.start)
    } catch (error) {
      // An algorithm that this build of Node does not have.
      fail(request.start.id, error)
    }
  } else if ('stop' in request) {
    if (running.has(request.stop)) answer({ id: request.stop, message: 'stopped' })
  } else {
    const follower = running.get(request.news.id)
    if (follower !== undefined) follower.news = request.news
  }
  wake()
})
