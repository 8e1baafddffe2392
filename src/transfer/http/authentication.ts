/**
 * Who we are to servers: which Authorization goes along with a request, and what a 401 is answered with. One for all attempts
 * of a session, so that a protection space that one connection came to know is known to the others.
 *
 * A request's own Authorization is never touched. Everything else belongs to one origin and is shown to no other: it is looked
 * up anew for the address of each request, redirects included.
 */
import { type Challenge, parseChallenges } from '../../authentication/challenges.ts'
import { DigestSession } from '../../authentication/digest-session.ts'
import { type DigestChallenge, digestChallenge } from '../../authentication/digest.ts'
import { asLonghaulError } from '../../contract/errors.ts'
import type { KnownCredential } from '../../contract/credential.ts'
import type { RequestFacts } from '../../contract/task.ts'
import type { Random } from '../../world/clock.ts'
import type { HeaderList } from '../../world/transport.ts'
import { field, repairUtf8 } from './fields.ts'
import { type Password, type Space, Spaces } from './spaces.ts'

/**
 * The credential that the session has for an origin. `anew`: a server has just refused the one that was known, so one that is
 * kept elsewhere is read again. (Whoever can ask a delegate for one will do it here.)
 * @throws LonghaulError when there is one that cannot be read
 */
export type FindCredential = (origin: string, how: 'known' | 'anew') => Promise<KnownCredential | undefined>

/** What goes along with one request. */
export interface Shown {
  /** Whose it is; `request`: its own header, which stays as it is. */
  readonly by: 'request' | 'address' | 'session' | 'nobody'
  /** The value of Authorization, beside `request`. */
  readonly value?: string
  readonly credential?: KnownCredential
  readonly space?: Space
  /** That the value was made with. */
  readonly nonce?: string
}

/** Why a 401 stays one, as the end of a sentence that names the address, and what the user can do. */
export interface Unauthorised {
  readonly why: string
  readonly hint: string
}

/** Answers to one request: the second only where the first was refused for its nonce alone. */
const mostAnswers = 2

export class Authentication {
  readonly #find: FindCredential
  readonly #spaces = new Spaces()
  readonly #random: Random

  constructor(find: FindCredential, random: Random) {
    this.#find = find
    this.#random = random
  }

  /** What is shown before the server has asked. */
  async introduce(request: RequestFacts): Promise<Shown> {
    const own = ownAuthorization(request)
    if (own === 'written out') return { by: 'request' }
    const by = own === undefined ? 'session' : 'address'
    // One that cannot be read must not end what needs none; when the server asks, it is told.
    const credential = own ?? (await this.#find(originOf(request), 'known').catch(() => undefined))
    if (credential === undefined) return { by: 'nobody' }
    if ('bearer' in credential) return { by, credential, value: bearer(credential.bearer) }
    const space = this.#spaces.of(request.url, credential)
    if (space?.digest !== undefined) {
      const { digest } = space
      return {
        by,
        credential,
        space,
        nonce: digest.nonce,
        value: digest.authorization(request.method, targetOf(request)),
      }
    }
    if (space !== undefined) return { by, credential, space, value: basic(credential) }
    // Who writes a password into an address expects it to be used, as long as the server is not known to want better.
    if (own === undefined || this.#spaces.askedDigest(request.url, credential)) return { by, credential }
    return { by, credential, value: basic(credential) }
  }

  /** Takes the `nextnonce` that may come with any answer. */
  told(shown: Shown, headers: HeaderList): void {
    const info = field(headers, 'authentication-info')
    if (info !== undefined) shown.space?.digest?.told(info)
  }

  /**
   * What to ask once more with after a 401, or why there is nothing.
   * @param answered how many answers this request has had
   * @throws LonghaulError, `retryable: true`, where a credential cannot be read just now
   */
  async answer(
    request: RequestFacts,
    shown: Shown,
    headers: HeaderList,
    answered: number,
  ): Promise<Shown | Unauthorised> {
    const challenges = parseChallenges(
      headers.filter(([name]) => name.toLowerCase() === 'www-authenticate').map(([, value]) => value),
    )
    if (shown.by === 'request')
      return {
        why: 'it refused the Authorization header of the request',
        hint: 'Give the task another one: updateRequest({ headers }), or `longhaul retry TASK -H "Authorization: …"`.',
      }
    let credential: KnownCredential | undefined
    try {
      credential = shown.by === 'address' ? shown.credential : await this.#find(originOf(request), 'anew')
    } catch (error) {
      const failure = asLonghaulError(error, 'USER_AUTHENTICATION_REQUIRED')
      // It is there, and can be read later: the attempt fails, not the task.
      if (failure.retryable) throw failure
      const { message, hint } = failure
      return { why: `it asks for credentials. ${message}`, hint }
    }
    if (credential === undefined) return wanted(request, challenges)
    if (!('bearer' in credential)) return this.#answerPassword(request, shown, credential, challenges, answered)
    const value = bearer(credential.bearer)
    if (shown.value === value || answered > 0) return refused('the bearer token', request, shown)
    return { by: shown.by === 'address' ? 'address' : 'session', credential, value }
  }

  #answerPassword(
    request: RequestFacts,
    shown: Shown,
    credential: Password,
    challenges: readonly Challenge[],
    answered: number,
  ): Shown | Unauthorised {
    const { url } = request
    const best = strongest(challenges, credential)
    const by = shown.by === 'address' ? 'address' : 'session'
    if (best === undefined) return unanswerable(challenges)
    if (best.digest === undefined) {
      // Somebody on the way may have taken the better challenge out.
      if (this.#spaces.askedDigest(url, credential))
        return {
          why: 'it asks for Basic credentials where it has asked for Digest before, and the password is not shown to it',
          hint: 'If the server was changed, restart the daemon; else somebody on the way may be after the password.',
        }
      const value = basic(credential)
      if (shown.value === value) return this.#refused(request, shown, credential, 'Basic', best.realm)
      return { by, credential, value, space: this.#spaces.basic(url, credential, best.realm) }
    }
    const digest = best.digest
    if (answered >= mostAnswers || (!digest.stale && (answered > 0 || shown.nonce === digest.nonce)))
      return this.#refused(request, shown, credential, 'Digest', digest.realm)
    const session = new DigestSession(digest, credential, (count) => this.#random.bytes(count))
    // The answer takes the first use of the nonce before anybody else can have it.
    const value = session.authorization(request.method, targetOf(request))
    return { by, credential, value, space: this.#spaces.digest(url, credential, session), nonce: digest.nonce }
  }

  #refused(request: RequestFacts, shown: Shown, credential: Password, scheme: string, realm: string): Unauthorised {
    if (shown.space !== undefined) this.#spaces.forget(request.url, credential, shown.space)
    return refused(`the user and password (${scheme}, realm ${inWords(realm)})`, request, shown)
  }
}

interface Best {
  readonly realm: string
  /** Undefined: it is Basic. */
  readonly digest: DigestChallenge | undefined
}

/** Digest with SHA-256, else Digest with MD5, else Basic; of equals the first, which the server prefers. */
function strongest(challenges: readonly Challenge[], { user }: Password): Best | undefined {
  const digests = challenges.map(digestChallenge).filter((each) => each !== undefined)
  const digest = digests.find(({ hash }) => hash === 'sha256') ?? digests[0]
  if (digest !== undefined) return { realm: digest.realm, digest }
  // RFC 7617 §2: a user with a colon would be another user with another password.
  const found = user.includes(':') ? undefined : challenges.find(({ scheme }) => scheme === 'basic')
  return found === undefined ? undefined : { realm: found.parameters.get('realm') ?? '', digest: undefined }
}

function basic({ user, password }: Password): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
}

function bearer(token: string): string {
  return `Bearer ${token}`
}

function originOf({ url }: RequestFacts): string {
  return new URL(url).origin
}

/** As it stands in the request line. */
function targetOf({ url }: RequestFacts): string {
  const { pathname, search } = new URL(url)
  return pathname + search
}

/** The user and password that the address brought, as the header says that was made of them. */
function ownAuthorization(request: RequestFacts): Password | 'written out' | undefined {
  const value = field(request.headers, 'authorization')
  if (value === undefined)
    return request.headers.some(([name]) => name.toLowerCase() === 'authorization') ? 'written out' : undefined
  const pair = request.authorization === 'from address' ? /^Basic (.+)$/.exec(value)?.[1] : undefined
  if (pair === undefined) return 'written out'
  const text = Buffer.from(pair, 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return { user: text.slice(0, colon), password: text.slice(colon + 1) }
}

function refused(what: string, request: RequestFacts, { by }: Shown): Unauthorised {
  return {
    why: `it refused ${what}`,
    hint:
      by === 'address'
        ? 'They came with the address; give the task another one: updateRequest({ url }), or `longhaul retry TASK --url …`.'
        : `They were set for the session: call setCredential('${originOf(request)}', …) with the right ones, then retry the task.`,
  }
}

function wanted(request: RequestFacts, challenges: readonly Challenge[]): Unauthorised {
  const schemes = schemesOf(challenges)
  const realm = challenges.find(({ parameters }) => parameters.has('realm'))?.parameters.get('realm')
  const where = realm === undefined ? '' : ` for the realm ${inWords(realm)}`
  return {
    why: `it asks for credentials${schemes === '' ? '' : ` (${schemes})`}${where}, and there are none for it`,
    hint: `Give them: session.setCredential('${originOf(request)}', …), user and password in the address, or an Authorization header.`,
  }
}

function inWords(realm: string): string {
  return JSON.stringify(repairUtf8(realm))
}

function unanswerable(challenges: readonly Challenge[]): Unauthorised {
  const schemes = schemesOf(challenges)
  return {
    why:
      schemes === ''
        ? 'it names no way to authenticate that can be read'
        : `it asks for ${schemes}, which a user and password cannot answer here`,
    hint: 'Digest (MD5, SHA-256) and Basic are answered, and Bearer where a token is set; else give an Authorization header.',
  }
}

function schemesOf(challenges: readonly Challenge[]): string {
  return [...new Set(challenges.map(({ scheme }) => scheme.charAt(0).toUpperCase() + scheme.slice(1)))]
    .slice(0, 5)
    .join(', ')
}
