/** The commands by name, and how one of them runs. */
import type { CommandInput, CommandName, CommandOutput, Consequences, Moment } from './journal.ts'
import * as attempts from './attempts.ts'
import { change } from './changes.ts'
import { invalidateEnded, sweep } from './endings.ts'
import type { GoOn } from './go-on.ts'
import { flush } from './lanes.ts'
import { openLife, saveClock } from './life.ts'
import { acknowledge, flushNumbers, queueDidFinishEvents, takeEvents } from './outbox.ts'
import * as reads from './reads.ts'
import { owed, paid, retire } from './retention.ts'
import { keepSecret, secrets } from './secrets.ts'
import * as sessions from './sessions.ts'
import { bandwidth, changeBandwidth } from './settings.ts'
import type { Store } from './store.ts'
import { addTasks, enqueueTasks, retryTask } from './tasks.ts'
import { networkChanged, wakeDue } from './wake.ts'
import { type Counts, Work } from './work.ts'

type Command<N extends CommandName> = (work: Work, input: CommandInput<N>) => CommandOutput<N> | GoOn

const commands: { readonly [N in CommandName]: Command<N> } = {
  openLife,
  saveClock,
  openSession: sessions.openSession,
  attach: sessions.attach,
  detach: sessions.detach,
  findSession: sessions.findSession,
  listSessions: sessions.listSessions,
  invalidate: sessions.invalidate,
  dropSession: sessions.dropSession,
  holdSession: sessions.holdSession,
  secrets,
  keepSecret,
  addTasks,
  enqueueTasks,
  change,
  retryTask,
  wakeDue,
  networkChanged,
  startAttempt: attempts.startAttempt,
  reserve: attempts.reserve,
  resumed: attempts.resumed,
  checkpoint: attempts.checkpoint,
  restart: attempts.restart,
  intent: attempts.intent,
  finish: attempts.finish,
  endAttempt: attempts.endAttempt,
  takeEvents,
  acknowledge,
  queueDidFinishEvents,
  launchFacts: sessions.launchFacts,
  launchable: sessions.launchable,
  launchChanged: sessions.launchChanged,
  schedule: reads.schedule,
  getTask: reads.getTask,
  findTasks: reads.findTasks,
  page: reads.page,
  counts: reads.counts,
  taskEnd: reads.taskEnd,
  explainFacts: reads.explainFacts,
  owed,
  paid,
  retire,
  idle: reads.idle,
  bandwidth,
  changeBandwidth,
}

export const commandNames: readonly CommandName[] = Object.keys(commands) as CommandName[]

/** One command waiting for its turn. */
export interface Request {
  readonly name: CommandName
  readonly input: unknown
}

/** The many; they look at neither lanes nor tallies, so what they change of those is written once for a row of them. */
const countedLater: ReadonlySet<CommandName> = new Set([
  'startAttempt',
  'reserve',
  'resumed',
  'checkpoint',
  'intent',
  'finish',
  'endAttempt',
  'takeEvents',
  'acknowledge',
])

/**
 * Runs one command inside the open transaction.
 *
 * @param counts of it and of those before it; what the last one leaves in them is to be flushed
 * @throws LonghaulError when it is refused
 */
export function runCommand(
  store: Store,
  request: Request,
  counts: Counts,
): { output: unknown; consequences: Consequences | undefined } {
  const isLater = countedLater.has(request.name)
  if (!isLater) flush(store, counts)
  const work = new Work(store, counts)
  const run = commands[request.name] as (work: Work, input: unknown) => unknown
  const output = run(work, request.input)
  const at = momentOf(request.input)
  if (at !== undefined && work.sweepNoted) sweep(work, at)
  if (!isLater) flush(store, counts)
  if (at !== undefined) invalidateEnded(work, work.sessions, at)
  flushNumbers(work)
  return { output, consequences: work.consequences }
}

/** Commands that may end a task say when they happen. */
function momentOf(input: unknown): Moment | undefined {
  return typeof input === 'object' && input !== null && 'at' in input ? (input.at as Moment) : undefined
}

/** About how many rows a command writes; groups are filled by it. */
export function weightOf({ name, input }: Request): number {
  if (name === 'addTasks' || name === 'enqueueTasks') return (input as CommandInput<'addTasks'>).tasks.length
  return name === 'change' || name === 'wakeDue' || name === 'retire' ? 500 : 1
}
