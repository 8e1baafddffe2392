import { errorCodes, errorTable } from '../../contract/errors.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import type { ExplanationJson } from '../../contract/explanation.ts'
import type { TaskRecord } from '../../contract/task.ts'
import { nearest } from '../../contract/nearest.ts'
import { explanationFromJson } from '../../client/explain.ts'
import type { Command, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { bytes, clockTime, duration, took } from '../render/numbers.ts'
import { nameOf, shortCode, stateText } from '../render/row.ts'
import { paint } from '../render/terminal.ts'
import { fit, fitName, printable, right, width, wrap } from '../render/text.ts'
import { findTask, NotFound } from '../selection.ts'

export const explain: Command = {
  name: 'explain',
  aliases: ['describe', 'why'],
  usage: 'TASK | CODE',
  summary: 'why a task waits and what you can do; or what an error code means',
  flags: [],
  examples: ['longhaul explain 9QXD', 'longhaul explain DIGEST_MISMATCH'],
  run: async (input, context) => {
    const [word] = input.words
    if (word === undefined) {
      for (const code of errorCodes)
        context.out(
          context.json
            ? `${JSON.stringify({ code, ...errorTable[code] })}\n`
            : `${code.padEnd(38)} ${errorTable[code].meaning}\n`,
        )
      return exitCodes.done
    }
    if (/^[A-Z]+(_[A-Z]+)+$|^CANCELLED$|^STALLED$/.test(word)) return explainCode(word, context)
    const link = await context.daemon()
    const task = await findTask(link, word)
    const json = await link.call('task.explain', { id: task.id })
    if (context.json) context.out(`${JSON.stringify(explanationFromJson(json, context.output.language))}\n`)
    else context.out(explanationText(task, json, context))
    return exitCodes.done
  },
}

function explainCode(word: string, context: Context): number {
  if (!(word in errorTable)) {
    const guess = nearest(word, errorCodes)
    throw new NotFound(guess === undefined ? word : `${word}' (did you mean ${guess}?) '`)
  }
  const code = word as ErrorCode
  const { meaning, hint, urlErrorCode, retryable } = errorTable[code]
  if (context.json) {
    context.out(`${JSON.stringify({ code, ...errorTable[code] })}\n`)
    return exitCodes.done
  }
  const cells = Math.min(context.output.columns, 100) - 12
  const lines = [
    ['What', meaning],
    ['You can', hint],
    [
      'Retried',
      retryable ? 'Yes: trying again later, unchanged, may succeed.' : 'No: the same again would end the same.',
    ],
    ...(urlErrorCode === undefined ? [] : [['Apple', `NSURLError ${urlErrorCode}`]]),
  ]
  context.out(`${paint(context.output, 'bold', code)}\n`)
  for (const [label, text] of lines) context.out(`  ${label!.padEnd(8)} ${wrap(text!, cells, ' '.repeat(11))}\n`)
  return exitCodes.done
}

/** The sheet of `longhaul explain TASK`; also the lower half of `show`. */
export function explanationText(task: TaskRecord, json: ExplanationJson, context: Context): string {
  const { output: terminal, words } = context
  const now = new Date()
  const explanation = explanationFromJson(json, terminal.language)
  const { labels } = words
  const labelCells = Math.max(...Object.values(labels).map(width)) + 2
  const room = Math.min(terminal.columns, 100) - labelCells - 3
  const code = shortCode(task.id)
  const state = stateText({ task, why: { sentence: '', explanation: json }, wallMs: now.getTime() }, words)
  const head =
    task.phase === 'waiting' && json.nextWakeUpMs !== undefined
      ? `${words.headings.state}: ${task.phase}, ${labels.nextTry} ${duration(json.nextWakeUpMs - now.getTime())}`
      : (state ?? task.phase)
  const nameCells = Math.max(10, terminal.columns - width(code) - width(head) - 6)
  const name = fitName(nameOf(task), Math.min(nameCells, width(nameOf(task))))
  const gap = Math.max(2, Math.min(terminal.columns, 80) - width(code) - 2 - width(name) - width(head) - 1)
  const lines = [`${paint(terminal, 'bold', code)}  ${name}${' '.repeat(gap)}${head}`]
  const line = (label: string, text: string): void => {
    lines.push(`  ${fit(label, labelCells)}${wrap(printable(text), room, ' '.repeat(labelCells + 2))}`)
  }
  line(labels.why, explanation.why)
  if (json.cause !== undefined && task.state === 'completed')
    line(labels.cause, `${json.cause.message} (${json.cause.code})`)
  if (json.kept.bytes > 0 || task.state !== 'completed') {
    const total = json.kept.total === undefined ? '' : ` of ${bytes(json.kept.total)}`
    const proof = json.kept.validator === undefined ? '' : `, checked against ${json.kept.validator} when it goes on`
    line(labels.kept, `${bytes(json.kept.bytes)}${total}${proof}`)
  }
  for (const blocker of explanation.blockers) {
    line(
      labels.blocked,
      `${blocker.code}${blocker.of === undefined ? '' : ` (${blocker.of})`}${blocker.until === undefined ? '' : `, until ${clockTime(blocker.until, now)}`}`,
    )
  }
  if (json.ahead !== undefined && json.ahead > 0) line(labels.ahead, String(json.ahead))
  if (explanation.deadline !== undefined)
    line(labels.deadline, `${clockTime(explanation.deadline, now)}, then it fails with TIMED_OUT`)
  explanation.attempts.slice(-8).forEach((attempt, index) => {
    const cause =
      attempt.cause === undefined
        ? ''
        : `${attempt.cause.code}${attempt.cause.status === undefined ? '' : ` ${attempt.cause.status}`}`
    const text = `${right(String(attempt.number), 3)}  ${clockTime(attempt.startedAt, now)}  ${right(took(attempt.tookMs), 8)}  ${right(attempt.bytes === 0 ? '-' : bytes(attempt.bytes), 8)}  ${cause}`
    lines.push(`  ${fit(index === 0 ? labels.tries : '', labelCells)}${text.trimEnd()}`)
  })
  if (explanation.remedies.length > 0) {
    lines.push(
      `  ${fit(labels.youCan, labelCells)}${explanation.remedies.map((remedy) => remedy.command.replace(task.id, code)).join('   ')}`,
    )
  }
  return `${lines.join('\n')}\n`
}
