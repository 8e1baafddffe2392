/** `get` fetches and watches. It is only a viewer: what it asks for is on disk before it shows anything. */
import type { Link } from '../../client/link.ts'
import type { TaskRecord } from '../../contract/task.ts'
import type { Command, Context } from '../command.ts'
import { downloadFlags } from '../download-flags.ts'
import { enqueue, type EnqueuedTask } from '../enqueue.ts'
import { leftRunning, named } from '../left-running.ts'
import { failureText } from '../render/failure.ts'
import { bytes, duration, percent } from '../render/numbers.ts'
import { shortCodes } from '../render/task-name.ts'
import { watchTasks } from '../viewer.ts'

/** `get` gives up when nothing arrives for this long; `add` keeps trying until the deadline. */
const giveUpAfterMs = 5 * 60_000

export const get: Command = {
  name: 'get',
  aliases: ['pull', 'download'],
  usage: 'URL… [-o FILE | -d DIR] [-i LIST|-]',
  summary: 'fetch files and watch; leaving never stops them',
  details: [
    'Run the same command again and it attaches to the same transfer and goes on from the bytes that are there; one that has finished asks the server whether the file has changed. Standard output gets the path of each finished file, everything else goes to standard error.',
    'With the same -o FILE, an address that differs only in its query is the same transfer, under a fresh signature; for another file give another -o.',
    'A file that the server names never replaces an existing one unless you say --force; -o FILE replaces it, but only once the new file is whole and checked.',
    'It gives up when nothing has arrived for five minutes over several tries; `longhaul add` keeps trying until the deadline.',
  ],
  flags: [
    ...downloadFlags,
    { name: 'timestamps', help: 'local time before each line where nothing is redrawn' },
    { name: 'foreground', help: 'Ctrl-C cancels instead of leaving it running' },
  ],
  examples: [
    'longhaul get https://example.com/model.gguf',
    'longhaul get -i urls.txt -d ~/iso',
    'longhaul get URL -o file --digest sha-256:HEX',
  ],
  run: async (input, context) => {
    const { link, added } = await enqueue(input, context, { giveUpAfterMs })
    const ids = added.map(({ id }) => id)
    const codeOf = shortCodes(ids)
    if (!context.json && !context.quiet) await greet(link, added, codeOf, context)
    const fresh = new Set(added.flatMap(({ id, isNew }) => (isNew ? [id] : [])))
    const viewed = await watchTasks(context, link, { ids, fresh, timestamps: input.has('timestamps') })
    if (!context.json) for (const task of viewed.ended) tellEnd(task, codeOf(task.id), context)
    if (viewed.left === undefined) return viewed.exitCode
    const rest = ids.filter((id) => !viewed.ended.some((task) => task.id === id))
    if (input.has('foreground')) {
      const { changed } = await link.call('task.change', { targets: { ids: rest }, change: { kind: 'cancel' } })
      if (!context.quiet && !context.json) context.err(`${context.words.cancelled(changed)}\n`)
    } else if (!context.quiet && !context.json) context.err(leftRunning(rest.map(codeOf), context.words))
    return viewed.exitCode
  },
}

/** Which were there before; a new one shows itself. */
async function greet(
  link: Link,
  added: readonly EnqueuedTask[],
  codeOf: (id: string) => string,
  context: Context,
): Promise<void> {
  const { words, err, wallMs } = context
  const known = added.filter(({ isNew }) => !isNew)
  if (known.length > named) return err(`${words.alreadyOnThem(known.length, added.length)}\n`)
  for (const { id } of known) {
    const task = await link.call('task.get', { id })
    if (task === null || task.state === 'completed') continue
    const { received, fraction } = task.progress
    const here = fraction === undefined ? bytes(received) : percent(fraction)
    err(`${words.alreadyOnIt(codeOf(task.id), here, duration(wallMs() - task.createdAtMs))}\n`)
  }
}

function tellEnd(task: TaskRecord, code: string, context: Context): void {
  if (task.error !== undefined) context.err(failureText(task, code, context.terminal, context.words))
  else if (task.result?.path !== undefined) context.out(`${task.result.path}\n`)
}
