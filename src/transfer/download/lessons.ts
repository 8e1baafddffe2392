/** What the connections of one file show of the servers that it comes from, for the downloads that follow. */
import type { Answer } from '../http/request.ts'
import type { OriginFact, OriginFacts } from '../origins.ts'
import type { AttemptWorld } from './attempt.ts'
import { originOf } from './joining.ts'

interface Answered {
  readonly answer: Answer
}

export class Lessons {
  readonly #world: Pick<AttemptWorld, 'origins' | 'clock'>
  readonly #first: Answered
  readonly #open: ReadonlySet<Answered>

  /** @param open what gives bytes now */
  constructor(world: Pick<AttemptWorld, 'origins' | 'clock'>, first: Answered, open: ReadonlySet<Answered>) {
    this.#world = world
    this.#first = first
    this.#open = open
  }

  /** Of who gives the first answer. */
  get known(): OriginFacts | undefined {
    const { origins, clock } = this.#world
    return origins.recall(originOf(this.#first.answer), clock.steady())
  }

  /** A range has come as it was asked for. @param running how many connections there are */
  served({ answer }: Answered, running: number): void {
    const origin = originOf(answer)
    this.#learn(origin, { kind: 'ranges', ranges: 'yes' })
    this.#learn(origin, { kind: 'served', connections: this.#countAt(origin, running) })
  }

  /** @param beside how many connections there were when one more asked in vain */
  refused(origin: string, beside: number): void {
    const above = this.#countAt(origin, beside)
    // Who only leads to the file holds no connection that could be too many.
    if (above > 0) this.#learn(origin, { kind: 'refused', above })
  }

  /** It sent something else than the range that it was asked for. */
  lied(origin: string): void {
    this.#learn(origin, { kind: 'ranges', ranges: 'lies' })
  }

  /** If all that have brought bytes lately brought them from there, those that ask now hold connections to it as well. */
  #countAt(origin: string, running: number): number {
    const isThere = ({ answer }: Answered): boolean => originOf(answer) === origin
    return [this.#first, ...this.#open].every(isThere) ? running : [...this.#open].filter(isThere).length
  }

  #learn(origin: string, fact: OriginFact): void {
    this.#world.origins.remember(origin, fact, this.#world.clock.steady())
  }
}
