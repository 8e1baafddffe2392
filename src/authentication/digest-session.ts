/**
 * What follows one Digest challenge: the nonce in use and how often it was used, over all requests and connections that share
 * it. Counting and giving out is one step, so two requests never carry the same count.
 */
import { parseParameters } from './challenges.ts'
import { digestAuthorization, type DigestChallenge } from './digest.ts'

export class DigestSession {
  readonly challenge: DigestChallenge
  readonly #user: string
  readonly #password: string
  readonly #bytes: (count: number) => Uint8Array
  #nonce: string
  #count = 0
  #first: { readonly nonce: string; readonly cnonce: string } | undefined

  /** @param bytes random ones, for the cnonce */
  constructor(
    challenge: DigestChallenge,
    credential: { readonly user: string; readonly password: string },
    bytes: (count: number) => Uint8Array,
  ) {
    this.challenge = challenge
    this.#user = credential.user
    this.#password = credential.password
    this.#bytes = bytes
    this.#nonce = challenge.nonce
  }

  /** The one that the next request will carry. */
  get nonce(): string {
    return this.#nonce
  }

  /** The value of Authorization for one request; each counts. @param uri the request target as it is sent */
  authorization(method: string, uri: string): string {
    const { challenge } = this
    this.#count++
    // A -sess key holds the cnonce of the first request. Servers differ whether they look for it there or in the request that
    // they verify, so it stays the same.
    const cnonce = (challenge.sess ? this.#first?.cnonce : undefined) ?? Buffer.from(this.#bytes(16)).toString('hex')
    this.#first ??= { nonce: this.#nonce, cnonce }
    return digestAuthorization({
      challenge,
      nonce: this.#nonce,
      user: this.#user,
      password: this.#password,
      method,
      uri,
      count: this.#count,
      cnonce,
      first: this.#first,
    })
  }

  /** Takes the `nextnonce` of an Authentication-Info field, or of Proxy-Authentication-Info. */
  told(authenticationInfo: string): void {
    const next = parseParameters(authenticationInfo)?.get('nextnonce')
    if (next === undefined || next === '' || next === this.#nonce) return
    this.#nonce = next
    this.#count = 0
  }
}
