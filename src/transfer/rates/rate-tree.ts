/**
 * The bandwidth limits of the daemon, its sessions and their tasks, as one tree. A byte that is taken is paid for at its task,
 * its session and the daemon, wherever there is a limit.
 *
 * The tokens of the tree are given out in **rounds**: each takes back what was promised and not used, adds what time has
 * brought, and divides all of it from the top down, at each node in equal parts among those that want some (max-min). So a
 * child uses what its parent has while the others do not want it, and gets its part at the next round when they do. Who has
 * used up a promise while nobody else waits causes a round at once; else it waits for the next, a slot later. One timer for
 * the whole tree is armed while somebody waits, none otherwise. Where no limit holds, nothing is asked and nothing counted.
 */
import type { TaskId } from '../../contract/words.ts'
import type { Clock, Timer } from '../../world/clock.ts'
import type { RateNode, SlowedBy } from '../assignment.ts'
import { Bucket } from './bucket.ts'
import { fairShares } from './fair-shares.ts'
import { Leaf, type Throttle } from './throttle.ts'

/** Between two rounds while somebody waits. A burst is four of them, so a timer may be late. */
const slotMs = 25
/** So long after a wait a transfer still counts as slowed down. */
const slowedMs = 1000

export class RateTree {
  readonly #clock: Clock
  readonly #root = new Bucket('daemon', undefined)
  /** Those that have a limit or open attempts. */
  readonly #sessions = new Map<number, Bucket>()
  readonly #leaves = new Map<TaskId, Leaf>()
  #timer: Timer | undefined
  #turnedMs = -Infinity

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** An attempt begins. @param bytesPerSecond the task's own limit */
  open(of: {
    readonly task: TaskId
    readonly session: number
    readonly bytesPerSecond?: number | undefined
  }): Throttle {
    this.#leaves.get(of.task)?.close()
    const leaf = new Leaf(
      this.#session(of.session),
      (asking) => this.#ask(asking),
      (closed) => this.#forget(of, closed),
    )
    this.#leaves.set(of.task, leaf)
    leaf.count('attempts', 1)
    leaf.limit(of.bytesPerSecond, this.#clock.steady())
    this.#measure()
    return leaf
  }

  /** Takes effect at once, also for those that wait. Of a task: for the attempt that is open. */
  limit(node: RateNode, bytesPerSecond: number | undefined): void {
    const bucket = this.#bucket(node)
    if (bucket === undefined || bucket.bytesPerSecond === bytesPerSecond) return
    // What was earned until now was earned by the old limit; what was promised by it is taken back.
    const nowMs = this.#clock.steady()
    this.#collect(this.#root, nowMs)
    bucket.limit(bytesPerSecond, nowMs)
    this.#measure()
    this.#round(nowMs)
    if (node.level === 'session') this.#tidy(node.session)
  }

  /** The limit for which this task waits now, or has just waited. */
  slowedBy(task: TaskId): SlowedBy | undefined {
    const leaf = this.#leaves.get(task)
    if (leaf?.slowed === undefined) return undefined
    const { by, atMs } = leaf.slowed
    if (by.bytesPerSecond === undefined) return undefined
    if (!leaf.isWaiting && this.#clock.steady() - atMs > slowedMs) return undefined
    return { level: by.level, bytesPerSecond: by.bytesPerSecond }
  }

  #bucket(node: RateNode): Bucket | undefined {
    if (node.level === 'daemon') return this.#root
    return node.level === 'session' ? this.#session(node.session) : this.#leaves.get(node.task)
  }

  #session(session: number): Bucket {
    let found = this.#sessions.get(session)
    if (found === undefined) this.#sessions.set(session, (found = new Bucket('session', this.#root)))
    return found
  }

  /** A session with a limit stays: many short attempts, one after another, must not get a burst each. */
  #tidy(session: number): void {
    const bucket = this.#sessions.get(session)
    if (bucket === undefined || bucket.attempts > 0 || bucket.bytesPerSecond !== undefined) return
    this.#sessions.delete(session)
    this.#root.children.delete(bucket)
  }

  #forget({ task, session }: { readonly task: TaskId; readonly session: number }, leaf: Leaf): void {
    for (let above = leaf.parent; above !== undefined; above = above.parent) above.spend(-leaf.promised)
    leaf.count('attempts', -1)
    leaf.parent?.children.delete(leaf)
    if (this.#leaves.get(task) === leaf) this.#leaves.delete(task)
    this.#tidy(session)
    this.#measure()
    if (this.#root.waiting === 0) this.#disarm()
  }

  /**
   * How large a piece each may ask for: half a burst, divided among all that share it. So the parts that are paid of pieces
   * that wait can never use up the burst and keep each other from the rest.
   */
  #measure(): void {
    for (const leaf of this.#leaves.values()) {
      let step = Infinity
      for (let at: Bucket | undefined = leaf; at !== undefined; at = at.parent)
        step = Math.min(step, at.burst / (2 * Math.max(1, at.attempts)))
      leaf.step = step === Infinity ? undefined : Math.max(1, Math.floor(step))
    }
  }

  #ask(leaf: Leaf): void {
    const nowMs = this.#clock.steady()
    if (!isContended(leaf)) return this.#round(nowMs)
    note(leaf, nowMs)
    this.#arm(nowMs)
  }

  #round(nowMs: number): void {
    this.#collect(this.#root, nowMs)
    const wanted = new Map<Bucket, number>()
    const demand = demandOf(this.#root, wanted)
    if (demand > 0) give(this.#root, demand, wanted)
    for (const leaf of this.#leaves.values()) {
      leaf.serve()
      if (leaf.isWaiting) note(leaf, nowMs)
    }
    if (nowMs - this.#turnedMs >= slotMs) {
      this.#turnedMs = nowMs
      for (const leaf of this.#leaves.values()) leaf.turn()
    }
    if (this.#root.waiting > 0) this.#arm(nowMs)
    else this.#disarm()
  }

  /** Takes back what is not used and adds what time has brought. What pieces that wait have paid stays with them. */
  #collect(bucket: Bucket, nowMs: number): number {
    let promised = 0
    if (bucket instanceof Leaf) {
      if (bucket.isWaiting) promised = Math.max(0, bucket.promised)
      else if (bucket.promised > 0) {
        for (let at: Bucket | undefined = bucket; at !== undefined; at = at.parent) at.spend(-bucket.promised)
        bucket.promised = 0
      }
    }
    for (const child of bucket.children) promised += this.#collect(child, nowMs)
    bucket.fill(nowMs, promised)
    return promised
  }

  #arm(nowMs: number): void {
    this.#timer ??= this.#clock.timer(nowMs + slotMs, () => {
      this.#timer = undefined
      this.#round(this.#clock.steady())
    })
  }

  #disarm(): void {
    this.#timer?.cancel()
    this.#timer = undefined
  }
}

/** Whether somebody else waits for a limit that this one has to keep too. */
function isContended(leaf: Leaf): boolean {
  for (let at = leaf.parent; at !== undefined; at = at.parent)
    if (at.bytesPerSecond !== undefined && at.waiting > 1) return true
  return false
}

/** What a node could pass on now, noted for each below. */
function demandOf(bucket: Bucket, wanted: Map<Bucket, number>): number {
  let below = bucket instanceof Leaf && bucket.step !== undefined ? bucket.demand : 0
  for (const child of bucket.children) below += demandOf(child, wanted)
  const demand = Math.min(bucket.room, below)
  wanted.set(bucket, demand)
  return demand
}

function give(bucket: Bucket, bytes: number, wanted: ReadonlyMap<Bucket, number>): void {
  bucket.spend(bytes)
  if (bucket instanceof Leaf) {
    bucket.promised += bytes
    return
  }
  const asking = [...bucket.children].filter((child) => (wanted.get(child) ?? 0) > 0)
  const shares = fairShares(
    bytes,
    asking.map((child) => wanted.get(child)!),
  )
  for (const [index, child] of asking.entries()) give(child, shares[index]!, wanted)
}

/** It waits for the limit that has least left: for the task's own rather than its session's, that rather than the daemon's. */
function note(leaf: Leaf, atMs: number): void {
  let by: Bucket = leaf
  for (let at: Bucket | undefined = leaf; at !== undefined; at = at.parent) if (at.room < by.room) by = at
  leaf.slowed = { by, atMs }
}
