/** Bytes that come before the head is whole are told, so that nobody takes the server for silent. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { test } from 'node:test'
import { createServer as createTlsServer } from 'node:tls'
import { createTransport } from '../../src/network/transport.ts'
import { testAuthority, testCertificate } from '../support/certificates.ts'
import { needs } from '../support/needs.ts'

/** Each goes out when the one before was heard. */
const pieces = ['HTTP/1.1 102 Processing\r\n\r\n', 'HTTP/1.1 102 Processing\r\n\r\n', 'HTTP/1.1 200 ', 'OK\r\nContent-']
const rest = 'Length: 5\r\n\r\nhello'

async function portOf(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

for (const [where, method] of [
  ['http', 'GET'],
  ['https', 'GET'],
  // Over TLS that tells its end.
  ['https', 'POST'],
] as const)
  test(`interim answers and a head in pieces are told (${method}, ${where})`, { skip: needs('openssl') }, async () => {
    const left = [...pieces]
    let peer: Socket | undefined
    const say = (): void => {
      // The first time it is told that there is a connection.
      if (peer === undefined) return
      const piece = left.shift()
      peer.write(piece ?? rest)
      if (piece === undefined) peer = undefined
    }
    const serve = (socket: Socket): void => {
      socket
        .on('error', () => {})
        .once('data', () => {
          peer = socket
          say()
        })
    }
    const server = where === 'http' ? createServer(serve) : createTlsServer(testCertificate(), serve)
    const transport = createTransport()
    const url = `${where}://localhost:${await portOf(server)}/`
    const tls = { ca: [testAuthority()] }
    const exchange = await transport.open({ url, method, headers: [], tls, heard: say }, new AbortController().signal)
    assert.deepEqual([exchange.head.status, left], [200, []])
    let told = 0
    await exchange.receive(() => void told++)
    assert.equal(told, 1)
    await transport.close()
    server.close()
  })

test('interim answers are told (HTTP/2)', { skip: needs('openssl') }, async () => {
  const server = createSecureServer(testCertificate())
  const goOn = Promise.withResolvers<void>()
  server.on('stream', (stream) => {
    stream.on('error', () => {}).additionalHeaders({ ':status': 102 })
    void goOn.promise.then(() => stream.respond({ ':status': 200 }, { endStream: true }))
  })
  const transport = createTransport()
  const url = `https://localhost:${await portOf(server)}/`
  // Once for the connection, once for what came over it.
  let left = 2
  const heard = (): void => {
    if (--left === 0) goOn.resolve()
  }
  const tls = { ca: [testAuthority()] }
  const exchange = await transport.open({ url, method: 'GET', headers: [], tls, heard }, new AbortController().signal)
  assert.equal(exchange.head.status, 200)
  await exchange.receive(() => undefined)
  await transport.close()
  server.close()
})
