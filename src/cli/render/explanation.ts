/** The sheet of `longhaul explain TASK`; also the upper half of `show`. */
import { explanationFromJson } from '../../client/explain.ts'
import type { Explanation, ExplanationJson } from '../../contract/explanation.ts'
import type { TaskRecord } from '../../contract/task.ts'
import { bytes, clockTime, duration, took } from './numbers.ts'
import { commandLines, sheet } from './sheet.ts'
import type { SheetLine } from './sheet.ts'
import { causeText, stateText, styleOf } from './state.ts'
import { nameOf, shortCode } from './task-name.ts'
import { cutMark, paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { cutName, right, width } from './text.ts'
import type { Words } from './words.ts'

export interface ExplainedTask {
  readonly task: TaskRecord
  readonly explanation: ExplanationJson
  readonly wallMs: number
}

/** Older tries than these are left to `--json`. */
const shownTries = 8
const widestHead = 80

export function explanationText(facts: ExplainedTask, terminal: Terminal, words: Words): string {
  return head(facts, terminal, words) + sheet(linesOf(facts, terminal, words), terminal)
}

/** Code, name, and at the right end what it does. */
function head(facts: ExplainedTask, terminal: Terminal, words: Words): string {
  const { task } = facts
  const code = shortCode(task.id)
  const cells = Math.min(terminal.columns - 1, widestHead - 1)
  const state = stateText(facts, words) ?? words.phases[task.phase]
  const room = Math.max(12, cells - width(code) - 2 - 2 - width(state))
  const name = cutName(nameOf(task), room, cutMark(terminal))
  const gap = ' '.repeat(Math.max(2, cells - width(code) - 2 - width(name) - width(state)))
  return `${paint(terminal, 'bold', code)}  ${name}${gap}${paint(terminal, styleOf(task), state)}\n`
}

function linesOf({ task, explanation: json, wallMs }: ExplainedTask, terminal: Terminal, words: Words): SheetLine[] {
  const { labels } = words
  const now = new Date(wallMs)
  const explanation = explanationFromJson(json, terminal.language)
  const { kept, cause } = json
  const hasEnded = task.state === 'completed'
  const lines: SheetLine[] = [[labels.why, explanation.why]]
  if (kept.bytes > 0 || !hasEnded) {
    const total = kept.total === undefined ? undefined : bytes(kept.total)
    lines.push([labels.kept, words.keptOf(bytes(kept.bytes), total, hasEnded ? undefined : kept.validator)])
  }
  lines.push(...blockerLines(explanation, words, now))
  if (json.ahead !== undefined && json.ahead > 0) lines.push([labels.ahead, String(json.ahead)])
  const isTold = json.blockers.some(({ untilMs }) => untilMs === json.nextWakeUpMs)
  if (!hasEnded && explanation.nextWakeUp !== undefined && !isTold)
    lines.push([labels.next, timeAndWait(explanation.nextWakeUp, now)])
  if (!hasEnded && explanation.deadline !== undefined)
    lines.push([labels.deadline, words.deadline(clockTime(explanation.deadline, now))])
  if (json.server !== undefined && !hasEnded) lines.push([labels.server, words.server(json.server)])
  // An error that was caused by another one: the sentence tells only the first.
  if (hasEnded && cause !== undefined && task.error !== undefined && cause.code !== task.error.code)
    lines.push([labels.cause, `${cause.message} (${cause.code})`])
  lines.push(...tryLines(explanation, words, now))
  const code = shortCode(task.id)
  const [deeds, commands]: [string[], string[]] = [[], []]
  for (const { action, command } of explanation.remedies) {
    if (action === 'freeSpace' || action === 'reconnect') deeds.push(command)
    else commands.push(command.replace(task.id.slice(-8), code))
  }
  lines.push(...deeds.map((deed, index): SheetLine => [index === 0 ? labels.youCan : '', deed]))
  if (commands.length > 0) lines.push(...commandLines(deeds.length === 0 ? labels.youCan : '', commands, terminal))
  return lines
}

function blockerLines({ blockers }: Explanation, words: Words, now: Date): SheetLine[] {
  return blockers.map(({ code, of, until }, index): SheetLine => {
    const reason = words.blocked[code] ?? words.reasons[code](undefined, of)
    // Which one, and the first line of what it threw; the rest is a stack, left to `--json`.
    const what = code === 'callback' && of !== undefined ? `${reason}: ${of.split('\n', 1)[0]}` : reason
    const text = until === undefined ? what : words.untilTime(what, timeAndWait(until, now))
    return [index === 0 ? words.labels.blocked : '', text]
  })
}

function tryLines({ attempts }: Explanation, words: Words, now: Date): SheetLine[] {
  return attempts.slice(-shownTries).map(({ number, startedAt, tookMs, bytes: got, cause }, index): SheetLine => {
    const size = got === 0 ? '-' : bytes(got)
    const end = cause === undefined ? '' : causeText(cause.toJSON(), words)
    const text = `${right(String(number), 3)}  ${clockTime(startedAt, now)}  ${right(took(tookMs), 8)}  ${right(size, 8)}  ${end}`
    return [index === 0 ? words.labels.tries : '', text, 'as is']
  })
}

function timeAndWait(date: Date, now: Date): string {
  return `${clockTime(date, now)} (${duration(date.getTime() - now.getTime())})`
}
