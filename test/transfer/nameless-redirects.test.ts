/** Who the client is, is told to the server that the task names, and to no other. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClientCertificate } from '../../src/contract/secret-reference.ts'
import { ask } from '../../src/transfer/http/request.ts'
import { Measures } from '../../src/transfer/measures.ts'
import type { Outgoing, Transport } from '../../src/world/transport.ts'
import { ManualClock } from '../support/manual-clock.ts'

test('a client certificate is not shown to another origin, nor to the first one on the way back; pins hold for all', async () => {
  const way = ['https://a.test/1', 'https://a.test/2', 'https://a.test:444/', 'https://a.test/3']
  const asked: Outgoing[] = []
  const transport: Transport = {
    open: async (request) => {
      asked.push(request)
      const location = way[asked.length]
      return {
        head:
          location === undefined ? { status: 200, headers: [] } : { status: 302, headers: [['location', location]] },
        facts: {
          protocol: 'http/1.1',
          reused: false,
          proxied: false,
          fetchStartMs: 0,
          headerBytesSent: 0,
          headerBytesReceived: 0,
        },
        receive: async () => ({ proof: 'length', bytes: 0, trailers: [] }),
        close: () => {},
      }
    },
    close: async () => {},
  }
  const clientCertificate: ClientCertificate = { from: 'file', name: '/c.pem' }
  const pins = ['sha256/x']
  const policy = {
    stallMs: 1000,
    tls: { clientCertificate, pins },
    cookies: 'none' as const,
    proxy: 'none' as const,
    keepHeadersAcrossOrigins: [],
    allowPrivateRedirects: false,
  }
  const world = { transport, clock: new ManualClock(), measures: new Measures() }
  const request = { url: way[0]!, method: 'GET', headers: [] }
  const answer = await ask(request, policy, world, new AbortController().signal)
  answer.close()
  // It stays behind where the way has been forgotten.
  const back = await answer.askInstead('https://a.test/3')
  back.close()
  assert.deepEqual(asked.pop()?.tls, { pins })
  assert.deepEqual(
    asked.map(({ url, tls }) => [url, tls]),
    way.map((url, i) => [url, i < 2 ? { clientCertificate, pins } : { pins }]),
  )
})
