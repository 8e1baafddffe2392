import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from '../../src/cli/arguments.ts'
import type { Context } from '../../src/cli/command.ts'
import { add } from '../../src/cli/commands/add.ts'
import { optionsOf } from '../../src/cli/download-flags.ts'

const options = (cwd: string, ...flags: readonly string[]): ReturnType<typeof optionsOf> => {
  const { input } = parseArguments(add, [...flags, 'http://h.example/x'])
  return optionsOf(input, { cwd, wallMs: () => 0 } as unknown as Context)
}

test('-o that ends in a dot names a folder, whether it is there or not', async () => {
  for (const [given, to] of [
    ['b/.', 'b/./'],
    ['..', '../'],
    ['b/..', 'b/../'],
    ['b.', 'b.'],
    ['b/...', 'b/...'],
  ] as const)
    assert.equal((await options('/', '-o', given)).to, to, given)
})
