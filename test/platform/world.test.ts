import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { createWorld } from '../../src/platform/world.ts'
import { silentLog } from '../../src/world/log.ts'
import type { Transport } from '../../src/world/transport.ts'
import { openVault } from '../support/open-vault.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('the parts of the real world fit one another, and close together', async () => {
  let closed = false
  const transport: Transport = {
    open: () => Promise.reject(new Error('not here')),
    close: () => {
      closed = true
      return Promise.resolve()
    },
  }
  const world = createWorld({
    transport,
    log: silentLog,
    vault: openVault,
    clockAfter: { steadyMs: 1e12, uptimeMs: 0, bootId: 'another' },
  })
  assert.ok(world.clock.steady() >= 1e12)
  const { power, metered, constrained } = world.environment.now
  assert.deepEqual({ power, metered, constrained }, { power: 'unknown', metered: 'unknown', constrained: 'unknown' })
  const folder = await world.files.folder(await temporaryFolder())
  const file = await folder.open('part', 'create')
  const bytes = world.random.bytes(1000)
  await file.write(bytes, 0)
  const digests = await world.hasher.follow(file, ['sha-256']).finish(1000, new AbortController().signal)
  assert.equal(digests.get('sha-256'), createHash('sha256').update(bytes).digest('hex'))
  await file.close()
  await folder.close()
  await world.close()
  assert.equal(closed, true)
})
