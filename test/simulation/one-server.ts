// One life and one server, for tests of the simulated internet alone.
import { type HeaderList, type Transport } from '../../src/world/transport.ts'
import { open } from '../support/ask.ts'
import { settleOn } from './drive.ts'
import { Internet } from './internet.ts'
import { Life } from './life.ts'
import { Seeded } from './seeded.ts'
import { type ServerPlan } from './server-plan.ts'
import { Timeline } from './timeline.ts'

export const size = 1000
export const url = 'https://files.test/a'

export const honest: ServerPlan = {
  size,
  ageMs: 1_000_000,
  versions: [],
  nature: {
    validators: 'strong etag',
    ranges: true,
    length: 'content-length',
    ifRange: 'honours',
    digestHeader: false,
    redirects: 0,
    bytesPerSecond: 1000,
  },
  weather: [],
  afterwards: 'honest',
}

export class OneServer {
  readonly timeline: Timeline = new Timeline()
  readonly internet: Internet
  readonly life: Life
  readonly transport: Transport

  constructor(plan: Partial<ServerPlan> = {}, seed: number | string = 'one server') {
    const random = new Seeded(seed)
    const { timeline } = this
    const wall = (): number => 1_000_000 + timeline.now
    this.internet = new Internet({ timeline, random, wall })
    this.internet.serve(url, { ...honest, ...plan })
    this.life = new Life({ name: 'daemon', timeline, random, steadyLeadMs: 0, wall })
    this.transport = this.internet.transport(this.life)
  }

  /** Lets virtual time run until it settles. */
  settle<T>(promise: Promise<T>): Promise<T> {
    return settleOn(this.timeline, promise)
  }

  async until(condition: () => boolean): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve))
    while (!condition()) {
      if (!(await this.timeline.step(Infinity))) throw new Error('nothing is set to happen any more')
    }
  }

  /** Lets everything happen that is set to. */
  async quiet(): Promise<void> {
    while (await this.timeline.step(Infinity));
  }

  /** The body, whole or up to its failure. */
  async body(headers: HeaderList = []): Promise<Buffer> {
    const pieces: Buffer[] = []
    const exchange = await this.settle(open(this.transport, url, { headers }))
    const received = exchange.receive((bytes) => {
      pieces.push(Buffer.from(bytes))
      return undefined
    })
    await this.settle(received).catch(() => {})
    return Buffer.concat(pieces)
  }
}
