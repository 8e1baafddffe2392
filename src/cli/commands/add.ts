/** `add` is `get` without the watching: the same flags, the same tasks; one run of either finds the other's. */
import type { Command } from '../command.ts'
import { downloadFlags } from '../download-flags.ts'
import { enqueue } from '../enqueue.ts'
import { exitCodes } from '../exit-codes.ts'
import { jsonLine } from '../render/json-view.ts'
import { shortCodes } from '../render/task-name.ts'

export const add: Command = {
  name: 'add',
  usage: 'URL… [-o FILE | -d DIR] [-i LIST|-]',
  summary: 'like get, but returns at once: exit code 0 means it is on disk and will be done',
  details: ['Prints the short code of each task; with -q the whole id.'],
  flags: downloadFlags,
  examples: ['longhaul add https://example.com/big.iso', 'generate-urls | longhaul add -i - -d mirror'],
  run: async (input, context) => {
    const { session, added } = await enqueue(input, context, {})
    const codeOf = shortCodes(added.map(({ id }) => id))
    for (const { id, isNew } of added) {
      if (context.json) context.out(jsonLine('task.created', context.wallMs(), { id, session, new: isNew }))
      else context.out(`${context.quiet ? id : codeOf(id)}\n`)
    }
    if (context.json)
      context.out(jsonLine('summary', context.wallMs(), { ok: added.length, failed: 0, exit: exitCodes.done }))
    return exitCodes.done
  },
}
