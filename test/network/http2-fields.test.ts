/** Fields that Node carries over HTTP/1.1 and refuses over HTTP/2: of a server that speaks it alone, the task hears of that. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { createTransport } from '../../src/network/transport.ts'
import type { HeaderList } from '../../src/world/transport.ts'
import { ask } from '../support/ask.ts'
import { needs } from '../support/needs.ts'
import { rawHttp2 } from './raw-http2.ts'

const refused: readonly HeaderList[] = [
  [
    ['User-Agent', 'a'],
    ['User-Agent', 'b'],
  ],
  [['HTTP2-Settings', 'AAMAAABkAAQCAAAAAAIAAAAA']],
]

test(
  'a request that HTTP/2 cannot carry fails alone: the next one to that server is served',
  { skip: needs('openssl') },
  async () => {
    await using server = await rawHttp2((wire) => {
      wire.head(200)
      wire.data('hello', { end: true })
    })
    const transport = createTransport()
    const tls = { ca: [server.authority] }
    // The first connection is made for it, the second had served before.
    for (const kept of [false, true])
      for (const headers of refused) {
        if (kept) await ask(transport, server.url, { tls })
        await assert.rejects(ask(transport, server.url, { tls, headers }), {
          code: 'INVALID_ARGUMENT',
          message: /cannot be sent over HTTP\/2/,
        })
        // What Node says of the connection comes a tick later.
        await setImmediate()
      }
    assert.equal((await ask(transport, server.url, { tls })).end.bytes, 5)
    await transport.close()
  },
)
