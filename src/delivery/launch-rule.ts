/**
 * When an app is wanted, what it is given, and how long the next launch waits. Pure: the machine is `launches`.
 *
 * An app is launched when nobody owns its session, events wait, and all its tasks are completed (`launchWhen` can ask for
 * earlier). Never for progress, nor for one finished task among many.
 */
import { type LaunchTicket, launchVariable } from '../contract/launch.ts'
import type { LaunchCommand } from '../contract/session.ts'
import type { LaunchFacts, LaunchState, Moment } from '../journal/journal.ts'
import type { Launch, Member } from './launch.ts'

const firstDelayMs = 60_000
const longestDelayMs = 3_600_000

export type Verdict =
  | { readonly kind: 'not wanted' }
  /** Events wait, and tasks that are not completed keep the app from being launched. */
  | { readonly kind: 'blocked'; readonly by: LaunchFacts['blocking'] }
  /** Wanted from this steady ms on. `afterFailure`: how the launch went that is why it is not sooner. */
  | { readonly kind: 'wanted'; readonly atMs: number; readonly afterFailure?: string }

export function judgeLaunch(facts: LaunchFacts, now: Moment): Verdict {
  const { session, events, unfinished, state } = facts
  if (session.launch === undefined || !session.configuration.sendsLaunchEvents || events === 0)
    return { kind: 'not wanted' }
  const atMs = unfinished === 0 ? now.steadyMs : earlier(facts, now)
  if (atMs === undefined) return { kind: 'blocked', by: facts.blocking }
  if (state.notBeforeMs <= atMs) return { kind: 'wanted', atMs }
  return { kind: 'wanted', atMs: state.notBeforeMs, afterFailure: failureOf(state) }
}

function failureOf({ last }: LaunchState): string {
  const problem = last?.problem ?? 'it failed'
  if (last?.exitCode !== undefined) return `${problem}: exit code ${last.exitCode}`
  return last?.signal === undefined ? problem : `${problem}: ${last.signal}`
}

/** `launchWhen`, while tasks are not completed: steady ms, or undefined when it does not ask for earlier. */
function earlier(facts: LaunchFacts, now: Moment): number | undefined {
  const { launchWhen } = facts.session
  if (launchWhen?.atLeast !== undefined && facts.waitingTasks >= launchWhen.atLeast) return now.steadyMs
  if (launchWhen?.afterMs === undefined || facts.oldestEventMs === undefined) return undefined
  // The event is dated by the wall clock: a jump of it makes the wait shorter or longer once, never longer than afterMs.
  const age = Math.max(0, now.wallMs - facts.oldestEventMs)
  return now.steadyMs + Math.max(0, launchWhen.afterMs - age)
}

/** Ms that the next launch waits after so many failures in a row: 1 min, doubling to 1 h. */
function backOffMs(failures: number): number {
  return failures <= 0 ? 0 : Math.min(longestDelayMs, firstDelayMs * 2 ** Math.min(failures - 1, 10))
}

/**
 * What is stored after a launch. It went well when the app took everything, or has said that it did while other events came.
 * After one that did not, the next waits; if some events were acknowledged at least, the doubling starts anew.
 */
export function judgeEnd(launch: Launch, member: Member, facts: LaunchFacts, now: Moment): LaunchState {
  const { pid, exit } = launch
  const last: NonNullable<LaunchState['last']> = {
    atWallMs: now.wallMs,
    ...(pid !== undefined && { pid }),
    ...(exit?.code !== undefined && { exitCode: exit.code }),
    ...(exit?.signal !== undefined && { signal: exit.signal }),
  }
  const tookAll = facts.events === 0 || member.finished
  if (tookAll && (member.completed || !launch.overdue)) return { failures: 0, notBeforeMs: 0, last }
  const failures = member.acknowledged > 0 ? 1 : facts.state.failures + 1
  const notBeforeMs = now.steadyMs + backOffMs(failures)
  return { failures, notBeforeMs, last: { ...last, problem: launch.problemOf(member) } }
}

/** Sessions with equal commands share one launch. */
export function commandKey(command: LaunchCommand): string {
  const env = Object.entries(command.env ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return JSON.stringify([command.command, command.args ?? [], command.cwd ?? '', env])
}

/**
 * The whole environment of a launched app. NODE_OPTIONS is inherited from nobody: a flag of the process that happened to
 * own the session last must not decide how the app runs. An app that wants it names it in its own launch command.
 */
export function launchEnvironment(
  given: {
    readonly listed: Readonly<Record<string, string>>
    readonly owner: Readonly<Record<string, string>> | undefined
    readonly command: LaunchCommand
    readonly home: string
  },
  ticket: LaunchTicket,
): Readonly<Record<string, string>> {
  const { NODE_OPTIONS: _, ...inherited } = { ...given.listed, ...given.owner }
  return {
    ...inherited,
    ...given.command.env,
    LONGHAUL_HOME: given.home,
    [launchVariable]: JSON.stringify(ticket),
  }
}
