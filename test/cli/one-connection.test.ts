import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseArguments } from '../../src/cli/arguments.ts'
import { ls } from '../../src/cli/commands/ls.ts'
import { openRun } from '../../src/cli/run.ts'
import { ScriptedDaemon } from '../client/scripted-daemon.ts'

test('a command keeps the connection that it has made, and makes no other', async (t) => {
  const daemon = await ScriptedDaemon.start()
  t.after(() => daemon.stop())
  process.env['LONGHAUL_HOME'] = daemon.home
  const run = openRun()
  t.after(() => run.close())
  const link = await run.contextFor(parseArguments(ls, []).input).runningDaemon()
  assert.ok(link?.attached)
  await link.call('session.counts', {})
  assert.equal(daemon.connections, 1)
})
