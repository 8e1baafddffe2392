import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from '../../src/cli/arguments.ts'
import type { Context } from '../../src/cli/command.ts'
import { add } from '../../src/cli/commands/add.ts'
import { enqueue } from '../../src/cli/enqueue.ts'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import type { NewTask } from '../../src/contract/task.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('when the daemon refuses a later part of many addresses, it is said how many were started before', async () => {
  let asked = 0
  const call = (verb: string, { tasks }: { readonly tasks: readonly NewTask[] }): Promise<unknown> => {
    if (verb !== 'task.enqueue') return Promise.resolve({ tasks: [] })
    if (++asked > 1) return Promise.reject(new LonghaulError('DISK_FULL', 'The journal cannot be written.'))
    return Promise.resolve({ tasks: tasks.map(({ id }) => ({ id, isNew: true })) })
  }
  const cwd = await temporaryFolder()
  const context = { cwd, quiet: true, wallMs: () => 0, daemon: () => Promise.resolve({ call }) } as unknown as Context
  const addresses = Array.from({ length: 1001 }, (_, index) => `http://h.example/${index}`)
  const { input } = parseArguments(add, addresses)
  await assert.rejects(enqueue(input, context, {}), (error) => {
    assert.ok(isLonghaulError(error, 'DISK_FULL'))
    assert.equal(
      error.message,
      'The journal cannot be written. 1000 of 1001 transfers were started before that and go on; the same command again takes up the rest.',
    )
    return true
  })
})
