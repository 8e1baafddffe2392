/**
 * The cookies of one session (RFC 6265bis by tough-cookie, which knows public suffixes and the rules for domains, paths and
 * prefixes). What it does by a clock of its own is done here by ours: a Max-Age becomes a date when it comes, and what has
 * expired is neither kept nor sent.
 *
 * Servers decide what is in here, so it has a size: the cookies that were used least lately go first.
 */
import { Cookie, cookieCompare, CookieJar, domainMatch, getPublicSuffix, type SerializedCookie } from 'tough-cookie'
import type { Clock } from '../../world/clock.ts'

export interface CookieLimits {
  /** Of name and value together, in octets. */
  readonly size: number
  readonly perSite: number
  readonly all: number
}

/** RFC 6265bis §5.6 (size) and §6.1 (at least 50 a domain). */
const cookieLimits: CookieLimits = { size: 4096, perSite: 50, all: 1000 }
const longestAttribute = 1024

/** How a request came about: `strict` from this site alone, `lax` by a redirect from another one, `none` such a one that changes something. */
export type SiteContext = 'strict' | 'lax' | 'none'

export class Cookies {
  readonly #clock: Clock
  readonly #changed: () => void
  readonly #limits: CookieLimits
  readonly #jar = emptyJar()
  /** Grows with each cookie that is kept or sent; the order of use, which time alone does not give. */
  #uses = 0
  readonly #used = new Map<string, number>()

  /** @param changed called after what {@link toText} gives has changed */
  constructor(clock: Clock, changed: () => void, limits: CookieLimits = cookieLimits) {
    this.#clock = clock
    this.#changed = changed
    this.#limits = limits
  }

  /** The value of the Cookie field for this address; undefined: nothing is sent. */
  header(url: string, site: SiteContext): string | undefined {
    if (this.#used.size === 0) return undefined
    const now = this.#clock.wall()
    const found = this.#jar
      .getCookiesSync(url, { expire: false, sameSiteContext: site })
      .filter((cookie) => !isOver(cookie, now))
      .toSorted(cookieCompare)
    for (const cookie of found) this.#used.set(nameOf(cookie), ++this.#uses)
    return found.length === 0 ? undefined : found.map((cookie) => cookie.cookieString()).join('; ')
  }

  /** Takes the Set-Cookie fields of an answer. What is not allowed is left out, as browsers do. */
  take(url: string, fields: readonly string[]): void {
    let changed = false
    for (const field of fields) changed = this.#takeOne(url, field) || changed
    if (!changed) return
    this.#shrink()
    this.#changed()
  }

  /** All of it, for the journal. */
  toText(): string {
    const now = this.#clock.wall()
    return JSON.stringify(this.#all().filter((cookie) => !isOver(cookie, now)))
  }

  /** Takes in what {@link toText} gave; a cookie that came meanwhile stays. @throws for a text that is something else */
  restore(text: string): void {
    const stored: unknown = JSON.parse(text)
    if (!Array.isArray(stored)) throw new Error('the stored cookies are not a list')
    for (const each of stored as readonly SerializedCookie[]) {
      const cookie = Cookie.fromJSON(each)
      if (cookie === undefined || this.#found(cookie) !== undefined) continue
      this.#jar.store.putCookie(cookie, () => {})
      this.#used.set(nameOf(cookie), ++this.#uses)
    }
  }

  #takeOne(url: string, field: string): boolean {
    const cookie = Cookie.parse(field)
    if (cookie === undefined || Buffer.byteLength(cookie.key + cookie.value) > this.#limits.size) return false
    const attributes = [cookie.domain ?? '', cookie.path ?? '']
    if (attributes.some((value) => Buffer.byteLength(value) > longestAttribute)) return false
    const now = this.#clock.wall()
    if (typeof cookie.maxAge === 'number') cookie.expires = dateOf(cookie.maxAge <= 0 ? 0 : now + cookie.maxAge * 1000)
    else if (cookie.maxAge === '-Infinity') cookie.expires = new Date(0)
    cookie.maxAge = null
    // Nothing of it is needed, and a server could fill the jar with it.
    cookie.extensions = null
    if (!url.startsWith('https:') && this.#hidesSecure(url, cookie)) return false
    const before = this.#all()
    const kept = this.#jar.setCookieSync(cookie, url, { now: new Date(now), ignoreError: true })
    if (kept === undefined) return false
    const old = before.find((each) => nameOf(each) === nameOf(kept))
    if (isOver(kept, now)) {
      this.#remove(kept)
      return old !== undefined
    }
    this.#used.set(nameOf(kept), ++this.#uses)
    return old === undefined || worth(old) !== worth(kept)
  }

  /** "Leave Secure Cookies Alone" (RFC 6265bis §5.7, step 16): whoever can change http must not displace what https set. */
  #hidesSecure(url: string, cookie: Cookie): boolean {
    const host = new URL(url).hostname
    const domain = cookie.domain ?? host
    return this.#all().some(
      (each) =>
        each.secure &&
        each.key === cookie.key &&
        (domainMatch(each.domain ?? undefined, domain) === true ||
          domainMatch(domain, each.domain ?? undefined) === true),
    )
  }

  #shrink(): void {
    const all = this.#all()
    const now = this.#clock.wall()
    for (const cookie of all.filter((each) => isOver(each, now))) this.#remove(cookie)
    const left = all
      .filter((cookie) => !isOver(cookie, now))
      .toSorted((one, other) => (this.#used.get(nameOf(other)) ?? 0) - (this.#used.get(nameOf(one)) ?? 0))
    const bySite = new Map<string, number>()
    let kept = 0
    for (const cookie of left) {
      const site = siteOf(cookie.domain ?? '')
      const ofSite = bySite.get(site) ?? 0
      if (kept === this.#limits.all || ofSite === this.#limits.perSite) {
        this.#remove(cookie)
        continue
      }
      kept++
      bySite.set(site, ofSite + 1)
    }
  }

  #all(): readonly Cookie[] {
    let all: readonly Cookie[] = []
    // The store is in memory and answers at once.
    this.#jar.store.getAllCookies((_, found) => {
      all = found ?? []
    })
    return all
  }

  #found(cookie: Cookie): Cookie | undefined {
    return this.#all().find((each) => nameOf(each) === nameOf(cookie))
  }

  #remove(cookie: Cookie): void {
    this.#used.delete(nameOf(cookie))
    this.#jar.store.removeCookie(cookie.domain, cookie.path, cookie.key, () => {})
  }
}

/** Whether a redirect between the two stays on one site (RFC 6265bis §5.2): scheme and registrable domain. */
export function isSameSite(one: string, other: string): boolean {
  const [a, b] = [new URL(one), new URL(other)]
  return a.protocol === b.protocol && siteOf(a.hostname) === siteOf(b.hostname)
}

function siteOf(host: string): string {
  return getPublicSuffix(host, { allowSpecialUseDomain: true, ignoreError: true }) ?? host
}

function emptyJar(): CookieJar {
  return new CookieJar(undefined, { rejectPublicSuffixes: true, prefixSecurity: 'silent', allowSecureOnLocal: false })
}

function isOver(cookie: Cookie, nowMs: number): boolean {
  const at = cookie.expires
  return at instanceof Date && !(at.getTime() > nowMs)
}

/** As far as a Date reaches. */
function dateOf(ms: number): Date {
  return new Date(Math.min(ms, 8.64e15))
}

function nameOf(cookie: Cookie): string {
  return JSON.stringify([cookie.domain, cookie.path, cookie.key])
}

/** What makes a difference to who reads it; when it came does not. */
function worth({ value, expires, secure, httpOnly, sameSite, hostOnly }: Cookie): string {
  return JSON.stringify([value, expires, secure, httpOnly, sameSite, hostOnly])
}
