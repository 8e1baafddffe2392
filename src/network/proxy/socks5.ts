/** A way through a SOCKS5 proxy (RFC 1928, with user and password by RFC 1929). Names go to the proxy as they are. */
import { isIPv4, isIPv6 } from 'node:net'
import type { ProxyAddress, ProxyCredential } from '../../contract/proxy.ts'
import type { NetworkFailure } from '../../world/transport.ts'
import { failed, type Parley, refused, type Step } from './parley.ts'

const version = 5
const noAuthentication = 0
const userAndPassword = 2
const noneOfThem = 0xff
const connect = 1
const ipv4 = 1
const domainName = 3
const ipv6 = 4

/** RFC 1928 §6; `true`: it may go better the next time. */
const replies: Readonly<Record<number, readonly [words: string, passing: boolean]>> = {
  1: ['failed (general failure)', true],
  2: ['does not allow this address (not allowed by its ruleset)', false],
  3: ['cannot reach the network of the server', true],
  4: ['cannot reach the server', true],
  5: ['was refused the connection by the server', true],
  6: ['lost the way to the server (TTL expired)', true],
  7: ['does not know the command CONNECT', false],
  8: ['cannot go to this kind of address', false],
}

/** @param target IPv6 without brackets */
export function socks5Parley(
  proxy: ProxyAddress,
  name: string,
  target: { readonly host: string; readonly port: number },
): Parley {
  const { credential } = proxy
  const request = requestOf(name, target)
  let state: 'method' | 'authentication' | 'reply' = 'method'

  const chosen = (method: number): Step => {
    switch (method) {
      case noAuthentication:
        state = 'reply'
        return { used: 2, say: request }
      case userAndPassword:
        if (credential === undefined) break
        state = 'authentication'
        return { used: 2, say: authenticationOf(name, credential) }
      case noneOfThem:
        throw refused(
          name,
          credential === undefined
            ? 'wants a user and a password, or another proof'
            : 'wants another proof than user and password',
        )
    }
    throw failed(name, `chose a way to authenticate that was not offered (${method})`)
  }

  return {
    proxy: name,
    opening: Buffer.from(
      credential === undefined ? [version, 1, noAuthentication] : [version, 2, noAuthentication, userAndPassword],
    ),
    read(received) {
      const [first, second] = received
      const expected = state === 'authentication' ? 1 : version
      if (first !== expected) throw failed(name, 'does not speak SOCKS5')
      if (second === undefined) return undefined
      if (state === 'method') return chosen(second)
      if (state === 'authentication') {
        if (second !== 0) throw refused(name, 'did not accept the user and the password')
        state = 'reply'
        return { used: 2, say: request }
      }
      // Some proxies close at once after a failure, in the middle of their reply.
      if (second !== 0) throw failureOfReply(name, second)
      const length = replyLength(name, received)
      return length === undefined || received.length < length ? undefined : { used: length, open: true }
    },
  }
}

function failureOfReply(name: string, code: number): NetworkFailure {
  const [words, passing] = replies[code] ?? [`failed with a reply that has no meaning (${code})`, true]
  return (passing ? failed : refused)(name, words)
}

/** Of the whole reply; where the proxy is bound means nothing to us, but it has to be read. */
function replyLength(name: string, reply: Buffer): number | undefined {
  switch (reply[3]) {
    case undefined:
      return undefined
    case ipv4:
      return 4 + 4 + 2
    case ipv6:
      return 4 + 16 + 2
    case domainName:
      return reply[4] === undefined ? undefined : 5 + reply[4] + 2
    default:
      throw failed(name, 'gave a reply that is not SOCKS5')
  }
}

function requestOf(name: string, { host, port }: { readonly host: string; readonly port: number }): Buffer {
  return Buffer.concat([
    Buffer.from([version, connect, 0]),
    addressOf(name, host),
    Buffer.from([port >> 8, port & 0xff]),
  ])
}

function addressOf(name: string, host: string): Buffer {
  if (isIPv4(host)) return Buffer.from([ipv4, ...host.split('.').map(Number)])
  if (isIPv6(host)) return Buffer.from([ipv6, ...bytesOf(host)])
  return Buffer.concat([Buffer.from([domainName]), shortText(name, host)])
}

/** `host` as the parser of addresses writes it: groups of hex, at most one `::`. */
function bytesOf(host: string): readonly number[] {
  const [left = [], right = []] = host.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const zeros = Array<string>(8 - left.length - right.length).fill('0')
  return [...left, ...zeros, ...right].flatMap((group) => {
    const value = Number.parseInt(group, 16)
    return [value >> 8, value & 0xff]
  })
}

function authenticationOf(name: string, { user, password }: ProxyCredential): Buffer {
  return Buffer.concat([Buffer.from([1]), shortText(name, user), shortText(name, password)])
}

/** Behind its length in one byte. To cut it would mean another host, or another user. */
function shortText(name: string, text: string): Buffer {
  const bytes = Buffer.from(text, 'utf8')
  if (bytes.length > 255) throw refused(name, 'cannot be told a name or a password of more than 255 bytes (SOCKS5)')
  return Buffer.concat([Buffer.from([bytes.length]), bytes])
}
