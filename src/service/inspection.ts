/** Verbs that only look: get, find, page through, explain. */
import { LonghaulError } from '../contract/errors.ts'
import type { BlockerJson, ExplanationJson } from '../contract/explanation.ts'
import type { Phase } from '../contract/words.ts'
import type { ExplainFacts, Moment } from '../journal/journal.ts'
import { explain, remediesFor } from '../scheduler/explain.ts'
import { type TaskFacts, viewOf } from '../scheduler/view.ts'
import { type Inside, sessionNamed, type Verbs } from './inside.ts'
import { now, toSteady, toWall } from './moment.ts'

export type InspectionVerb = 'task.get' | 'task.find' | 'task.page' | 'task.explain'

/** Nothing that waits is left alone for longer: the loop looks at everything at least this often while something is due. */
const looksEveryMs = 60_000

export function inspectionVerbs(inside: Inside): Verbs<InspectionVerb> {
  const { journal, progress } = inside
  return {
    'task.get': async (params) => {
      const found = await journal.getTask(
        'id' in params
          ? params
          : { session: (await sessionNamed(journal, params.session)).id, taskIdentifier: params.taskIdentifier },
      )
      return found === undefined ? null : progress.overlay(found)
    },
    'task.find': async ({ text }) => (await journal.findTasks({ text })).map((record) => progress.overlay(record)),
    'task.page': async ({ session, ...params }) => {
      const of = session === undefined ? {} : { session: (await sessionNamed(journal, session)).id }
      const page = await journal.page({ ...of, ...params })
      return { ...page, tasks: page.tasks.map((record) => progress.overlay(record)) }
    },
    'task.explain': ({ id }) => explainTask(inside, id),
  }
}

async function explainTask(inside: Inside, id: string): Promise<ExplanationJson> {
  const { world, journal, delivery, progress, limits, crowding, transfers } = inside
  const at = now(world.clock)
  const [facts, schedule] = await Promise.all([
    journal.explainFacts({ at, id }),
    journal.schedule({ at, lanesPerSession: 1, fetched: transfers.withoutConnection() }),
  ])
  if (facts === undefined)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `There is no task ${id}; it may have been forgotten. See \`longhaul ls --all\`.`,
    )
  const { session, record, part, gate } = facts
  const view = viewOf({
    nowMs: at.steadyMs,
    limits,
    crowded: crowding.crowded(at.steadyMs),
    active: schedule.active,
    sessions: [{ session: session.id, lastStart: 0, held: session.held, ...session.configuration }],
  })
  const found = explain({ ...taskFactsOf(facts, at), isClosing: transfers.closes(record.id) }, view)
  const runs = gate === 'active' || gate === 'publishing'
  const live = runs ? progress.of(id) : undefined
  const blockers: readonly BlockerJson[] = [
    ...found.reasons.map(({ code, untilMs, of }) => ({
      code,
      ...(untilMs !== undefined && { untilMs: toWall(at, untilMs) }),
      ...(of !== undefined && { of }),
    })),
    ...slowing(inside, id, live?.phase),
    // A launch waits for the events of tasks that have ended; it holds back no transfer.
    ...delivery.blockers(session.id, id).filter(({ code }) => code !== 'launchWait' || gate === 'done'),
  ]
  const isLookedAt = live !== undefined || found.phase === 'queued' || found.phase === 'waiting'
  const nextWakeUpMs =
    found.nextWakeUpMs !== undefined
      ? toWall(at, found.nextWakeUpMs)
      : // In the past where something else than bytes of the file is heard: a head that comes in drops.
        live?.stallAtMs !== undefined && live.stallAtMs > at.steadyMs
        ? toWall(at, live.stallAtMs)
        : isLookedAt && !blockers.some(({ code }) => code === 'sessionHeld')
          ? toWall(at, Math.max(at.steadyMs, Math.min(inside.loop.nextLookMs ?? Infinity, at.steadyMs + looksEveryMs)))
          : earliest(blockers)
  const proof = facts.attempts.findLast((attempt) => attempt.proof !== undefined)?.proof
  const validator = part?.representation?.etag ?? part?.representation?.lastModified
  const total = part?.representation?.total ?? record.progress.total
  // What a task went through says nothing of one that succeeded in the end.
  const cause = record.state === 'completed' ? record.error : facts.lastCause
  return {
    task: id,
    phase: live?.phase ?? found.phase,
    blockers,
    ...(gate === 'ready' && { ahead: facts.ahead }),
    ...(live?.silentSinceMs !== undefined && { silentSinceMs: Math.round(toWall(at, live.silentSinceMs)) }),
    ...(nextWakeUpMs !== undefined && { nextWakeUpMs: Math.round(nextWakeUpMs) }),
    ...(facts.deadlineAtMs !== undefined && { deadlineMs: Math.round(toWall(at, facts.deadlineAtMs)) }),
    remedies: remedies(facts, blockers),
    kept: {
      bytes: keptBytes(part),
      ...(total !== undefined && { total }),
      ...(proof !== undefined && { proof }),
      ...(validator !== undefined && { validator }),
    },
    attempts: facts.attempts,
    ...learntOf(inside, facts),
    ...(cause !== undefined && { cause }),
  }
}

/** Of the server that gives the file: redirects may have led to it. */
function learntOf({ engine }: Inside, { origin: asked, record }: ExplainFacts): Pick<ExplanationJson, 'server'> {
  const origin = record.response === undefined ? asked : new URL(record.response.url).origin
  const learnt = engine.learnt(origin)
  if (learnt === undefined) return {}
  const { untilMs: _forgotten, ...server } = learnt
  return { server: { origin, ...server } }
}

/** It transfers, and would do so faster without a limit. */
function slowing({ bandwidth }: Inside, id: string, phase: Phase | undefined): readonly BlockerJson[] {
  const by = phase === 'transferring' ? bandwidth.slowing(id) : undefined
  if (by === undefined) return []
  const { level, bytesPerSecond, untilMs } = by
  return [{ code: 'bandwidth', of: level, bytesPerSecond, ...(untilMs !== undefined && { untilMs }) }]
}

/** Where the server did not say that it gives ranges, nothing is promised; they are still tried. */
function keptBytes(part: ExplainFacts['part']): number {
  if (part === undefined || part.representation?.acceptsRanges === false) return 0
  return part.ranges.reduce((sum, [from, to]) => sum + to - from, 0)
}

function taskFactsOf(facts: ExplainFacts, at: Moment): TaskFacts {
  const { record, session, gate, beginAtWallMs } = facts
  const { destination } = record
  return {
    session: session.id,
    sessionName: session.identifier,
    origin: facts.origin,
    gate,
    suspends: facts.suspends,
    held: facts.held,
    unmet: facts.unmet,
    wakeAtMs: gate === 'time' && beginAtWallMs !== undefined ? toSteady(at, beginAtWallMs) : facts.wakeAtMs,
    serverAsked: facts.serverAsked,
    parked: facts.parked,
    closedUntilMs: facts.laneClosedUntilMs,
    folder: destination.kind === 'spool' ? undefined : destination.folder,
  }
}

function remedies({ gate, record }: ExplainFacts, blockers: readonly BlockerJson[]): ExplanationJson['remedies'] {
  if (gate !== 'done') return remediesFor(blockers.map(({ code }) => code))
  return record.error === undefined ? [] : ['retry']
}

function earliest(blockers: readonly BlockerJson[]): number | undefined {
  const times = blockers.map(({ untilMs }) => untilMs).filter((time) => time !== undefined)
  return times.length === 0 ? undefined : Math.min(...times)
}
