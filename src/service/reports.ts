/**
 * What an attempt says, as commands of the journal; each with the attempt's fence, each answered from the command's answer.
 * While the journal cannot be written an answer is late; when the daemon ends meanwhile it is `fenced`: close, tell nobody.
 */
import type { RestartCause } from '../contract/bytes.ts'
import type { Journal, StartedAttempt } from '../journal/journal.ts'
import type { Assignment, Report } from '../transfer/assignment.ts'
import type { Clock } from '../world/clock.ts'
import { now } from './moment.ts'
import type { ProgressFacts } from './progress.ts'
import type { Recording } from './recording.ts'

export interface ReportParts {
  readonly clock: Clock
  readonly journal: Journal
  readonly recording: Recording
  readonly started: StartedAttempt
  readonly assignment: Assignment
  progress(facts: ProgressFacts): void
  /** So many bytes are recorded as safe. */
  safe(bytes: number): void
  /** One more connection, as `Report.more`. */
  more(giveUp: () => void): (() => void) | undefined
  /** It needs no connection any more. */
  fetched(): void
  /** It gives up what was kept, and asks for all of it. */
  restarts(because: RestartCause): void
  /** This path is the attempt's from now on. Resolves when nobody is about to unlink what stands there. */
  writes(part: { readonly folder: string; readonly name: string }): Promise<void>
}

export function createReport(parts: ReportParts): Report {
  const { clock, journal, recording, assignment } = parts
  const { task, fence } = parts.started
  const own = (): { task: string; fence: number; at: ReturnType<typeof now> } => ({ task, fence, at: now(clock) })
  return {
    reserve: async ({ folder, place, names, part, ...facts }) => {
      await parts.writes(part)
      const answer = await recording.record(() =>
        journal.reserve({
          ...own(),
          ...facts,
          part,
          destination: assignment.spooled ? 'spool' : { folder, names, place },
        }),
      )
      switch (answer?.found) {
        case 'reserved':
          return { name: answer.name, ...(answer.alike !== undefined && { alike: answer.alike }) }
        case 'busy':
          return { busyWith: answer.by }
        case 'fenced':
        case undefined:
          return 'fenced'
      }
    },
    resumed: async (facts) =>
      (await recording.record(() => journal.resumed({ ...own(), ...facts })))?.found ?? 'fenced',
    checkpoint: async (facts) => {
      const answer = await recording.record(() => journal.checkpoint({ ...own(), ...facts }))
      if (answer?.found === 'recorded') parts.safe(facts.ranges.reduce((sum, [from, to]) => sum + to - from, 0))
      return answer?.found ?? 'fenced'
    },
    restart: async (why, because) => {
      parts.restarts(because)
      return (await recording.record(() => journal.restart({ ...own(), why, because })))?.found ?? 'fenced'
    },
    intent: async (intent) => {
      const answer = await recording.record(() => journal.intent({ ...own(), intent }))
      if (answer?.found === 'recorded') parts.fetched()
      return answer?.found === 'busy' ? { busyWith: answer.by } : (answer?.found ?? 'fenced')
    },
    more: (giveUp) => parts.more(giveUp),
    fetched: () => parts.fetched(),
    progress: (facts) => parts.progress(facts),
  }
}
