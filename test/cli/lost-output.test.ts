import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { CommandLine } from './command-line.ts'

test('an output that cannot be written is told, and is no reader that has gone', { skip: needs('linux') }, async () => {
  await using cli = await CommandLine.open()
  await using server = await FaultServer.start()
  const url = server.file('/a.bin', { size: 10 })
  for (const args of [['add', url], ['get', url], ['ls', '-a'], ['ls', '--json', '-a'], ['help'], ['get', '--help']]) {
    const { code, stderr } = await cli.run(args, { shell: 'exec >/dev/full' })
    const told = stderr.replace(/\s+/g, ' ')
    assert.match(
      told,
      /longhaul: Standard output was lost: ENOSPC: .+ Transfers are not touched by it\. $/,
      args.join(' '),
    )
    assert.equal(told.split('was lost').length, 2, 'once')
    assert.equal(code, 8, args.join(' '))
  }
  const silent = await cli.run(['get', url, '-o', 'b.bin'], { shell: 'exec 2>/dev/full' })
  assert.equal(silent.code, 8)
})

test(
  'a command that failed tells by its exit code why, also where nothing could be said',
  { skip: needs('linux') },
  async () => {
    await using cli = await CommandLine.open()
    await using server = await FaultServer.start()
    const failures: readonly (readonly [exit: number, ...args: readonly string[]])[] = [
      [2, 'get', 'nosuchscheme://x'],
      [12, 'show', 'nosuch'],
      [4, 'get', server.url('/missing')],
    ]
    for (const [exit, ...args] of failures)
      assert.equal((await cli.run(args, { shell: 'exec 2>/dev/full' })).code, exit, args.join(' '))
    assert.equal((await cli.run(['show', 'nosuch'], { shell: 'exec >/dev/full 2>&1' })).code, 12)
  },
)

test('a log that cannot be kept does not keep the answer from coming', { skip: needs('linux') }, async () => {
  await using cli = await CommandLine.open()
  await using server = await FaultServer.start()
  const url = server.file('/a.bin', { size: 1000, script: [stallAfter(500)] })
  const run = cli.start(['get', url, '-v', '-L'], { shell: 'exec 2>/dev/full' })
  await server.sent('/a.bin', 500)
  server.release()
  const { code, stdout } = await run.ended
  assert.deepEqual([code, stdout], [8, `${cli.folder}/a.bin\n`])
})
