import { snapshotOf } from '../../client/snapshot.ts'
import { maskUrl } from '../../contract/task.ts'
import type { HeaderPairs, TaskRecord } from '../../contract/task.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { explanationText } from '../render/explanation.ts'
import { bytes, clockTime } from '../render/numbers.ts'
import { sheet } from '../render/sheet.ts'
import type { SheetLine } from '../render/sheet.ts'
import type { Words } from '../render/words.ts'
import { findTasks } from '../selection.ts'

/** Fields whose values are secrets, or may well be. */
const secret = /^(?:authorization|proxy-authorization|cookie|set-cookie|.*token.*|.*secret.*|.*key.*)$/i

export const show: Command = {
  name: 'show',
  usage: '[TASK…]',
  summary: 'everything about one task: request, response, bytes, file, tries',
  details: ['Without a task: the last one. Secrets in headers and queries are masked.'],
  flags: [],
  examples: ['longhaul show 7K2M', 'longhaul show @last --json'],
  run: async (input, context) => {
    const link = await context.daemon()
    const { words, output, wallMs } = context
    for (const task of await findTasks(link, input.words.length === 0 ? ['@last'] : input.words)) {
      if (context.json) {
        context.out(`${JSON.stringify(snapshotOf(task))}\n`)
        continue
      }
      const explanation = await link.call('task.explain', { id: task.id })
      context.out(explanationText({ task, explanation, wallMs: wallMs() }, output, words))
      context.out(`\n${sheet(linesOf(task, words, new Date(wallMs())), output)}`)
    }
    return exitCodes.done
  },
}

function linesOf(task: TaskRecord, words: Words, now: Date): readonly SheetLine[] {
  const { labels } = words
  const { currentRequest, response, result, progress } = task
  const { received, total } = progress
  const exact = total === undefined ? String(received) : `${received} / ${total}`
  const lines: SheetLine[] = [
    [labels.id, words.number(task.id, task.taskIdentifier, task.session)],
    [labels.request, `${currentRequest.method} ${maskUrl(currentRequest.url)}`],
    ...headerLines(currentRequest.headers),
  ]
  if (response !== undefined)
    lines.push([labels.response, `${response.status} ${maskUrl(response.url)}`], ...headerLines(response.headers))
  lines.push(
    [
      labels.bytes,
      `${exact} (${words.keptOf(bytes(received), total === undefined ? undefined : bytes(total), undefined)})`,
    ],
    [labels.to, placeOf(task, words)],
  )
  if (result?.digest !== undefined) lines.push([labels.digest, result.digest])
  if (result?.lengthVerified === false) lines.push(['', words.lengthUnverified])
  if (task.description !== undefined) lines.push([labels.about, task.description])
  if (task.metadata !== undefined) lines.push([labels.metadata, task.metadata])
  if (task.retryOf !== undefined) lines.push([labels.retryOf, task.retryOf])
  lines.push([labels.created, clockTime(new Date(task.createdAtMs), now)])
  if (task.completedAtMs !== undefined) lines.push([labels.ended, clockTime(new Date(task.completedAtMs), now)])
  return lines
}

function headerLines(headers: HeaderPairs): readonly SheetLine[] {
  return headers.map(([name, value]) => ['', `${name}: ${secret.test(name) ? '***' : value}`])
}

function placeOf({ result, destination }: TaskRecord, words: Words): string {
  if (result?.path !== undefined) return result.path
  if (destination.kind === 'spool') return words.spool
  if (destination.kind === 'file') return `${destination.folder}/${destination.name}`
  return `${destination.folder}/ (${words.serverNames})`
}
