import { maskUrl } from '../../contract/task.ts'
import { snapshotOf } from '../../client/snapshot.ts'
import type { Command } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { bytes, clockTime } from '../render/numbers.ts'
import { printable, wrap } from '../render/text.ts'
import { findTask } from '../selection.ts'
import { explanationText } from './explain.ts'

const secret = /^(authorization|proxy-authorization|cookie|.*token.*|.*secret.*|.*key.*)$/i

export const show: Command = {
  name: 'show',
  usage: 'TASK',
  summary: 'everything about one task: request, response, bytes, file, tries',
  flags: [],
  examples: ['longhaul show 7K2M', 'longhaul show @last --json'],
  run: async (input, context) => {
    const link = await context.daemon()
    const task = await findTask(link, input.words[0] ?? '@last')
    if (context.json) {
      context.out(`${JSON.stringify(snapshotOf(task))}\n`)
      return exitCodes.done
    }
    context.out(explanationText(task, await link.call('task.explain', { id: task.id }), context))
    const now = new Date()
    const facts: [string, string][] = [
      ['Id', `${task.id} (number ${task.taskIdentifier} of session ${task.session})`],
      ['Request', `${task.currentRequest.method} ${maskUrl(task.currentRequest.url)}`],
      ...task.currentRequest.headers.map(([name, value]): [string, string] => [
        '',
        `${name}: ${secret.test(name) ? '***' : value}`,
      ]),
    ]
    if (task.response !== undefined) {
      facts.push(['Response', `${task.response.status} from ${maskUrl(task.response.url)}`])
      for (const [name, value] of task.response.headers)
        facts.push(['', `${name}: ${secret.test(name) || /^set-cookie$/i.test(name) ? '***' : value}`])
    }
    const { received, total } = task.progress
    facts.push([
      'Bytes',
      `${received}${total === undefined ? '' : ` of ${total}`} (${bytes(received)}${total === undefined ? '' : ` of ${bytes(total)}`})`,
    ])
    const place = task.destination
    facts.push([
      'To',
      task.result?.path ??
        (place.kind === 'spool'
          ? 'the spool, until its app takes it'
          : place.kind === 'file'
            ? `${place.folder}/${place.name}`
            : `${place.folder}/ (name from the server)`),
    ])
    if (task.result?.digest !== undefined) facts.push(['Digest', task.result.digest])
    if (task.result !== undefined && !task.result.lengthVerified) facts.push(['', context.words.lengthUnverified])
    if (task.description !== undefined) facts.push(['About', task.description])
    if (task.metadata !== undefined) facts.push(['Metadata', task.metadata])
    if (task.retryOf !== undefined) facts.push(['Retry of', task.retryOf])
    facts.push(['Created', clockTime(new Date(task.createdAtMs), now)])
    if (task.completedAtMs !== undefined) facts.push(['Ended', clockTime(new Date(task.completedAtMs), now)])
    const cells = Math.min(context.output.columns, 120) - 13
    for (const [label, text] of facts)
      context.out(`  ${label.padEnd(10)}${wrap(printable(text), cells, ' '.repeat(12))}\n`)
    return exitCodes.done
  },
}
