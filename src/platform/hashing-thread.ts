/**
 * The program of the hashing thread: reads a lent descriptor by position and digests it, a block at a time, so that
 * several digests share the thread and a stop is heard between two blocks. May touch: descriptors lent by `hashing`.
 */
import { createHash } from 'node:crypto'
import { readSync } from 'node:fs'
import { parentPort } from 'node:worker_threads'

export interface HashingJob {
  readonly id: number
  readonly descriptor: number
  /** Bytes from the start of the file. */
  readonly size: number
  readonly algorithm: 'sha-256'
}

export type HashingRequest = { readonly start: HashingJob } | { readonly stop: number }

/** Exactly one for each job, and after it the thread uses the descriptor no more. Without digest: failed or stopped. */
export interface HashingAnswer {
  readonly id: number
  readonly digest?: string
  readonly message?: string
  readonly code?: string
}

const blockSize = 1 << 20
const names = { 'sha-256': 'sha256' } as const

const running = new Set<number>()
const block = Buffer.allocUnsafe(blockSize)

function answer(message: HashingAnswer): void {
  parentPort?.postMessage(message)
}

function begin(job: HashingJob): void {
  const hash = createHash(names[job.algorithm])
  running.add(job.id)
  let at = 0
  const step = (): void => {
    if (!running.has(job.id)) return answer({ id: job.id, message: 'stopped' })
    try {
      if (at < job.size) {
        const read = readSync(job.descriptor, block, 0, Math.min(blockSize, job.size - at), at)
        if (read === 0) throw new Error(`the file ends at ${at} bytes, before the ${job.size} that were to be read`)
        hash.update(block.subarray(0, read))
        at += read
      }
      if (at < job.size) {
        setImmediate(step)
        return
      }
      running.delete(job.id)
      answer({ id: job.id, digest: hash.digest('hex') })
    } catch (error) {
      running.delete(job.id)
      const message = error instanceof Error ? error.message : String(error)
      answer({ id: job.id, message, ...(error instanceof Error && 'code' in error && { code: String(error.code) }) })
    }
  }
  step()
}

parentPort?.on('message', (request: HashingRequest) => {
  if ('start' in request) begin(request.start)
  else running.delete(request.stop)
})
