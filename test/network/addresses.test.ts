/** Names with several addresses: one that is dead does not keep the others waiting (RFC 8305). */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type LookupFunction, type Socket } from 'node:net'
import { test } from 'node:test'
import { createTransport } from '../../src/network/transport.ts'
import { ask } from '../support/ask.ts'
import { FaultServer } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { ProxyServer } from '../support/proxy-server.ts'

const name = 'files.example'

/** Every name has these addresses, in this order. */
function addresses(...list: readonly string[]): LookupFunction {
  return (_host, _options, found) =>
    found(
      null,
      list.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )
}

/** An address that answers nobody: a process that stands still listens there, and all its room for callers is taken. */
class BlackHole implements AsyncDisposable {
  readonly address: string
  readonly #process: ChildProcess
  readonly #callers: readonly Socket[]

  private constructor(address: string, process: ChildProcess, callers: readonly Socket[]) {
    this.address = address
    this.#process = process
    this.#callers = callers
  }

  static async open(address: string, port: number): Promise<BlackHole> {
    const source = `
      const server = require('node:net').createServer().listen({ host: '${address}', port: ${port}, backlog: 1 }, () => {
        require('node:fs').writeSync(1, 'listening')
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
      })`
    const child = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] })
    await once(child.stdout, 'data')
    // One waits to be accepted, one more is let in by Linux; who comes behind them hears nothing.
    const callers = [connect(port, address), connect(port, address)]
    for (const caller of callers) caller.on('error', () => {})
    await Promise.all(callers.map((caller) => once(caller, 'connect')))
    return new BlackHole(address, child, callers)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const caller of this.#callers) caller.destroy()
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGKILL')
    await ended
  }
}

const linux = { skip: needs('linux') }

test('an address that refuses is passed over for the next one of the same name', linux, async () => {
  await using server = await FaultServer.start({ name })
  const transport = createTransport({ lookup: addresses('127.0.0.2', '127.0.0.3', '127.0.0.1') })
  const { exchange, digest } = await ask(transport, server.file('/a', { size: 1000 }))
  assert.equal(digest, server.digest('/a'))
  assert.equal(exchange.facts.remoteAddress, '127.0.0.1')
  await transport.close()
})

test('an address of IPv6 that refuses is passed over for one of IPv4', { skip: needs('ipv6') }, async () => {
  await using server = await FaultServer.start({ name })
  const transport = createTransport({ lookup: addresses('::1', '127.0.0.1') })
  assert.equal((await ask(transport, server.file('/a', { size: 1 }))).exchange.facts.remoteAddress, '127.0.0.1')
  await transport.close()
})

test('an address of IPv4 that refuses is passed over for one of IPv6', { skip: needs('ipv6') }, async () => {
  await using server = await FaultServer.start({ host: '::1', name })
  const transport = createTransport({ lookup: addresses('127.0.0.1', '::1') })
  assert.equal((await ask(transport, server.file('/a', { size: 1 }))).exchange.facts.remoteAddress, '::1')
  await transport.close()
})

test('an address that answers nobody does not keep the next one waiting', linux, async () => {
  await using server = await FaultServer.start({ name })
  const url = server.file('/a', { size: 1000 })
  await using hole = await BlackHole.open('127.0.0.2', Number(new URL(url).port))
  const alone = createTransport({ lookup: addresses(hole.address), connectTimeoutMs: 200 })
  await assert.rejects(ask(alone, url), { reason: 'cannot connect', message: /no answer within 0\.2 s/ })
  await alone.close()
  const transport = createTransport({ lookup: addresses(hole.address, '127.0.0.1'), connectTimeoutMs: 20_000 })
  const { exchange, digest } = await ask(transport, url)
  assert.equal(digest, server.digest('/a'))
  assert.equal(exchange.facts.remoteAddress, '127.0.0.1')
  await transport.close()
})

test('an address of a proxy that answers nobody does not keep its next one waiting', linux, async () => {
  await using server = await FaultServer.start({ name })
  await using proxy = await ProxyServer.start({ kind: 'socks5' })
  await using hole = await BlackHole.open('127.0.0.2', proxy.port)
  const transport = createTransport({ lookup: addresses(hole.address, '127.0.0.1'), connectTimeoutMs: 20_000 })
  const { exchange } = await ask(transport, server.file('/a', { size: 1000 }), {
    proxy: { url: `socks5://proxy.example:${proxy.port}`, bypass: [] },
  })
  assert.deepEqual([exchange.facts.proxied, exchange.facts.remoteAddress], [true, '127.0.0.1'])
  await transport.close()
})

test('a name all of whose addresses are dead fails with what the last of them said', linux, async () => {
  const server = await FaultServer.start({ name })
  const url = server.file('/a', { size: 1 })
  await server.stop()
  const transport = createTransport({ lookup: addresses('127.0.0.2', '127.0.0.1') })
  await assert.rejects(ask(transport, url), {
    reason: 'cannot connect',
    message: /^files\.example:\d+: cannot connect \(ECONNREFUSED, while connecting\)$/,
  })
  await transport.close()
})

test('an address that is refused is not connected to, not even to shake hands: TLS would tell the name there', async () => {
  await using server = await FaultServer.start({ name })
  const refusal = new Error('not there')
  const checkAddress = (): never => {
    throw refusal
  }
  for (const lookup of [addresses('127.0.0.1'), undefined]) {
    const transport = createTransport(lookup && { lookup })
    for (const scheme of ['http', 'https'])
      for (const host of ['127.0.0.1', lookup === undefined ? 'localhost' : name]) {
        const url = server.file('/a', { size: 1 }).replace(/^http:..[^:]+/, `${scheme}://${host}`)
        await assert.rejects(ask(transport, url, { checkAddress }), refusal)
      }
    await transport.close()
  }
  assert.equal(server.connections, 0)
})

test('of the addresses of a name only those that are allowed are connected to', linux, async () => {
  await using server = await FaultServer.start({ name })
  await using other = await FaultServer.start({ host: '127.0.0.2', port: Number(new URL(server.url('/')).port), name })
  const transport = createTransport({ lookup: addresses('127.0.0.2', '127.0.0.1') })
  const checkAddress = (address: string): void => {
    if (address === '127.0.0.2') throw new Error('not there')
  }
  const { exchange } = await ask(transport, server.file('/a', { size: 1 }), { checkAddress })
  assert.equal(exchange.facts.remoteAddress, '127.0.0.1')
  assert.equal(other.connections, 0)
  await transport.close()
})
