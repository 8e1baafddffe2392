// A daemon and an app around the inbox: delivers events of a window, runs callbacks, counts acknowledgements, breaks the
// connection. Every step checks what always has to hold.
import assert from 'node:assert/strict'
import type { DurableEventJson } from '../../src/contract/events.ts'
import type { TaskRecord } from '../../src/contract/task.ts'
import { Inbox, type InboxInput } from '../../src/client/inbox.ts'

/** Event number 1, 2, … belongs to the task of that place; undefined: to the session. */
export type Plan = readonly (string | undefined)[]

export class InboxDriver {
  readonly inbox: Inbox
  readonly #plan: Plan
  /** The last of each task is its didComplete. */
  readonly #last: ReadonlyMap<string | undefined, number>
  readonly running: number[] = []
  readonly paused: number[] = []
  readonly refused: Set<number> = new Set()
  /** Sent to the daemon, not committed. */
  readonly sent: number[] = []
  readonly committed: Set<number> = new Set()
  readonly order: number[] = []
  readonly runs: Map<number, number> = new Map()
  readonly settled: Set<number> = new Set()
  readonly reports: { readonly sequence: number; readonly running: boolean }[] = []
  readonly pauses: number[] = []
  delivered = 0
  activated = false

  constructor(plan: Plan, concurrency: number) {
    this.#plan = plan
    this.#last = new Map(plan.map((task, at) => [task, at + 1]))
    this.inbox = new Inbox(concurrency)
  }

  eventOf(sequence: number): DurableEventJson {
    const id = this.#plan[sequence - 1]
    const facts = { sequence, redelivered: false, timeMs: 0 }
    if (id === undefined) return { ...facts, kind: 'didFinishEvents', body: { blocked: [] } }
    const task = { id } as TaskRecord
    if (this.#last.get(id) === sequence) return { ...facts, kind: 'didComplete', task, body: {} }
    return { ...facts, kind: 'didResumeAtOffset', task, body: { fileOffset: sequence } }
  }

  deliver(): void {
    if (this.delivered < this.#plan.length) this.give({ kind: 'arrived', event: this.eventOf(++this.delivered) })
  }

  activate(): void {
    this.activated = true
    this.give({ kind: 'activated' })
  }

  returns(at: number): void {
    const sequence = this.running.splice(at % Math.max(1, this.running.length), 1)[0]
    if (sequence === undefined) return
    this.settled.add(sequence)
    this.give({ kind: 'returned', sequence })
  }

  throws(at: number): void {
    const sequence = this.running.splice(at % Math.max(1, this.running.length), 1)[0]
    if (sequence !== undefined) this.give({ kind: 'threw', sequence, reason: 'no' })
  }

  pauseOver(at: number): void {
    const sequence = this.paused.splice(at % Math.max(1, this.paused.length), 1)[0]
    if (sequence !== undefined) this.give({ kind: 'again', sequence })
  }

  /** The daemon commits all that was sent, and says so. */
  commit(): void {
    const sequences = this.sent.splice(0)
    for (const sequence of sequences) this.committed.add(sequence)
    if (sequences.length > 0) this.give({ kind: 'acknowledged', sequences })
  }

  /** The connection breaks; `heard`: the daemon had committed what was sent, only its answer was lost. All open events come again. */
  breaks(heard: boolean): void {
    if (heard) for (const sequence of this.sent) this.committed.add(sequence)
    this.sent.length = 0
    this.refused.clear()
    this.give({ kind: 'attached' })
    const upTo = this.delivered
    for (let sequence = 1; sequence <= upTo; sequence++) {
      if (!this.committed.has(sequence)) this.give({ kind: 'arrived', event: this.eventOf(sequence) })
    }
  }

  give(input: InboxInput): void {
    for (const action of this.inbox.step(input)) {
      switch (action.do) {
        case 'run':
          this.#checkRun(action.event.sequence)
          this.running.push(action.event.sequence)
          this.order.push(action.event.sequence)
          this.runs.set(action.event.sequence, (this.runs.get(action.event.sequence) ?? 0) + 1)
          break
        case 'acknowledge':
          for (const sequence of action.sequences) {
            assert.ok(this.settled.has(sequence), `event ${sequence} was acknowledged before its callback settled`)
            this.sent.push(sequence)
          }
          break
        case 'refuse':
          this.refused.add(action.sequence)
          break
        case 'pause':
          this.paused.push(action.sequence)
          this.pauses.push(action.ms)
          break
        case 'report':
          this.reports.push({ sequence: action.sequence, running: action.running })
          break
        case 'pass':
          break
      }
    }
    assert.ok(this.running.length <= this.inbox.concurrency, 'more callbacks run than are allowed')
  }

  #checkRun(sequence: number): void {
    assert.ok(this.activated, `event ${sequence} ran before activate`)
    assert.ok(!this.settled.has(sequence), `event ${sequence} ran again after it had settled`)
    const task = this.#plan[sequence - 1]
    for (const other of this.running) {
      assert.notEqual(this.#plan[other - 1], task, `two events of one task ran at once: ${other} and ${sequence}`)
    }
    for (let before = 1; before < sequence; before++) {
      const sameTask = this.#plan[before - 1] === task
      const mustBeDone = sameTask || (task === undefined && !this.#isHeldBack(before))
      if (mustBeDone) assert.ok(this.settled.has(before), `event ${sequence} ran before ${before} had settled`)
    }
  }

  /** It was refused, or an earlier event of its task was. */
  #isHeldBack(sequence: number): boolean {
    const task = this.#plan[sequence - 1]
    if (task === undefined) return this.refused.has(sequence)
    return [...this.refused].some((refused) => refused <= sequence && this.#plan[refused - 1] === task)
  }
}
