/** One task in one line: what `ls`, `get` and `watch` show of it. */
import type { ExplanationJson } from '../../contract/explanation.ts'
import type { TaskRecord } from '../../contract/task.ts'
import { bytes, duration, percent, rate, took } from './numbers.ts'
import { bar, paint } from './terminal.ts'
import type { Terminal } from './terminal.ts'
import { fit, fitName, printable, right, width } from './text.ts'
import type { Words } from './words.ts'

/** The last 4 characters of the id, or more where two tasks on the screen share them. */
export function shortCode(id: string, others: Iterable<string> = []): string {
  const rest = [...others].filter((other) => other !== id)
  for (let length = 4; length < 26; length++) {
    const code = id.slice(-length)
    if (!rest.some((other) => other.endsWith(code))) return code
  }
  return id
}

/** The name of the file at the destination, else the server's, else the last part of the address. */
export function nameOf(task: TaskRecord): string {
  if (task.result?.path !== undefined) return printable(task.result.path.slice(task.result.path.lastIndexOf('/') + 1))
  if (task.destination.kind === 'file') return printable(task.destination.name)
  const suggested = task.response?.suggestedFilename
  if (suggested !== undefined) return printable(suggested)
  const path = URL.parse(task.currentRequest.url)?.pathname ?? ''
  const last = path.slice(path.lastIndexOf('/') + 1)
  return printable(last === '' ? (URL.parse(task.currentRequest.url)?.host ?? task.id) : decode(last))
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

export interface RowFacts {
  readonly task: TaskRecord
  /** Of a waiting task. */
  readonly why?: { readonly sentence: string; readonly explanation: ExplanationJson } | undefined
  /** Ms without a byte while transferring. */
  readonly silentMs?: number
  readonly wallMs: number
}

/** What stands to the right of the name when the task does not move bytes; undefined when it does. */
export function stateText({ task, why, silentMs = 0, wallMs }: RowFacts, words: Words): string | undefined {
  switch (task.phase) {
    case 'completed': {
      if (task.error !== undefined) {
        const what = `${words.failed}: ${task.error.code}${task.error.status === undefined ? '' : ` ${task.error.status}`}`
        return task.progress.received > 0 ? `${what}, ${words.kept(bytes(task.progress.received))}` : what
      }
      if (task.result?.notModified === true) return words.notModified
      if (task.result?.skipped === true) return words.skipped
      const size = bytes(task.result?.bytes ?? task.progress.received)
      const time = took((task.completedAtMs ?? wallMs) - task.createdAtMs)
      const proof = task.result?.digest !== undefined ? `, ${words.verified}` : ''
      return words.done(size, time) + proof
    }
    case 'suspended':
      return words.suspended
    case 'held':
      return words.held
    case 'queued':
      return words.queued
    case 'preparing':
    case 'connecting':
      return words.connecting
    case 'verifying':
      return words.verifying
    case 'delivering':
      return words.delivering
    case 'waiting': {
      const wait = why?.explanation.nextWakeUpMs
      return words.waiting(why?.sentence ?? '…', wait === undefined ? undefined : duration(wait - wallMs))
    }
    case 'transferring':
      return silentMs >= 3000 && task.progress.rate === 0
        ? `${words.stalled(duration(silentMs))}${task.progress.fraction === undefined ? '' : ` (${percent(task.progress.fraction)})`}`
        : undefined
  }
}

/** A line of at most `terminal.columns - 1` cells, so that no terminal wraps it. */
export function row(facts: RowFacts, terminal: Terminal, words: Words, code: string): string {
  const { task } = facts
  const columns = terminal.columns - 1
  const codeCells = Math.max(4, code.length)
  const nameCells = Math.max(8, Math.min(30, Math.floor(columns * 0.38)))
  const head = `${code.padEnd(codeCells)}  ${fitName(nameOf(task), nameCells)}  `
  const left = columns - width(head)
  const state = stateText(facts, words)
  if (state !== undefined) {
    const style =
      task.error !== undefined
        ? 'red'
        : task.phase === 'completed'
          ? 'green'
          : task.phase === 'waiting'
            ? 'yellow'
            : 'dim'
    return head + paint(terminal, style, fit(printable(state), left).trimEnd())
  }
  const { fraction, received, rate: speed, etaMs } = task.progress
  const end = `${right(rate(speed), 10)}  ${fit(etaMs === undefined ? '' : duration(etaMs), 8)}`
  if (fraction === undefined) return head + fit(`${bytes(received)}`, Math.max(0, left - width(end) - 1)) + end
  const share = right(percent(fraction), 6)
  // Under 60 columns the bar goes first, then the time left.
  const barCells = left - width(share) - width(end) - 1
  if (barCells >= 8) return `${head}${bar(terminal, fraction, Math.min(20, barCells))}${share} ${end}`.trimEnd()
  return `${head}${share} ${right(rate(speed), 10)}`
}
