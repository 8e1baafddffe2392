import type { Link } from '../../client/link.ts'
import { explanationFromJson } from '../../client/explain.ts'
import { errorCodes, errorTable } from '../../contract/errors.ts'
import type { ErrorCode } from '../../contract/errors.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { nearest } from '../../contract/nearest.ts'
import type { TaskRecord } from '../../contract/task.ts'
import type { Command, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { explanationText } from '../render/explanation.ts'
import { sheet } from '../render/sheet.ts'
import { paint } from '../render/terminal.ts'
import { findTask, NotFound } from '../selection.ts'

export const explain: Command = {
  name: 'explain',
  aliases: ['describe', 'why'],
  usage: 'TASK | CODE',
  summary: 'why a task waits and what you can do; or what an error code means',
  details: ['Without an argument: all error codes.'],
  flags: [],
  examples: ['longhaul explain 9QXD', 'longhaul explain DIGEST_MISMATCH'],
  run: async (input, context) => {
    const [word, ...more] = input.words
    if (word === undefined) return listCodes(context)
    if (more.length > 0) throw new LonghaulError('INVALID_ARGUMENT', 'longhaul explain takes one task or one code.')
    if (/^[A-Z]+(?:_[A-Z]+)+$/.test(word) || word in errorTable) return explainCode(word, context)
    const link = await context.daemon()
    const task = await taskOrCode(link, word)
    const explanation = await link.call('task.explain', { id: task.id })
    if (context.json) context.out(`${JSON.stringify(explanationFromJson(explanation, context.output.language))}\n`)
    else context.out(explanationText({ task, explanation, wallMs: context.wallMs() }, context.output, context.words))
    return exitCodes.done
  },
}

/** What is no task might have been meant as a code. */
async function taskOrCode(link: Link, word: string): Promise<TaskRecord> {
  try {
    return await findTask(link, word)
  } catch (error) {
    if (!(error instanceof NotFound)) throw error
    throw new NotFound(
      word,
      `'${word}' is neither a task nor an error code. longhaul ls -a lists all tasks, longhaul explain all codes.`,
    )
  }
}

function listCodes(context: Context): number {
  if (context.json) for (const code of errorCodes) context.out(`${JSON.stringify({ code, ...errorTable[code] })}\n`)
  else
    context.out(
      sheet(
        errorCodes.map((code) => [code, errorTable[code].meaning]),
        context.output,
      ),
    )
  return exitCodes.done
}

function explainCode(word: string, context: Context): number {
  if (!(word in errorTable)) {
    const guess = nearest(word, errorCodes)
    const hint = guess === undefined ? 'longhaul explain lists all of them.' : `Did you mean ${guess}?`
    throw new NotFound(word, `There is no error code ${word}. ${hint}`)
  }
  const code = word as ErrorCode
  const { meaning, hint, urlErrorCode, retryable } = errorTable[code]
  if (context.json) {
    context.out(`${JSON.stringify({ code, ...errorTable[code] })}\n`)
    return exitCodes.done
  }
  const again = retryable
    ? 'Yes: trying again later, unchanged, may succeed.'
    : 'No: the same again would end the same.'
  context.out(
    `${paint(context.output, 'bold', code)}\n${sheet(
      [
        [context.words.labels.what, meaning],
        [context.words.labels.youCan, hint],
        ['Retryable', again],
        ...(urlErrorCode === undefined ? [] : [['Apple', `NSURLError ${urlErrorCode}`] as const]),
      ],
      context.output,
    )}`,
  )
  return exitCodes.done
}
