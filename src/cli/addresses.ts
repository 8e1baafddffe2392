/** The addresses of `get` and `add`: words of the command line, and lists. May touch: the list's file, standard input. */
import { readFile } from 'node:fs/promises'
import { resolve } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { LonghaulError } from '../contract/errors.ts'
import type { Context, Input } from './command.ts'
import { refusedScheme } from './habits.ts'
import { isAddress } from './translate.ts'

const nothing = 'Nothing was started.'

/** @throws INVALID_ARGUMENT for none, or one that another program fetches; FILE_DOES_NOT_EXIST for a list that cannot be read */
export async function addressesOf(input: Input, context: Context): Promise<readonly string[]> {
  const lists = await Promise.all(input.values('input').map((list) => listed(list, context)))
  const addresses = [...input.words, ...lists.flat()]
  if (addresses.length === 0)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `There is no address. Usage: longhaul get URL… [-o FILE | -d DIR] [-i LIST|-]. ${nothing}`,
    )
  if (input.value('output') !== undefined && addresses.length > 1)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `-o names one file, but there are ${addresses.length} addresses. Use -d DIR for several. ${nothing}`,
    )
  for (const address of addresses) {
    const refusal = refusedScheme(address)
    if (refusal !== undefined) throw new LonghaulError('UNSUPPORTED_URL', `${refusal} ${nothing}`)
  }
  return addresses
}

/** One address a line; empty lines and `#` comments are skipped. */
async function listed(list: string, context: Context): Promise<readonly string[]> {
  if (isAddress(list))
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `-i wants a file with an address a line; an address itself stands without -i. ${nothing}`,
    )
  const text = list === '-' ? await readAll(context.stdin) : await read(resolve(context.cwd, list), list)
  const lines = text.split(/\r?\n/).map((line) => line.trim())
  return lines.filter((line) => line !== '' && !line.startsWith('#'))
}

async function read(path: string, shown: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LonghaulError('FILE_DOES_NOT_EXIST', `The list ${shown} cannot be read: ${why}. ${nothing}`, { cause })
  }
}
