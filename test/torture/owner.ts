/**
 * The app of the torture: it speaks to the daemon over the socket as the client library does, and writes down what it was told
 * ({@link Facts}), so that each promise can be held against what a later life of the daemon knows.
 */
import type { DurableEventJson } from '../../src/contract/events.ts'
import type { NewTask, TaskRecord } from '../../src/contract/task.ts'
import { protocolVersions, type Notes, type Params, type Result, type Verb } from '../../src/contract/verbs.ts'
import type { TaskId } from '../../src/contract/words.ts'
import { createClock, random } from '../../src/platform/clock.ts'
import { userSecret } from '../../src/platform/secret.ts'
import { greet } from '../../src/wire/handshake.ts'
import { connectLocal } from '../../src/wire/local-socket.ts'
import type { Peer } from '../../src/wire/peer.ts'
import { mustHold } from './breach.ts'
import type { DaemonUnderTest } from './daemon-under-test.ts'

const session = 'com.example.torture'
const again = { retry: { initialDelayMs: 1, maximumDelayMs: 50 } }

/** What the app was told, over all lives of the daemon. */
export interface Facts {
  /** Tasks whose `add` was answered: these survive. */
  readonly answered: Set<TaskId>
  readonly received: Map<number, DurableEventJson>
  /** Numbers whose acknowledgement was answered: these never come again. */
  readonly acknowledged: Set<number>
}

export function noFacts(): Facts {
  return { answered: new Set(), received: new Map(), acknowledged: new Set() }
}

export class Owner {
  readonly #facts: Facts
  readonly #peer: Peer
  readonly #watchers = new Set<() => void>()
  #fence = 0
  #failure: Error | undefined

  /** Connects and becomes the owner of the session, whose events are acknowledged one by one from now on. */
  static async attach(daemon: DaemonUnderTest, facts: Facts): Promise<Owner> {
    const early: Notes['event'][] = []
    let take = (note: Notes['event']): void => void early.push(note)
    const { peer } = await greet(await connectLocal(daemon.socket), {
      secret: await userSecret(daemon.home),
      versions: protocolVersions,
      clock: createClock(),
      random,
      serve: () => ({
        notes: {
          event: (note: unknown) => take(note as Notes['event']),
          passing: () => {},
          progress: () => {},
          ended: () => {},
        },
      }),
    })
    const owner = new Owner(facts, peer)
    take = (note) => owner.#take(note)
    for (const note of early) take(note)
    const methods = ['didFinishDownloading', 'didComplete']
    const opened = await owner.ask('session.open', {
      identifier: session,
      configuration: again,
      strictConfiguration: false,
      own: { methods, takeover: true },
    })
    owner.#fence = opened.fence!
    await owner.ask('session.activate', { identifier: session, fence: owner.#fence })
    // The answer to an acknowledgement may be all that the fault took: such an event does not come again, and is not to.
    for (const sequence of facts.received.keys())
      if (!facts.acknowledged.has(sequence)) void owner.#acknowledge(sequence)
    return owner
  }

  private constructor(facts: Facts, peer: Peer) {
    this.#facts = facts
    this.#peer = peer
    void peer.closed.then((why) => this.#fail(why))
  }

  get isConnected(): boolean {
    return this.#failure === undefined
  }

  ask<V extends Verb>(verb: V, params: Params<V>): Promise<Result<V>> {
    return this.#peer.call(verb, params) as Promise<Result<V>>
  }

  async add(task: NewTask): Promise<void> {
    await this.ask('task.add', { session, tasks: [task] })
    this.#facts.answered.add(task.id)
  }

  find(id: TaskId): Promise<TaskRecord | null> {
    return this.ask('task.get', { id })
  }

  /** Resolves when this task's end was received and its acknowledgement answered. Rejects when the daemon is gone. */
  async completed(id: TaskId): Promise<void> {
    await this.#until(() => {
      const end = this.#facts.received.values().find(({ kind, task }) => kind === 'didComplete' && task?.id === id)
      return end !== undefined && this.#facts.acknowledged.has(end.sequence)
    })
  }

  close(): void {
    this.#peer.close(new Error('the torture is done with it'))
  }

  #take({ event }: Notes['event']): void {
    try {
      const { sequence, kind } = event
      const before = this.#facts.received.get(sequence)
      mustHold(!this.#facts.acknowledged.has(sequence), `event ${sequence} came again after its acknowledgement`)
      mustHold(
        before === undefined || (before.kind === kind && before.task?.id === event.task?.id),
        `number ${sequence} was given to two events: ${before?.kind} and ${kind}`,
      )
      mustHold(before === undefined || event.redelivered, `event ${sequence} came again and does not say so`)
      this.#facts.received.set(sequence, event)
      void this.#acknowledge(sequence)
    } catch (error) {
      this.#fail(error as Error)
    }
  }

  async #acknowledge(sequence: number): Promise<void> {
    for (;;) {
      try {
        await this.ask('event.acknowledge', { session, fence: this.#fence, sequences: [sequence] })
        this.#facts.acknowledged.add(sequence)
        for (const watcher of this.#watchers) watcher()
        return
      } catch {
        // The journal could not be written, or the daemon is gone; a client says it again to whom it finds.
        if (this.#failure !== undefined) return
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
  }

  #fail(error: Error): void {
    this.#failure ??= error
    for (const watcher of this.#watchers) watcher()
  }

  async #until(condition: () => boolean): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const look = (): void => {
      if (this.#failure !== undefined) reject(this.#failure)
      else if (condition()) resolve()
    }
    this.#watchers.add(look)
    try {
      look()
      await promise
    } finally {
      this.#watchers.delete(look)
    }
  }
}
