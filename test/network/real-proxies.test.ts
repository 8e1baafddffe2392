/** By way of squid and dante: what we believe of proxies is true of those that people run. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ProxyJson } from '../../src/contract/proxy.ts'
import { createTransport } from '../../src/network/transport.ts'
import { ask } from '../support/ask.ts'
import { CertifiedServer } from '../support/certified-server.ts'
import { needs } from '../support/needs.ts'
import { RealProxy } from '../support/real-proxies.ts'

const name = 'elsewhere.example'
const credential = { user: 'me', password: 'swordfish' }
const bypass = ['<-loopback>']
const bySquid = { skip: needs('squid', 'openssl') }

for (const scheme of ['basic', 'digest'] as const) {
  test(`squid that asks by ${scheme}: http and https, ranges, refusals and failures`, bySquid, async () => {
    await using plain = await CertifiedServer.start({ name })
    await using secure = await CertifiedServer.start({ name, certificate: 'other name' })
    await using squid = await RealProxy.squid({ names: [name], credential: 'me:swordfish', scheme })
    const transport = createTransport()
    const tls = { ca: [secure.authority] }
    const url = `http://127.0.0.1:${squid.port}`
    const proxy: ProxyJson = { url, bypass, credential }
    for (const server of [plain, secure]) {
      const address = server.file('/a', { size: 3_000_000, etag: '"1"' })
      for (const reused of [false, true]) {
        const { exchange, digest } = await ask(transport, address, { proxy, tls })
        assert.equal(digest, server.digest('/a'))
        assert.deepEqual([exchange.facts.proxied, exchange.facts.reused], [true, reused])
      }
      const part = await ask(transport, address, { proxy, tls, headers: [['range', 'bytes=2999990-']] })
      assert.deepEqual([part.exchange.head.status, part.end.bytes], [206, 10])
      assert.ok(server.requests.every(({ headers }) => headers['proxy-authorization'] === undefined))
      for (const wrong of [undefined, { user: 'me', password: 'shark' }]) {
        await assert.rejects(
          ask(transport, address, { proxy: { url, bypass, ...(wrong && { credential: wrong }) }, tls }),
          { reason: 'proxy refused', message: /\(407\)$/ },
        )
      }
    }
    const forbidden = ask(transport, 'https://forbidden.example/', { proxy, tls })
    await assert.rejects(forbidden, { reason: 'proxy refused', message: /403: it does not allow this address$/ })
    const dead = ask(transport, `https://${name}:1/`, { proxy, tls })
    await assert.rejects(dead, { reason: 'proxy failed', message: /status 503: it cannot serve now$/ })
    await transport.close()
  })
}

test('dante: http and https, used again, refusals and failures', { skip: needs('danted', 'openssl') }, async () => {
  await using plain = await CertifiedServer.start({ name: 'localhost' })
  await using secure = await CertifiedServer.start({ certificate: 'good' })
  await using danted = await RealProxy.danted()
  const transport = createTransport()
  const tls = { ca: [secure.authority] }
  const url = `socks5://127.0.0.1:${danted.port}`
  for (const server of [plain, secure]) {
    const address = server.file('/a', { size: 3_000_000 })
    // Whoever has a password is also welcome where none is asked for.
    for (const proxy of [
      { url, bypass },
      { url, bypass, credential },
    ] satisfies ProxyJson[]) {
      for (const reused of [false, true]) {
        const { exchange, digest } = await ask(transport, address, { proxy, tls })
        assert.equal(digest, server.digest('/a'))
        assert.deepEqual([exchange.facts.proxied, exchange.facts.reused], [true, reused])
      }
    }
  }
  const proxy: ProxyJson = { url, bypass }
  await assert.rejects(ask(transport, 'https://127.0.0.2/', { proxy }), {
    reason: 'proxy refused',
    message: /does not allow this address \(not allowed by its ruleset\)$/,
  })
  await assert.rejects(ask(transport, 'https://127.0.0.1:1/', { proxy }), {
    reason: 'proxy failed',
    message: /was refused the connection by the server$/,
  })
  await transport.close()
})
