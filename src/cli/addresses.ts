/** The addresses of `get` and `add`: words of the command line, and lists. May touch: the list's file, standard input. */
import { readFile } from 'node:fs/promises'
import { addAbortSignal } from 'node:stream'
import { text as readAll } from 'node:stream/consumers'
import { requestFacts } from '../client/requests.ts'
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { HeaderPairs, RequestFacts } from '../contract/task.ts'
import type { Context, Input } from './command.ts'
import { absolutePath } from './current-folder.ts'
import { refusedScheme } from './habits.ts'
import { isAddress } from './translate.ts'

const nothing = 'Nothing was started.'
/** So many wrong lines are named beside the first. */
const namedLines = 5

/** As it was written, and where. */
export interface Address {
  readonly url: string
  /** Of a list: its name and the line, as a message calls them. */
  readonly line?: string
}

/** @throws INVALID_ARGUMENT for none; FILE_DOES_NOT_EXIST for a list that cannot be read */
export async function addressesOf(input: Input, context: Context): Promise<readonly Address[]> {
  const lists = await Promise.all(input.values('input').map((list) => listed(list, context)))
  const addresses = [...input.words.map((url) => ({ url })), ...lists.flat()]
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
  return addresses
}

/** @throws for the first address that cannot be fetched; of lists it names every line that is wrong */
export function requestsOf(addresses: readonly Address[], headers: HeaderPairs): readonly RequestFacts[] {
  const requests: RequestFacts[] = []
  const wrong: { readonly line: string; readonly error: LonghaulError }[] = []
  for (const { url, line } of addresses) {
    try {
      requests.push(requestOf(url, headers))
    } catch (error) {
      const isOfAddress = isLonghaulError(error, 'BAD_URL') || isLonghaulError(error, 'UNSUPPORTED_URL')
      if (line === undefined || !isOfAddress) throw error
      wrong.push({ line, error })
    }
  }
  if (wrong.length > 0) throw wrongLines(wrong)
  return requests
}

/** @throws UNSUPPORTED_URL for one that another program fetches; as {@link requestFacts} */
function requestOf(url: string, headers: HeaderPairs): RequestFacts {
  const refusal = refusedScheme(url)
  if (refusal !== undefined) throw new LonghaulError('UNSUPPORTED_URL', `${refusal} ${nothing}`)
  return requestFacts({ url, headers })
}

/** All of them at once: who mends a list should not have to run it once a line. */
function wrongLines(wrong: readonly { readonly line: string; readonly error: LonghaulError }[]): LonghaulError {
  const [{ line, error }, ...more] = wrong as [(typeof wrong)[number], ...typeof wrong]
  const others = more.slice(0, namedLines).map((one) => one.line)
  if (more.length > namedLines) others.push(`${more.length - namedLines} others`)
  const also = more.length === 0 ? '' : ` Also wrong: ${others.join('; ')}.`
  return new LonghaulError(error.code, `${line}: ${error.message}${also}`, { cause: error })
}

/** One address a line; empty lines and `#` comments are skipped. */
async function listed(list: string, context: Context): Promise<readonly Address[]> {
  if (isAddress(list))
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `-i wants a file with an address a line; an address itself stands without -i. ${nothing}`,
    )
  // Whoever leaves does not have to end the list first.
  const text =
    list === '-'
      ? await readAll(addAbortSignal(context.left, context.stdin))
      : await read(absolutePath(list, context), list)
  const shown = list === '-' ? 'standard input' : list
  const lines = text.split(/\r?\n/).map((line, index) => ({ url: line.trim(), line: `${shown}, line ${index + 1}` }))
  return lines.filter(({ url }) => url !== '' && !url.startsWith('#'))
}

async function read(path: string, shown: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw new LonghaulError('FILE_DOES_NOT_EXIST', `The list ${shown} cannot be read: ${why}. ${nothing}`, { cause })
  }
}
