// The connection between an app and the daemon, as a local socket behaves (`wire/framing`): lines in order, each after a while;
// an end that has closed or died is seen by the other one later, behind what was on its way. It breaks where the plan says.
import { LonghaulError } from '../../src/contract/errors.ts'
import type { Channel } from '../../src/world/channel.ts'
import type { Life } from './life.ts'
import type { Seeded } from './seeded.ts'
import type { Timeline } from './timeline.ts'

export interface ChannelOptions {
  readonly timeline: Timeline
  readonly random: Seeded
  /** Whose the two ends are. */
  readonly a: Life
  readonly b: Life
  /** @default it holds as long as both ends do */
  readonly breaks?: ChannelBreak | undefined
}

/** A connection that ends although both its ends live. */
export interface ChannelBreak {
  /** Frames are counted from 1 over both directions, in the order in which they are sent. */
  readonly frame: number
  /** Whether that frame still arrives. */
  readonly delivered: boolean
}

type Handlers = Parameters<Channel['on']>[0]

/** Bytes that a stream of Node takes before it asks to wait. */
const highWaterMark = 65_536

/** The ends of one new connection: `a`'s, then `b`'s. */
export function channelPair(options: ChannelOptions): readonly [Channel, Channel] {
  const { timeline, random, a, b } = options
  const line: Line = {
    timeline,
    random,
    // What the system holds between the two; a small one now and then, so that a slow reader is not so rare.
    capacity: random.chance(0.2) ? random.scale(2000, 50_000) : 212_992,
    breaks: options.breaks,
    sent: 0,
  }
  const ends = [new End(line, a), new End(line, b)] as const
  ends[0].join(ends[1])
  ends[1].join(ends[0])
  return ends
}

/** What both ends share. */
interface Line {
  readonly timeline: Timeline
  readonly random: Seeded
  /** Bytes under way in each direction before the system takes no more. */
  readonly capacity: number
  readonly breaks: ChannelBreak | undefined
  /** Frames, in both directions. */
  sent: number
}

interface Frame {
  readonly text: string
  readonly bytes: number
  readonly number: number
}

class End implements Channel {
  readonly #line: Line
  readonly #life: Life
  // oxlint-disable-next-line eslint/no-unused-private-class-members -- it is used: for its own private methods
  #other!: End
  #handlers: Handlers | undefined
  /** What arrived before there was anybody to take it. */
  readonly #early: ((handlers: Handlers) => void)[] = []
  #closed = false
  #unsent = 0
  #full = false
  readonly #queue: Frame[] = []
  #taking = false
  #underWay = 0
  /** When the last thing that this end has sent arrives: nothing overtakes it. */
  #lastArrival = 0
  /** The other end gets nothing more from here. */
  #finished = false

  constructor(line: Line, life: Life) {
    this.#line = line
    this.#life = life
  }

  join(other: End): void {
    this.#other = other
    const die = (): void => {
      // What the system has taken arrives; the rest died with the process.
      this.#closed = true
      this.#queue.length = 0
      this.#finish(lost('The other end closed the connection'))
    }
    this.#life.onEnd(die)
    if (this.#life.dead) die()
  }

  get unsent(): number {
    return this.#unsent
  }

  get full(): boolean {
    return this.#full
  }

  send(text: string): void {
    if (this.#closed || this.#life.dead) return
    const bytes = Buffer.byteLength(text) + 1
    this.#queue.push({ text, bytes, number: ++this.#line.sent })
    this.#unsent += bytes
    if (this.#unsent >= highWaterMark) this.#full = true
    if (this.#taking) return
    this.#taking = true
    // All frames of one turn leave together.
    this.#line.timeline.after(0, () => {
      this.#taking = false
      this.#take()
    })
  }

  on(handlers: Handlers): void {
    const isFirst = this.#handlers === undefined
    this.#handlers = handlers
    if (!isFirst || this.#early.length === 0) return
    this.#line.timeline.after(0, () => {
      for (const early of this.#early.splice(0)) if (!this.#life.dead) early(this.#handlers!)
    })
  }

  close(why: Error): void {
    if (this.#closed) return
    // As a socket that is destroyed once it is written: who does not read gets nothing more.
    if (this.#full) this.#queue.length = 0
    else this.#take('all')
    this.#end(why)
    this.#finish(lost('The other end closed the connection'))
  }

  ref(): void {}

  unref(): void {}

  /** Hands over to the system what it has room for. */
  #take(how?: 'all'): void {
    if (this.#closed || this.#finished) return
    for (let frame = this.#queue[0]; frame !== undefined; frame = this.#queue[0]) {
      if (how !== 'all' && this.#underWay > 0 && this.#underWay + frame.bytes > this.#line.capacity) return
      this.#queue.shift()
      this.#unsent -= frame.bytes
      if (frame.number === this.#line.breaks?.frame) return this.#break(frame)
      this.#transmit(frame)
    }
    if (!this.#full) return
    this.#full = false
    this.#tell((handlers) => handlers.drained())
  }

  #transmit({ text, bytes }: Frame): void {
    this.#underWay += bytes
    this.#arrive(() => {
      this.#underWay -= bytes
      this.#other.#receive(text)
      if (this.#queue.length > 0) this.#take()
    })
  }

  #break(frame: Frame): void {
    if (this.#line.breaks?.delivered === true) this.#transmit(frame)
    this.#finished = true
    this.#other.#finished = true
    this.#queue.length = 0
    this.#arrive(() => {
      this.#other.#end(lost('The connection broke'))
      this.#line.timeline.after(delay(this.#line.random), () => this.#end(lost('The connection broke')))
    })
  }

  #finish(why: Error): void {
    if (this.#finished) return
    this.#finished = true
    this.#arrive(() => this.#other.#end(why))
  }

  #arrive(run: () => void): void {
    const { timeline, random } = this.#line
    this.#lastArrival = Math.max(this.#lastArrival, timeline.now + delay(random))
    timeline.at(this.#lastArrival, run)
  }

  #receive(text: string): void {
    if (!this.#closed) this.#tell((handlers) => handlers.line(text))
  }

  #end(why: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#queue.length = 0
    this.#finish(lost('The other end closed the connection'))
    this.#tell((handlers) => handlers.closed(why))
  }

  #tell(what: (handlers: Handlers) => void): void {
    if (this.#life.dead) return
    if (this.#handlers === undefined || this.#early.length > 0) this.#early.push(what)
    else what(this.#handlers)
  }
}

/** Ms on the way; now and then the machine is busy. */
function delay(random: Seeded): number {
  return random.chance(0.03) ? random.scale(1, 200) : random.fraction() * 0.5
}

function lost(what: string): LonghaulError {
  return new LonghaulError('DAEMON_UNAVAILABLE', `${what}. Calls that waited for an answer have failed.`)
}
