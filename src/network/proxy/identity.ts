/**
 * Who we are to one proxy. Nothing is shown before the proxy has asked, so that a password does not go over the wire in the
 * clear to one that would have taken Digest; what its first 407 taught is used from then on, by all connections to it.
 */
import { type Challenge, parseChallenges } from '../../authentication/challenges.ts'
import { DigestSession } from '../../authentication/digest-session.ts'
import { type DigestChallenge, digestChallenge } from '../../authentication/digest.ts'
import type { ProxyAddress, ProxyCredential } from '../../contract/proxy.ts'
import { type HeaderList, NetworkFailure } from '../../world/transport.ts'
import { routeKey } from '../route.ts'
import { refused } from './parley.ts'

/** What goes along with one request to the proxy. */
export interface Shown {
  /** Of Proxy-Authorization. */
  readonly value: string
  /** With which it was made; undefined: Basic. */
  readonly nonce: string | undefined
}

/** A 407 of a proxy, before it is known whether we have an answer. */
export class Challenged extends NetworkFailure {
  readonly headers: HeaderList
  constructor(name: string, headers: HeaderList) {
    super('proxy refused', 'proxy', `${name} wants a user and a password (407)`)
    this.headers = headers
  }
}

/** Times that one request is asked again: a nonce that has just gone stale may do so once more. */
const mostAnswers = 2

export class Identity {
  readonly #credential: ProxyCredential | undefined
  readonly #bytes: (count: number) => Uint8Array
  #known: DigestSession | 'basic' | undefined

  /** @param bytes random ones */
  constructor(credential: ProxyCredential | undefined, bytes: (count: number) => Uint8Array) {
    this.#credential = credential
    this.#bytes = bytes
  }

  /** @param uri the request target as it is sent: the whole address, or for CONNECT host and port */
  introduce(method: string, uri: string): Shown | undefined {
    const known = this.#known
    if (known === undefined || this.#credential === undefined) return undefined
    if (known === 'basic') return { value: basic(this.#credential), nonce: undefined }
    const { nonce } = known
    return { value: known.authorization(method, uri), nonce }
  }

  /** Takes the nonce for the next request that may come with any answer of the proxy itself. */
  told(headers: HeaderList): void {
    if (!(this.#known instanceof DigestSession)) return
    for (const info of valuesOf(headers, 'proxy-authentication-info')) this.#known.told(info)
  }

  /**
   * Learns from a 407. Undefined: ask again; else why not, as it is said of the proxy.
   * @param answered how often this request was asked again already
   */
  learn(headers: HeaderList, shown: Shown | undefined, answered: number): string | undefined {
    const challenges = parseChallenges(valuesOf(headers, 'proxy-authenticate'))
    const credential = this.#credential
    if (credential === undefined) return 'wants a user and a password (407)'
    const refused = 'did not accept the user and the password (407)'
    if (answered >= mostAnswers) return refused
    const digest = best(challenges)
    const before = this.#known
    if (digest !== undefined) {
      const inUse = before instanceof DigestSession ? before : undefined
      // Somebody else has been told of a newer one since.
      if (shown?.nonce !== undefined && inUse !== undefined && inUse.nonce !== shown.nonce) return undefined
      if (shown?.nonce !== undefined && !digest.stale) return refused
      this.#known = new DigestSession(digest, credential, this.#bytes)
      return undefined
    }
    if (!challenges.some(({ scheme }) => scheme === 'basic')) return `wants ${schemesOf(challenges)}`
    if (before instanceof DigestSession) return 'wants the password in the clear, and did not before (407)'
    if (shown !== undefined) return refused
    this.#known = 'basic'
    return undefined
  }
}

/** Far more proxies than anybody has. */
const kept = 64

/** One for each proxy, and for each name under which it is asked. */
export class Identities {
  readonly #all = new Map<string, Identity>()
  readonly #bytes: (count: number) => Uint8Array

  /** @param bytes random ones */
  constructor(bytes: (count: number) => Uint8Array) {
    this.#bytes = bytes
  }

  of(proxy: ProxyAddress): Identity {
    const key = routeKey(proxy)
    const found = this.#all.get(key) ?? new Identity(proxy.credential, this.#bytes)
    this.#all.delete(key)
    this.#all.set(key, found)
    const oldest = this.#all.keys().next()
    if (this.#all.size > kept && oldest.done !== true) this.#all.delete(oldest.value)
    return found
  }
}

/**
 * Does `ask`, and does it again for as long as a 407 teaches something.
 * @throws NetworkFailure; what `ask` threw
 */
export async function introduced<T>(
  who: { readonly identity: Identity; readonly name: string },
  request: { readonly method: string; readonly uri: string },
  ask: (authorization: string | undefined) => Promise<T>,
): Promise<T> {
  const { identity, name } = who
  for (let answered = 0; ; answered++) {
    const shown = identity.introduce(request.method, request.uri)
    try {
      return await ask(shown?.value)
    } catch (error) {
      if (!(error instanceof Challenged)) throw error
      const why = identity.learn(error.headers, shown, answered)
      if (why !== undefined) throw refused(name, why)
    }
  }
}

/** The strongest; of equal ones the first. */
function best(challenges: readonly Challenge[]): DigestChallenge | undefined {
  const digests = challenges.map(digestChallenge).filter((each) => each !== undefined)
  return digests.find(({ hash }) => hash === 'sha256') ?? digests[0]
}

/** RFC 7617, in UTF-8. */
function basic({ user, password }: ProxyCredential): string {
  return `Basic ${Buffer.from(`${user}:${password}`, 'utf8').toString('base64')}`
}

function schemesOf(challenges: readonly Challenge[]): string {
  if (challenges.length === 0) return 'authentication without saying which (407)'
  const names = [...new Set(challenges.map(({ scheme }) => scheme[0]!.toUpperCase() + scheme.slice(1)))].join(' or ')
  return `authentication by ${names} (407), and what we have is Basic and Digest by MD5 or SHA-256`
}

function valuesOf(headers: HeaderList, name: string): readonly string[] {
  return headers.filter(([key]) => key === name).map(([, value]) => value)
}
