import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { stripTypeScriptTypes } from 'node:module'
import { test } from 'node:test'
import { deliberateFaults } from './faults.ts'
import { changedSource } from './with-fault.ts'

test('every deliberate fault still fits the source that it changes', () => {
  for (const fault of deliberateFaults) {
    const { before, after } = changedSource(fault)
    assert.notEqual(after, before, fault.name)
    stripTypeScriptTypes(after)
  }
})

test('deliberate faults are many, and each has its own name and one sentence', () => {
  assert.ok(deliberateFaults.length >= 24)
  assert.equal(new Set(deliberateFaults.map(({ name }) => name)).size, deliberateFaults.length)
  for (const { name, says } of deliberateFaults) {
    assert.match(name, /^[a-z]+(?:-[a-z]+)*$/)
    assert.match(says, /^[^.]+\.$/, name)
  }
})

test('a fault that does not fit its file any more says which and where', () => {
  const [fault] = deliberateFaults
  const old = { ...fault!, replace: ['no such text', ''] as const }
  assert.throws(() => changedSource(old), /no longer fits src\/.*: write it anew/)
})

test('a process with a deliberate fault runs the changed file', () => {
  const script = `
    const { faultOf, putFault } = await import('./test/simulation/with-fault.ts')
    const loaded = putFault(faultOf('launch-back-off-ignored'))
    const { judgeLaunch } = await import('./src/delivery/launch-rule.ts')
    const session = { launch: { command: 'x' }, configuration: { sendsLaunchEvents: true } }
    const facts = { session, events: 1, unfinished: 0, state: { failures: 1, notBeforeMs: 9000 } }
    process.stdout.write(JSON.stringify([loaded(), judgeLaunch(facts, { steadyMs: 5, wallMs: 5 }).atMs]))`
  const ran = spawnSync(process.execPath, ['--conditions=longhaul-source', '--input-type=module', '-e', script])
  assert.equal(ran.stdout.toString(), '[true,5]', ran.stderr.toString())
})
