/** A name tells where it leads only once it was connected to. Public addresses cannot be had on loopback, so the transport is pretended. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AttemptFailed } from '../../src/transfer/endings.ts'
import { ask } from '../../src/transfer/http/request.ts'
import { Measures } from '../../src/transfer/measures.ts'
import type { Outgoing, Transport } from '../../src/world/transport.ts'
import { ManualClock } from '../support/manual-clock.ts'

interface Host {
  readonly address: string
  readonly location?: string
}

/** Each host answers from its address, with a redirect if it has one. */
function pretended(
  hosts: Readonly<Record<string, Host>>,
  facts: { readonly proxied: boolean },
): Transport & { closed: number; readonly sent: string[] } {
  const sent: string[] = []
  const transport = {
    closed: 0,
    sent,
    open: async ({ url, checkAddress }: Outgoing) => {
      const host = hosts[new URL(url).hostname]!
      if (!facts.proxied) checkAddress?.(host.address)
      sent.push(url)
      return {
        head:
          host.location === undefined
            ? { status: 200, headers: [] }
            : { status: 302, headers: [['location', host.location] as const] },
        facts: {
          protocol: 'http/1.1' as const,
          reused: false,
          proxied: facts.proxied,
          fetchStartMs: 0,
          headerBytesSent: 0,
          headerBytesReceived: 0,
          remoteAddress: host.address,
        },
        receive: async () => ({ proof: 'length' as const, bytes: 0, trailers: [] }),
        close: () => {
          transport.closed++
        },
      }
    },
    close: async () => {},
  }
  return transport
}

async function outcomeOf(
  transport: Transport,
  allowPrivateRedirects = false,
  /** Asked once the first address has been answered. */
  instead?: string,
): Promise<string> {
  const policy = {
    stallMs: 1000,
    tls: {},
    cookies: 'none' as const,
    proxy: 'none' as const,
    keepHeadersAcrossOrigins: [],
    allowPrivateRedirects,
  }
  const world = { transport, clock: new ManualClock(), measures: new Measures() }
  try {
    const answer = await ask(
      { url: 'https://start.test/', method: 'GET', headers: [] },
      policy,
      world,
      new AbortController().signal,
    )
    answer.close()
    if (instead === undefined) return answer.response.url
    const there = await answer.askInstead(instead)
    there.close()
    return there.response.url
  } catch (error) {
    assert.ok(error instanceof AttemptFailed)
    return error.error.code
  }
}

const inside = { address: '10.0.0.1' }

test('a public server may not redirect to a name whose address is private', async () => {
  const transport = pretended(
    { 'start.test': { address: '1.2.3.4', location: 'https://inside.test/' }, 'inside.test': inside },
    { proxied: false },
  )
  assert.equal(await outcomeOf(transport), 'INSECURE_REDIRECT')
  assert.equal(transport.closed, 1)
  assert.deepEqual(transport.sent, ['https://start.test/'], 'something was sent to the private address')
  assert.equal(await outcomeOf(transport, true), 'https://inside.test/')
})

test('a private server may redirect within its own network, but not by way of a public one', async () => {
  const within = { 'start.test': { address: '10.9.9.9', location: 'https://inside.test/' }, 'inside.test': inside }
  assert.equal(await outcomeOf(pretended(within, { proxied: false })), 'https://inside.test/')
  const around = {
    'start.test': { address: '10.9.9.9', location: 'https://public.test/' },
    'public.test': { address: '1.2.3.4', location: 'https://inside.test/' },
    'inside.test': inside,
  }
  assert.equal(await outcomeOf(pretended(around, { proxied: false })), 'INSECURE_REDIRECT')
})

test('the address of a proxy says nothing about where a name leads', async () => {
  const hosts = {
    'start.test': { address: '10.0.0.2', location: 'https://other.test/' },
    'other.test': { address: '10.0.0.2' },
  }
  assert.equal(await outcomeOf(pretended(hosts, { proxied: true })), 'https://other.test/')
})

test('what a redirect may not lead to is not asked instead either', async () => {
  for (const [address, allowed, outcome] of [
    ['1.2.3.4', false, 'INSECURE_REDIRECT'],
    ['1.2.3.4', true, 'https://inside.test/'],
    ['10.9.9.9', false, 'https://inside.test/'],
  ] as const) {
    const hosts = {
      'start.test': { address, location: 'https://other.test/' },
      'other.test': { address: '1.2.3.5' },
      'inside.test': inside,
    }
    const transport = pretended(hosts, { proxied: false })
    assert.equal(await outcomeOf(transport, allowed, 'https://inside.test/'), outcome)
    assert.equal(transport.sent.includes('https://inside.test/'), outcome !== 'INSECURE_REDIRECT')
    assert.equal(transport.closed, transport.sent.length)
  }
})
