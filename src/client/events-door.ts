/**
 * The other door for events: `for await`. The same inbox with one event at a time; asking for the next acknowledges the one
 * before, leaving the loop does not (that event comes again).
 */
import { LonghaulError } from '../contract/errors.ts'
import type { DurableEventJson } from '../contract/events.ts'
import { eventObject } from './event-objects.ts'
import type { Consumer } from './ownership.ts'
import type { SessionEvent } from './session-events.ts'
import type { TaskHandles } from './task-handles.ts'

export interface EventsDoorOptions<M> {
  readonly handles: TaskHandles<M>
  readonly acknowledged: (event: DurableEventJson) => void
  readonly lost: (error: LonghaulError) => void
  /** The app left the loop: it is the owner no more. */
  readonly left: () => Promise<void>
}

interface Delivered<M> {
  readonly event: SessionEvent<M>
  /** Lets the inbox settle it. */
  readonly settle: () => void
  /** Resolves when the daemon has committed the acknowledgement. */
  readonly committed: PromiseWithResolvers<void>
}

export class EventsDoor<M> implements Consumer, AsyncIterableIterator<SessionEvent<M>> {
  readonly #options: EventsDoorOptions<M>
  #current: Delivered<M> | undefined
  #queue: Delivered<M> | undefined
  readonly #uncommitted = new Map<number, Delivered<M>>()
  #wake: (() => void) | undefined
  /** The newest question; never rejects. Several at once are answered in turn, as by any async generator. */
  #asked: Promise<unknown> = Promise.resolve()
  #end: { readonly error?: LonghaulError } | undefined

  constructor(options: EventsDoorOptions<M>) {
    this.#options = options
  }

  // ---------------------------------------------------------------- what the ownership calls

  run(json: DurableEventJson, signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const committed = Promise.withResolvers<void>()
    // Nobody may wait for it.
    committed.promise.catch(() => {})
    const object = eventObject<M>(json, this.#options.handles, signal)
    const acknowledge = (): Promise<void> => {
      resolve()
      return committed.promise
    }
    const delivered: Delivered<M> = {
      event: { ...object, acknowledge } as unknown as SessionEvent<M>,
      settle: resolve,
      committed,
    }
    this.#uncommitted.set(json.sequence, delivered)
    this.#queue = delivered
    this.#wake?.()
    return promise
  }

  /** Durable events only come through this door. */
  pass(): void {}

  acknowledged(json: DurableEventJson): void {
    this.#uncommitted.get(json.sequence)?.committed.resolve()
    this.#uncommitted.delete(json.sequence)
    if (json.kind === 'didComplete' && json.task !== undefined) this.#options.handles.forget(json.task.id)
    this.#options.acknowledged(json)
    if (json.kind === 'didBecomeInvalid') this.end()
  }

  lost(error: LonghaulError): void {
    this.#options.lost(error)
    this.end(error)
  }

  /** With an error the loop throws it, without one it is over. */
  end(error?: LonghaulError): void {
    this.#end ??= error === undefined ? {} : { error }
    const why =
      error ??
      new LonghaulError(
        'CANCELLED',
        'The session was closed before the acknowledgement was committed; the event comes again.',
      )
    for (const { settle, committed } of this.#uncommitted.values()) {
      settle()
      committed.reject(why)
    }
    this.#uncommitted.clear()
    this.#wake?.()
  }

  // ---------------------------------------------------------------- what the loop calls

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<SessionEvent<M>, undefined>> {
    const answer = this.#asked.then(() => this.#next())
    this.#asked = answer.catch(() => {})
    return answer
  }

  async #next(): Promise<IteratorResult<SessionEvent<M>, undefined>> {
    this.#current?.settle()
    this.#current = undefined
    const release = this.#options.handles.link.world.keepAlive.hold()
    try {
      for (;;) {
        if (this.#end?.error !== undefined) throw this.#end.error
        if (this.#end !== undefined) return { done: true, value: undefined }
        if (this.#queue !== undefined) {
          this.#current = this.#queue
          this.#queue = undefined
          return { done: false, value: this.#current.event }
        }
        const { promise, resolve } = Promise.withResolvers<void>()
        this.#wake = resolve
        await promise
      }
    } finally {
      this.#wake = undefined
      release()
    }
  }

  async return(): Promise<IteratorResult<SessionEvent<M>, undefined>> {
    if (this.#end === undefined) {
      const release = this.#options.handles.link.world.keepAlive.hold()
      // First not the owner any more, then settled: what the loop did not acknowledge must not be acknowledged now.
      const left = this.#options.left()
      this.end()
      await left.finally(release)
    }
    return { done: true, value: undefined }
  }
}
