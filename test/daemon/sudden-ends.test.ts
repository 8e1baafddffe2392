// What the daemon cannot go on from ends it at once and uncleanly; the next life finds everything that was committed.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { needs } from '../support/needs.ts'
import { connect, start } from './running.ts'

const breakable = new URL('fixtures/breakable.ts', import.meta.url).href

for (const [way, told, logged] of [
  ['journal thread', /the daemon ends too/i, 'The thread of the journal ended'],
  ['fault', /because of a fault inside it/, 'nobody caught this'],
  ['rejection', /because of a fault inside it/, 'nobody caught this'],
  ['two signals', /^$/, 'a second signal came'],
] as const)
  test(
    `the daemon ends at once, and the next one goes on from the journal, after: ${way}`,
    { skip: needs('linux') },
    async (t) => {
      const daemon = await start(t, { env: { NODE_OPTIONS: `--import=${breakable}`, BREAK: way } })
      const { home } = daemon
      const client = await connect(t, daemon)
      const opening = { identifier: 'com.example', configuration: {}, strictConfiguration: false }
      assert.equal((await client.ask('session.open', opening)).created, true)
      const ended = await daemon.stop('SIGUSR2')
      assert.equal(ended.signal, 'SIGKILL')
      assert.match(ended.stderr, told)
      await client.closed
      const log = join(home, 'log', 'daemon.log')
      assert.ok((await readFile(log, 'utf8')).includes(logged))

      const next = await connect(t, await start(t, { home }))
      assert.equal((await next.ask('session.open', opening)).created, false)
      assert.ok((await readFile(log, 'utf8')).includes('did not end cleanly'))
    },
  )
