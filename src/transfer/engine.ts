/** Runs attempts: each is one async function whose end is always exactly one outcome. Knows no journal and no session. */
import type { Access } from './access.ts'
import type { Assignment, Engine, Outcome, Report } from './assignment.ts'
import { Absences } from './download/absences.ts'
import { Buffers } from './download/buffers.ts'
import { download } from './download/download.ts'
import type { TransferWorld } from './download/attempt.ts'
import { type PieceSizes, pieceSizes } from './download/pieces.ts'
import { Room } from './files/room.ts'
import { Origins } from './origins.ts'
import { RateTree } from './rates/rate-tree.ts'

export interface EngineOptions {
  /** How files are cut for several connections: the simulator takes small ones. @default {@link pieceSizes} */
  readonly sizes?: PieceSizes
}

export function createEngine(world: TransferWorld, options: EngineOptions = {}): Engine {
  const rates = new RateTree(world.clock)
  const origins = new Origins()
  const shared = {
    absences: new Absences(),
    buffers: new Buffers(),
    origins,
    room: new Room(world.clock),
    sizes: options.sizes ?? pieceSizes,
  }
  return {
    async run(assignment: Assignment, report: Report, signal: AbortSignal, access?: Access): Promise<Outcome> {
      const facts = { task: assignment.task, attempt: assignment.attempt }
      world.log.debug('attempt begins', facts)
      const { task, session, policy } = assignment
      const throttle = rates.open({ task, session, bytesPerSecond: policy.bandwidthLimit })
      const here = { ...world, ...shared, throttle, ...(access !== undefined && { access }) }
      const outcome = await download(assignment, report, here, signal).finally(() => throttle.close())
      if (outcome.kind === 'failed')
        world.log.info('attempt failed', { ...facts, code: outcome.error.code, failure: outcome.failure.kind })
      else world.log.debug('attempt ended', { ...facts, kind: outcome.kind })
      return outcome
    },
    limit: (node, bytesPerSecond) => rates.limit(node, bytesPerSecond),
    slowedBy: (task) => rates.slowedBy(task),
    learnt: (origin) => origins.recall(origin, world.clock.steady()),
  }
}
