/**
 * Calls of one caller that follow each other: the next may be sent, checked and made ready while the one before is committed, but
 * is only done when that one was. So a thousand rows behind a bad one are never added, and nobody waits for an answer to go on.
 */
import type { Caller } from '../contract/caller.ts'
import { LonghaulError } from '../contract/errors.ts'
import type { ChainLink } from '../contract/verbs.ts'

/** Chains of one caller that are remembered; one that was forgotten is gone on with call by call. */
const chainsKept = 16

interface Last {
  readonly position: number
  readonly done: Promise<unknown>
}

export class Chains {
  /** Goes with the caller: a chain does not outlive its connection. */
  readonly #of = new WeakMap<Caller, Map<number, Last>>()

  /**
   * Called in the order of arrival, before anything is awaited. `act` runs when the link before has been done.
   * @throws CANCELLED when that one failed, or was never seen on this connection
   */
  follow<T>(caller: Caller, link: ChainLink, act: (before: Promise<unknown>) => Promise<T>): Promise<T> {
    const chains = this.#of.get(caller) ?? new Map<number, Last>()
    this.#of.set(caller, chains)
    const last = chains.get(link.chain)
    const inOrder = link.position === 0 || last?.position === link.position - 1
    const before = link.position === 0 ? Promise.resolve() : inOrder ? last!.done : Promise.reject(new Error('unseen'))
    const turn = before.catch(() => {
      throw new LonghaulError('CANCELLED', 'The transaction before this one was not done, so neither was this one.')
    })
    // `act` may fail before it looks at it.
    turn.catch(() => {})
    const done = act(turn)
    const settled = done.then(() => undefined)
    // Met by whoever follows, and by the one who asked.
    settled.catch(() => {})
    chains.delete(link.chain)
    chains.set(link.chain, { position: link.position, done: settled })
    for (const [oldest] of chains) {
      if (chains.size <= chainsKept) break
      chains.delete(oldest)
    }
    return done
  }
}
