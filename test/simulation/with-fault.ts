// Puts a deliberate fault into the product: from then on, the file that it changes is loaded changed. Before anything of the
// product is imported, and once in a process: a module that is loaded stays as it is.
import { readFileSync } from 'node:fs'
import { registerHooks } from 'node:module'
import { type DeliberateFault, deliberateFaults } from './faults.ts'

const project = new URL('../../', import.meta.url)

export function faultOf(name: string): DeliberateFault {
  const fault = deliberateFaults.find((each) => each.name === name)
  if (fault !== undefined) return fault
  throw new Error(`there is no deliberate fault ${JSON.stringify(name)}; --faults lists them`)
}

/** The file of a fault as it is, and with it. @throws when the fault does not fit the file any more */
export function changedSource(fault: DeliberateFault): { readonly before: string; readonly after: string } {
  const before = readFileSync(new URL(fault.file, project), 'utf8')
  return { before, after: changed(fault, before) }
}

function changed(fault: DeliberateFault, source: string): string {
  let text = source
  for (const [from, to] of [fault.replace, ...(fault.also ?? [])]) {
    const pieces = text.split(from)
    if (pieces.length !== 2)
      throw new Error(
        `the fault ${fault.name} no longer fits ${fault.file}: write it anew (its text occurs ${pieces.length - 1} times there):\n${from}`,
      )
    text = pieces.join(to)
  }
  return text
}

/** @returns whether the changed file has been loaded by now */
export function putFault(fault: DeliberateFault): () => boolean {
  const { href } = new URL(fault.file, project)
  let loaded = false
  registerHooks({
    load: (url, context, nextLoad) => {
      const result = nextLoad(url, context)
      if (url !== href) return result
      loaded = true
      return { ...result, source: changed(fault, Buffer.from(result.source as Uint8Array).toString()) }
    },
  })
  return () => loaded
}
