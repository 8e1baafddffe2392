import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FaultServer } from '../../src/testing/index.ts'
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
