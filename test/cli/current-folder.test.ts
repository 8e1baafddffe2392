import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { FaultServer } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { CommandLine } from './command-line.ts'

test('in a folder that was removed what needs it says so, and all else works', { skip: needs('linux') }, async () => {
  await using cli = await CommandLine.open()
  await using server = await FaultServer.start()
  const url = server.file('/a.bin', { size: 10 })
  const shell = 'mkdir gone; cd gone; rmdir ../gone'
  const inRemoved = (...args: readonly string[]): ReturnType<CommandLine['run']> => cli.run(args, { shell })
  for (const args of [
    ['get', url],
    ['get', url, '-o', 'a.bin'],
    ['get', '-i', 'list', '-d', cli.folder],
    ['get', url, '-d', cli.folder, '--ca', 'own.pem'],
    ['retry', '@last', '-o', 'a.bin'],
  ]) {
    const { code, stderr } = await inRemoved(...args)
    assert.match(
      stderr,
      /^longhaul: The folder that this command was called in is not there any\s+more\./,
      args.join(' '),
    )
    assert.equal(code, 7)
  }
  const file = join(cli.folder, 'a.bin')
  const got = await inRemoved('get', url, '-o', file)
  assert.deepEqual([got.code, got.stdout], [0, `${file}\n`], got.stderr)
  assert.equal(readFileSync(file).length, 10)
  const list = await inRemoved('ls', '-a')
  assert.deepEqual([list.code, list.stderr], [0, ''])
  assert.match(list.stdout, /a\.bin/)
})

test('a home that begins in a folder that was removed is told as such', { skip: needs('linux') }, async () => {
  await using cli = await CommandLine.open()
  const inRemoved = { shell: 'mkdir gone; cd gone; rmdir ../gone', env: { LONGHAUL_HOME: 'home' } }
  for (const args of [['ls'], ['daemon', 'status'], ['daemon', 'run']]) {
    const { code, stderr } = await cli.run(args, inRemoved)
    assert.match(
      stderr.replace(/\s+/g, ' '),
      /^longhaul: The home home begins in a folder that is not there any more\. /,
    )
    assert.equal(code, 7, args.join(' '))
  }
})
