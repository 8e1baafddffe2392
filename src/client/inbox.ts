/**
 * The inbox of an owner: which event runs when, and what the daemon is told of it. Each input is answered with
 * actions, which `ownership` carries out, for the delegate and for `for await` alike; beside its own state it touches nothing.
 *
 * An event is *waiting*, then *running* (its callback), then *settled* (told to the daemon, not yet confirmed), then gone.
 * A callback that throws makes it *failed* (it runs again after a pause, three times) and in the end *refused*: it stays
 * back with all later events of its task until the next attach.
 *
 * What always holds, whatever comes in:
 *   - of one task at most one event runs, and they run in the order of their numbers;
 *   - an event of the session itself (no task) runs only when nothing before it is left, but for refused ones and those of
 *     their tasks, which wait for them;
 *   - nothing is acknowledged before its callback settled; what settled is never run again on this attachment;
 *   - nothing runs before `activated`;
 *   - progress of a task whose `didComplete` has started is dropped.
 */
import type { DurableEventJson, PassingEventJson } from '../contract/events.ts'
import type { TaskId } from '../contract/words.ts'

export interface Entry {
  readonly event: DurableEventJson
  readonly state: 'waiting' | 'running' | 'settled' | 'failed' | 'refused'
  /** Times that the callback threw. */
  readonly failures: number
  /** It was told to the daemon that the callback runs long. */
  readonly slow: boolean
}

export type InboxInput =
  /** The daemon delivered an event, perhaps again. */
  | { readonly kind: 'arrived'; readonly event: DurableEventJson }
  | { readonly kind: 'passed'; readonly event: PassingEventJson }
  | { readonly kind: 'activated' }
  /** The callback returned, or its promise resolved. */
  | { readonly kind: 'returned'; readonly sequence: number }
  | { readonly kind: 'threw'; readonly sequence: number; readonly reason: string }
  /** The pause after a failure is over. */
  | { readonly kind: 'again'; readonly sequence: number }
  /** The callback has run for {@link slowAfterMs}. */
  | { readonly kind: 'long'; readonly sequence: number }
  /** The daemon has committed these acknowledgements. */
  | { readonly kind: 'acknowledged'; readonly sequences: readonly number[] }
  /** A new connection: the daemon delivers all that is open once more. */
  | { readonly kind: 'attached' }

export type InboxAction =
  | { readonly do: 'run'; readonly event: DurableEventJson }
  | { readonly do: 'pass'; readonly event: PassingEventJson }
  | { readonly do: 'acknowledge'; readonly sequences: readonly number[] }
  | { readonly do: 'refuse'; readonly sequence: number; readonly reason: string }
  /** Give `again` after so many ms. */
  | { readonly do: 'pause'; readonly sequence: number; readonly ms: number }
  /** Tell the daemon (and, when it begins, the developer). */
  | { readonly do: 'report'; readonly sequence: number; readonly running: boolean }

/** Ms after which a callback that has not settled is named. */
export const slowAfterMs = 10_000
/** Ms of pause before each further run of a callback that threw. */
export const pausesMs: readonly number[] = [1000, 4000, 16_000]
const completedKept = 1000

export class Inbox {
  readonly concurrency: number
  #active = false
  /** By number, ascending. */
  #entries = new Map<number, Entry>()
  /** The highest number in it. */
  #last = 0
  #running = 0
  /** Tasks whose `didComplete` has started, newest last; only so many are remembered. */
  readonly #completed = new Set<TaskId>()

  constructor(concurrency: number) {
    this.concurrency = concurrency
  }

  get active(): boolean {
    return this.#active
  }

  /** By number, ascending. */
  get entries(): ReadonlyMap<number, Entry> {
    return this.#entries
  }

  step(input: InboxInput): readonly InboxAction[] {
    switch (input.kind) {
      case 'arrived':
        return this.#arrived(input.event)
      case 'passed':
        return this.#passes(input.event) ? [{ do: 'pass', event: input.event }] : []
      case 'activated':
        this.#active = true
        return this.#started([])
      case 'returned':
        return this.#returned(input.sequence)
      case 'threw':
        return this.#threw(input.sequence, input.reason)
      case 'again': {
        const entry = this.#inState(input.sequence, 'failed')
        if (entry === undefined) return []
        this.#put({ ...entry, state: 'waiting' })
        return this.#started([])
      }
      case 'long': {
        const entry = this.#inState(input.sequence, 'running')
        if (entry === undefined) return []
        this.#put({ ...entry, slow: true })
        return [{ do: 'report', sequence: input.sequence, running: true }]
      }
      case 'acknowledged':
        for (const sequence of input.sequences)
          if (this.#inState(sequence, 'settled') !== undefined) this.#entries.delete(sequence)
        return this.#started([])
      case 'attached': {
        // What is neither running nor settled comes again, with its number and the truth about `redelivered`, unless another
        // owner has dealt with it meanwhile. What runs goes on running. What settled is acknowledged at once: if only the answer
        // was lost, it never comes again.
        const kept = [...this.#entries].filter(([, entry]) => entry.state === 'running' || entry.state === 'settled')
        this.#hold(kept)
        const sequences = kept.filter(([, entry]) => entry.state === 'settled').map(([sequence]) => sequence)
        return sequences.length === 0 ? [] : [{ do: 'acknowledge', sequences }]
      }
    }
  }

  #arrived(event: DurableEventJson): readonly InboxAction[] {
    const known = this.#entries.get(event.sequence)
    // Its acknowledgement was lost with a connection: say it again.
    if (known?.state === 'settled') return [{ do: 'acknowledge', sequences: [event.sequence] }]
    if (known !== undefined && known.state !== 'waiting') return []
    this.#put({ event, state: 'waiting', failures: 0, slow: false })
    return this.#started([])
  }

  #returned(sequence: number): readonly InboxAction[] {
    const entry = this.#inState(sequence, 'running')
    if (entry === undefined) return []
    const report: readonly InboxAction[] = entry.slow ? [{ do: 'report', sequence, running: false }] : []
    this.#put({ ...entry, state: 'settled', slow: false })
    return this.#started([...report, { do: 'acknowledge', sequences: [sequence] }])
  }

  #threw(sequence: number, reason: string): readonly InboxAction[] {
    const entry = this.#inState(sequence, 'running')
    if (entry === undefined) return []
    const failures = entry.failures + 1
    const report: readonly InboxAction[] = entry.slow ? [{ do: 'report', sequence, running: false }] : []
    const ms = pausesMs[failures - 1]
    this.#put({ ...entry, state: ms === undefined ? 'refused' : 'failed', failures, slow: false })
    return this.#started([
      ...report,
      ms === undefined ? { do: 'refuse', sequence, reason } : { do: 'pause', sequence, ms },
    ])
  }

  /** Starts what may start now: the lowest numbers first, while there is room. */
  #started(before: readonly InboxAction[]): readonly InboxAction[] {
    if (!this.#active || this.#running >= this.concurrency) return before
    const actions = [...before]
    /** Tasks with an event before this one that is not done with; undefined stands for the session itself. */
    const busy = new Set<TaskId | undefined>()
    /** Tasks with a refused event before this one: nothing more of them runs on this attachment. */
    const heldBack = new Set<TaskId>()
    let open = 0
    for (const entry of this.#entries.values()) {
      if (this.#running >= this.concurrency) break
      const task = entry.event.task?.id
      const first = !busy.has(task) && !busy.has(undefined) && (task !== undefined || open === 0)
      if (entry.state === 'waiting' && first) {
        this.#put({ ...entry, state: 'running' })
        if (entry.event.kind === 'didComplete' && task !== undefined) this.#complete(task)
        // What threw may have done its work before.
        actions.push({ do: 'run', event: entry.failures > 0 ? { ...entry.event, redelivered: true } : entry.event })
      }
      if (entry.state === 'settled') continue
      busy.add(task)
      // A refused event holds back its own task, and an event of the session would wait for both of them for ever.
      if (entry.state === 'refused') {
        if (task === undefined) busy.delete(undefined)
        else heldBack.add(task)
      } else if (task === undefined || !heldBack.has(task)) open++
    }
    return actions
  }

  #complete(task: TaskId): void {
    this.#completed.add(task)
    if (this.#completed.size <= completedKept) return
    for (const oldest of this.#completed) {
      this.#completed.delete(oldest)
      break
    }
  }

  #passes(event: PassingEventJson): boolean {
    return this.#active && !this.#completed.has(event.task)
  }

  #put(entry: Entry): void {
    const { sequence } = entry.event
    const before = this.#entries.get(sequence)
    if (before?.state === 'running') this.#running--
    if (entry.state === 'running') this.#running++
    this.#entries.set(sequence, entry)
    if (before !== undefined || sequence >= this.#last) {
      this.#last = Math.max(this.#last, sequence)
      return
    }
    // Numbers nearly always come in order; only after a new attachment may an earlier one come behind one that still runs.
    this.#hold([...this.#entries].toSorted(([a], [b]) => a - b))
  }

  /** In this order. */
  #hold(entries: readonly (readonly [number, Entry])[]): void {
    this.#entries = new Map(entries)
    this.#last = entries.at(-1)?.[0] ?? 0
  }

  /** An input about an event that is not in the state it speaks of is late, and changes nothing. */
  #inState(sequence: number, wanted: Entry['state']): Entry | undefined {
    const entry = this.#entries.get(sequence)
    return entry?.state === wanted ? entry : undefined
  }
}
