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
import { failed, refused } from './parley.ts'

/** What goes along with one request to the proxy. */
export interface Shown {
  /** Of Proxy-Authorization. */
  readonly value: string
  /** Undefined: Basic. */
  readonly digest?: { readonly session: DigestSession; readonly nonce: string }
}

/** The request target as it is sent: the whole address, or for CONNECT host and port. */
export interface Asked {
  readonly method: string
  readonly uri: string
}

/** Why there is nothing to ask again with, as it is said of the proxy. */
export interface Unanswerable {
  readonly why: string
  /** It may go better the next time. */
  readonly passes?: true
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
  /** Used by all requests. */
  #known: DigestSession | 'basic' | undefined
  #askedDigest = false

  /** @param bytes random ones */
  constructor(credential: ProxyCredential | undefined, bytes: (count: number) => Uint8Array) {
    this.#credential = credential
    this.#bytes = bytes
  }

  introduce(asked: Asked): Shown | undefined {
    const known = this.#known
    if (known === undefined || this.#credential === undefined) return undefined
    return known === 'basic' ? { value: basic(this.#credential) } : byDigest(known, asked)
  }

  /** Takes the nonce for the next request that may come with any answer of the proxy itself. */
  told(shown: Shown | undefined, headers: HeaderList): void {
    for (const info of valuesOf(headers, 'proxy-authentication-info')) shown?.digest?.session.told(info)
  }

  /**
   * What to ask again with after a 407.
   *
   * Requests go over connections of their own and overtake each other, and to a proxy that wants the count of a nonce to grow the
   * one that was overtaken has a stale nonce. So the answer has the new nonce to itself until the proxy took it: `accepted`.
   * @param answered how often this request was asked again already
   */
  learn(asked: Asked, headers: HeaderList, shown: Shown | undefined, answered: number): Shown | Unanswerable {
    const challenges = parseChallenges(valuesOf(headers, 'proxy-authenticate'))
    const credential = this.#credential
    if (credential === undefined) return { why: 'wants a user and a password (407)' }
    const refusal = { why: 'did not accept the user and the password (407)' }
    const digest = best(challenges)
    if (digest !== undefined) {
      this.#askedDigest = true
      if (this.#known === 'basic') this.#known = undefined
      // Without a word of staleness it may be one that was restarted and knows its nonces no more, but only once.
      if (!digest.stale && (answered > 0 || shown?.digest?.nonce === digest.nonce)) return refusal
      if (answered >= mostAnswers) return { why: 'called each nonce stale that it had just given (407)', passes: true }
      return byDigest(new DigestSession(digest, credential, this.#bytes), asked)
    }
    if (!challenges.some(({ scheme }) => scheme === 'basic')) return { why: `wants ${schemesOf(challenges)}` }
    if (this.#askedDigest) return { why: 'wants the password in the clear, and did not before (407)' }
    if (shown !== undefined) return refusal
    this.#known = 'basic'
    return { value: basic(credential) }
  }

  /** The proxy took what `learn` gave: from now on all requests use it. */
  accepted({ digest }: Shown): void {
    if (digest !== undefined) this.#known = digest.session
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
  asked: Asked,
  ask: (shown: Shown | undefined) => Promise<T>,
): Promise<T> {
  const { identity, name } = who
  let shown = identity.introduce(asked)
  for (let answered = 0; ; answered++) {
    try {
      const answer = await ask(shown)
      if (answered > 0 && shown !== undefined) identity.accepted(shown)
      return answer
    } catch (error) {
      if (!(error instanceof Challenged)) throw error
      const learnt = identity.learn(asked, error.headers, shown, answered)
      if ('why' in learnt) throw learnt.passes === true ? failed(name, learnt.why) : refused(name, learnt.why)
      shown = learnt
    }
  }
}

function byDigest(session: DigestSession, { method, uri }: Asked): Shown {
  const { nonce } = session
  return { value: session.authorization(method, uri), digest: { session, nonce } }
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
