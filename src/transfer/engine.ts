/** Runs attempts: each is one async function whose end is always exactly one outcome. Knows no journal and no session. */
import type { Assignment, Engine, Outcome, Report } from './assignment.ts'
import { download } from './download/download.ts'
import type { TransferWorld } from './download/attempt.ts'

export function createEngine(world: TransferWorld): Engine {
  return {
    async run(assignment: Assignment, report: Report, signal: AbortSignal): Promise<Outcome> {
      const facts = { task: assignment.task, attempt: assignment.attempt }
      world.log.debug('attempt begins', facts)
      const outcome = await download(assignment, report, world, signal)
      if (outcome.kind === 'failed')
        world.log.info('attempt failed', { ...facts, code: outcome.error.code, failure: outcome.failure.kind })
      else world.log.debug('attempt ended', { ...facts, kind: outcome.kind })
      return outcome
    },
  }
}
