/**
 * One limit of the tree: tokens (bytes that may pass) that grow with time up to a burst. A node without a limit lets
 * everything pass and keeps no tokens.
 *
 * What was promised to an attempt below and is not used yet counts against the burst, so that over any time t no more
 * passes than `limit × t + burst`, whoever uses it.
 */
import type { SlowedBy } from '../assignment.ts'

/** A burst is what comes in so many ms: enough for a timer that is late, and too little to be felt. */
const burstMs = 100
/** Below this nothing would be gained by being exact. */
const smallestBurst = 1024

export class Bucket {
  readonly level: SlowedBy['level']
  readonly parent: Bucket | undefined
  readonly children: Set<Bucket> = new Set()
  /** Open attempts in and below it. */
  attempts = 0
  /** Those of them that wait. */
  waiting = 0
  tokens = 0
  #bytesPerSecond: number | undefined
  #filledMs = 0

  constructor(level: SlowedBy['level'], parent: Bucket | undefined) {
    this.level = level
    this.parent = parent
    parent?.children.add(this)
  }

  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond
  }

  /** Tokens and promises together never exceed it. Infinity: no limit. */
  get burst(): number {
    if (this.#bytesPerSecond === undefined) return Infinity
    return Math.max((this.#bytesPerSecond * burstMs) / 1000, smallestBurst, 2 * this.attempts)
  }

  /** A limit that is new begins with its burst. The caller has filled it up to now by the old one. */
  limit(bytesPerSecond: number | undefined, nowMs: number): void {
    const isNew = this.#bytesPerSecond === undefined
    this.#bytesPerSecond = bytesPerSecond
    this.#filledMs = nowMs
    this.tokens = Math.min(isNew ? Infinity : this.tokens, bytesPerSecond === undefined ? 0 : this.burst)
  }

  /**
   * Adds what has come since the last time. Time in which the machine slept gives no more than a burst.
   * @param promised bytes that attempts below may use already
   */
  fill(nowMs: number, promised: number): void {
    if (this.#bytesPerSecond === undefined) return
    const earned = (Math.max(0, nowMs - this.#filledMs) * this.#bytesPerSecond) / 1000
    this.#filledMs = nowMs
    this.tokens = Math.min(this.tokens + earned, Math.max(0, this.burst - promised))
  }

  spend(bytes: number): void {
    if (this.#bytesPerSecond !== undefined) this.tokens -= bytes
  }

  /** How much may pass now. */
  get room(): number {
    return this.#bytesPerSecond === undefined ? Infinity : Math.max(0, this.tokens)
  }

  /** An attempt opened or closed, began or ceased to wait, here and above. */
  count(what: 'attempts' | 'waiting', change: 1 | -1): void {
    this[what] += change
    this.parent?.count(what, change)
  }
}
