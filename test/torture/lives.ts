/**
 * The lives of one home: a daemon with its app attached, ended by whatever a row does to it, and followed by the next. The life
 * that recovers from one fault is the one that meets the next fault, so that a home gets old: its numbers go on over all of
 * them, and what one life leaves undone is found by a later one.
 */
import { mkdirSync } from 'node:fs'
import { Breach, within } from './breach.ts'
import { DaemonUnderTest } from './daemon-under-test.ts'
import { type Facts, noFacts, Owner } from './owner.ts'

/** Takes milliseconds; a machine under load may need seconds. */
const patienceMs = 15_000

export class Lives implements AsyncDisposable {
  readonly home: string
  /** What the app was told, over all lives. */
  readonly facts: Facts = noFacts()
  #daemon: DaemonUnderTest | undefined
  #owner: Owner | undefined

  constructor(home: string) {
    this.home = home
    mkdirSync(home, { recursive: true, mode: 0o700 })
  }

  /** The life that is there, else a new one. @throws Breach when none comes up: nothing that a row does may lead to that */
  async life(source?: string): Promise<{ readonly daemon: DaemonUnderTest; readonly owner: Owner }> {
    if (this.#daemon === undefined || this.#daemon.isOver) {
      this.#owner?.close()
      this.#owner = undefined
      try {
        this.#daemon = await DaemonUnderTest.start({ home: this.home, source })
      } catch (error) {
        throw new Breach(`no daemon comes up any more: ${String(error)}`)
      }
    }
    this.#owner ??= await within(patienceMs, 'the connection of the app', Owner.attach(this.#daemon, this.facts))
    return { daemon: this.#daemon, owner: this.#owner }
  }

  /** A life under a fault from its first instruction on. Undefined when it has ended before an app was attached. */
  async lifeUnder(wrapper: readonly string[]): Promise<Owner | undefined> {
    await this.kill()
    try {
      this.#daemon = await DaemonUnderTest.start({ home: this.home, wrapper })
      this.#owner = await within(patienceMs, 'the connection of the app', Owner.attach(this.#daemon, this.facts))
      return this.#owner
    } catch (error) {
      if (error instanceof Breach) throw error
      await this.kill()
      return undefined
    }
  }

  /** SIGKILL, and gone when it resolves. */
  async kill(): Promise<void> {
    await this.#daemon?.kill()
    this.#owner?.close()
    this.#owner = undefined
  }

  /** Resolves when the daemon is gone, as an app has just been told. */
  async ended(why: unknown): Promise<void> {
    await within(patienceMs, `the end of a daemon that was said to be gone (${String(why)})`, this.#daemon!.ended)
    await this.kill()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }
}
