import { createInterface } from 'node:readline/promises'
import type { Context } from './command.ts'

/** Asks on stderr; anything but y or yes means no. */
export async function ask(context: Context, question: string): Promise<boolean> {
  const lines = createInterface({ input: context.stdin, output: process.stderr })
  try {
    return /^y(?:es)?$/i.test((await lines.question(`${question} [y/N] `, { signal: context.left })).trim())
  } catch {
    return false
  } finally {
    lines.close()
  }
}
