/**
 * The inbox of an owner: which event runs when, and what the daemon is told of it. A pure function
 * `(state, input) -> (state, actions)`; `ownership` carries the actions out, for the delegate and for `for await` alike.
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

export type Entry = {
  readonly event: DurableEventJson
  readonly state: 'waiting' | 'running' | 'settled' | 'failed' | 'refused'
  /** Times that the callback threw. */
  readonly failures: number
  /** It was told to the daemon that the callback runs long. */
  readonly slow: boolean
}

export interface Inbox {
  readonly active: boolean
  readonly concurrency: number
  /** By number, ascending. */
  readonly entries: ReadonlyMap<number, Entry>
  /** Tasks whose `didComplete` has started, newest last; only so many are remembered. */
  readonly completed: ReadonlySet<TaskId>
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

export type Step = readonly [state: Inbox, actions: readonly InboxAction[]]

/** Ms after which a callback that has not settled is named. */
export const slowAfterMs = 10_000
/** Ms of pause before each further run of a callback that threw. */
export const pausesMs: readonly number[] = [1000, 4000, 16_000]
const completedKept = 1000

export function emptyInbox(concurrency: number): Inbox {
  return { active: false, concurrency, entries: new Map(), completed: new Set() }
}

export function step(state: Inbox, input: InboxInput): Step {
  switch (input.kind) {
    case 'arrived':
      return arrived(state, input.event)
    case 'passed':
      return [state, passes(state, input.event) ? [{ do: 'pass', event: input.event }] : []]
    case 'activated':
      return started({ ...state, active: true }, [])
    case 'returned':
      return returned(state, input.sequence)
    case 'threw':
      return threw(state, input.sequence, input.reason)
    case 'again':
      return withState(state, input.sequence, 'failed', (entry) =>
        started(put(state, { ...entry, state: 'waiting' }), []),
      )
    case 'long':
      return withState(state, input.sequence, 'running', (entry) => [
        put(state, { ...entry, slow: true }),
        [{ do: 'report', sequence: input.sequence, running: true }],
      ])
    case 'acknowledged': {
      const entries = new Map(state.entries)
      for (const sequence of input.sequences) if (entries.get(sequence)?.state === 'settled') entries.delete(sequence)
      return started({ ...state, entries }, [])
    }
    case 'attached': {
      // What is neither running nor settled comes again, with its number and the truth about `redelivered`, unless another
      // owner has dealt with it meanwhile. What runs goes on running. What settled is acknowledged at once: if only the answer
      // was lost, it never comes again.
      const kept = [...state.entries].filter(([, entry]) => entry.state === 'running' || entry.state === 'settled')
      const sequences = kept.filter(([, entry]) => entry.state === 'settled').map(([sequence]) => sequence)
      const next: Inbox = { ...state, entries: new Map(kept) }
      return [next, sequences.length === 0 ? [] : [{ do: 'acknowledge', sequences }]]
    }
  }
}

function arrived(state: Inbox, event: DurableEventJson): Step {
  const known = state.entries.get(event.sequence)
  // Its acknowledgement was lost with a connection: say it again.
  if (known?.state === 'settled') return [state, [{ do: 'acknowledge', sequences: [event.sequence] }]]
  if (known !== undefined && known.state !== 'waiting') return [state, []]
  return started(put(state, { event, state: 'waiting', failures: 0, slow: false }), [])
}

function returned(state: Inbox, sequence: number): Step {
  return withState(state, sequence, 'running', (entry) => {
    const report: readonly InboxAction[] = entry.slow ? [{ do: 'report', sequence, running: false }] : []
    const settled = put(state, { ...entry, state: 'settled', slow: false })
    return started(settled, [...report, { do: 'acknowledge', sequences: [sequence] }])
  })
}

function threw(state: Inbox, sequence: number, reason: string): Step {
  return withState(state, sequence, 'running', (entry) => {
    const failures = entry.failures + 1
    const report: readonly InboxAction[] = entry.slow ? [{ do: 'report', sequence, running: false }] : []
    const ms = pausesMs[failures - 1]
    if (ms !== undefined) {
      return started(put(state, { ...entry, state: 'failed', failures, slow: false }), [
        ...report,
        { do: 'pause', sequence, ms },
      ])
    }
    return started(put(state, { ...entry, state: 'refused', failures, slow: false }), [
      ...report,
      { do: 'refuse', sequence, reason },
    ])
  })
}

/** Starts what may start now: the lowest numbers first, while there is room. */
function started(state: Inbox, before: readonly InboxAction[]): Step {
  if (!state.active) return [state, before]
  let running = 0
  for (const entry of state.entries.values()) if (entry.state === 'running') running++
  const actions = [...before]
  const entries = new Map(state.entries)
  const completed = new Set(state.completed)
  /** Tasks with an event before this one that is not done with; undefined stands for the session itself. */
  const busy = new Set<TaskId | undefined>()
  /** Tasks with a refused event before this one: nothing more of them runs on this attachment. */
  const heldBack = new Set<TaskId>()
  let open = 0
  for (const [sequence, entry] of state.entries) {
    const task = entry.event.task?.id
    const first = !busy.has(task) && !busy.has(undefined) && (task !== undefined || open === 0)
    if (entry.state === 'waiting' && first && running < state.concurrency) {
      entries.set(sequence, { ...entry, state: 'running' })
      if (entry.event.kind === 'didComplete' && task !== undefined) completed.add(task)
      // What threw may have done its work before.
      actions.push({ do: 'run', event: entry.failures > 0 ? { ...entry.event, redelivered: true } : entry.event })
      running++
    }
    if (entry.state === 'settled') continue
    busy.add(task)
    // A refused event holds back its own task, and an event of the session would wait for both of them for ever.
    if (entry.state === 'refused') {
      if (task === undefined) busy.delete(undefined)
      else heldBack.add(task)
    } else if (task === undefined || !heldBack.has(task)) open++
  }
  for (const task of completed) {
    if (completed.size <= completedKept) break
    completed.delete(task)
  }
  return [{ ...state, entries, completed }, actions]
}

function passes(state: Inbox, event: PassingEventJson): boolean {
  return state.active && !state.completed.has(event.task)
}

function put(state: Inbox, entry: Entry): Inbox {
  const { sequence } = entry.event
  const last = [...state.entries.keys()].at(-1)
  const entries = new Map(state.entries).set(sequence, entry)
  // Numbers nearly always come in order; only after a new attachment may an earlier one come behind one that still runs.
  if (last === undefined || last <= sequence) return { ...state, entries }
  return { ...state, entries: new Map([...entries].toSorted(([a], [b]) => a - b)) }
}

/** An input about an event that is not in the state it speaks of is late, and changes nothing. */
function withState(state: Inbox, sequence: number, wanted: Entry['state'], then: (entry: Entry) => Step): Step {
  const entry = state.entries.get(sequence)
  return entry?.state === wanted ? then(entry) : [state, []]
}
