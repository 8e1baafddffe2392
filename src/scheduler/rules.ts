/**
 * Each reason to wait, once. `plan` starts a task that no rule holds back; `explain` names every rule that does. As both go
 * through this one list, an explanation cannot disagree with what happens.
 *
 * Reasons of the task itself (suspended, back-off, …) stand in its row and make its gate; a lane's head is ready and has none
 * of them left. Shared reasons (session held, limits, an origin that asked us to wait) are judged here alone.
 */
import type { Reason, TaskFacts, View } from './view.ts'

type Rule = (task: TaskFacts, view: View) => Reason | readonly Reason[] | undefined

const suspended: Rule = (task) =>
  (task.suspends ?? 0) > 0 || task.gate === 'suspended' ? { code: 'suspended' } : undefined

const held: Rule = (task) => (task.held === true || task.gate === 'held' ? { code: 'held' } : undefined)

const sessionHeld: Rule = (task, view) =>
  view.sessions.get(task.session)?.held === true ? { code: 'sessionHeld', ...of(task.sessionName) } : undefined

const dependency: Rule = (task) => task.unmet?.map((needs) => ({ code: 'dependency', of: needs }))

const date: Rule = (task) => (task.gate === 'time' ? { code: 'earliestBeginDate', ...until(task.wakeAtMs) } : undefined)

const backoff: Rule = (task) => {
  if (task.gate !== 'backoff') return undefined
  if (task.parked === true) return { code: 'crashLoop', ...until(task.wakeAtMs) }
  if (task.serverAsked === true) return { code: 'serverAskedToWait', ...until(task.wakeAtMs), of: task.origin }
  return { code: 'backoff', ...until(task.wakeAtMs) }
}

const disk: Rule = (task) =>
  task.gate === 'disk' ? { code: 'disk', ...until(task.wakeAtMs), ...of(task.folder) } : undefined

const destination: Rule = (task) =>
  task.gate === 'destination' ? { code: 'destination', ...until(task.wakeAtMs), ...of(task.folder) } : undefined

/** Retry-After of the whole origin: it holds for every task there, also for those that never asked. */
const originClosed: Rule = (task, view) => {
  if (!isReady(task) || task.closedUntilMs === undefined || task.closedUntilMs <= view.nowMs) return undefined
  return { code: 'serverAskedToWait', untilMs: task.closedUntilMs, of: task.origin }
}

const earlierAttempt: Rule = (task) =>
  isReady(task) && task.isClosing === true ? { code: 'earlierAttempt' } : undefined

const activeLimit: Rule = (task, view) => {
  if (!isReady(task)) return undefined
  if (view.load.total >= view.limits.maximumActiveTasks) return { code: 'activeLimit', of: 'daemon' }
  const share = view.sessions.get(task.session)
  if (share === undefined || view.load.ofSession(task.session) < share.maximumActiveTasks) return undefined
  return { code: 'activeLimit', ...of(task.sessionName) }
}

const hostLimit: Rule = (task, view) => {
  if (!isReady(task)) return undefined
  const share = view.sessions.get(task.session)
  const open = view.load.ofOrigin(task.origin)
  const full =
    open >= view.limits.maximumConnectionsPerOrigin ||
    (share !== undefined && view.load.ofLane(task.session, task.origin) >= share.maximumConnectionsPerHost)
  if (full) return { code: 'hostLimit', of: task.origin }
  const crowded = view.crowded.get(task.origin)
  if (crowded === undefined || open < crowded.most || originClosed(task, view) !== undefined) return undefined
  return { code: 'hostLimit', ...until(crowded.untilMs), of: task.origin }
}

/** In the order in which a person should read them. */
const rules: readonly Rule[] = [
  suspended,
  held,
  sessionHeld,
  dependency,
  date,
  disk,
  destination,
  backoff,
  originClosed,
  earlierAttempt,
  activeLimit,
  hostLimit,
]

/** Every reason for which this task may not start now; none: it may. */
export function reasonsToWait(task: TaskFacts, view: View): readonly Reason[] {
  return rules.flatMap((rule) => rule(task, view) ?? [])
}

/** The same question where the reasons do not matter. */
export function mayStart(task: TaskFacts, view: View): boolean {
  for (const rule of rules) {
    const reason = rule(task, view)
    if (reason !== undefined && (!Array.isArray(reason) || reason.length > 0)) return false
  }
  return true
}

/** Origins to which nobody may have another connection now, by {@link hostLimit}. */
export function fullOrigins({ limits, crowded, load }: Pick<View, 'limits' | 'crowded' | 'load'>): readonly string[] {
  const most = (origin: string): number =>
    Math.min(limits.maximumConnectionsPerOrigin, crowded.get(origin)?.most ?? Infinity)
  return [...load.origins].flatMap(([origin, open]) => (open >= most(origin) ? [origin] : []))
}

/** A task that waits for itself is not also behind a limit: nobody knows what will be full when its own wait is over. */
function isReady(task: TaskFacts): boolean {
  return task.gate === undefined || task.gate === 'ready'
}

function until(atMs: number | undefined): { readonly untilMs?: number } {
  return atMs === undefined ? {} : { untilMs: atMs }
}

function of(name: string | undefined): { readonly of?: string } {
  return name === undefined ? {} : { of: name }
}
