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

interface Known {
  /** When it was used last, in the order of uses. */
  readonly use: number
  readonly worth: string
}

/** How a request came about: `strict` from this site alone, `lax` by a redirect from another one, `none` such a one that changes something. */
export type SiteContext = 'strict' | 'lax' | 'none'

export class Cookies {
  readonly #clock: Clock
  readonly #changed: () => void
  readonly #limits: CookieLimits
  readonly #jar = emptyJar()
  /** Grows with each cookie that is kept or sent; the order of use, which time alone does not give. */
  #uses = 0
  /** All that are in the jar, by their names: to look one up there takes a walk through all. */
  readonly #known = new Map<string, Known>()

  /** @param changed called after what {@link toText} gives has changed */
  constructor(clock: Clock, changed: () => void, limits: CookieLimits = cookieLimits) {
    this.#clock = clock
    this.#changed = changed
    this.#limits = limits
  }

  /** The value of the Cookie field for this address; undefined: nothing is sent. */
  header(url: string, site: SiteContext): string | undefined {
    if (this.#known.size === 0) return undefined
    const now = this.#clock.wall()
    const found = this.#jar
      .getCookiesSync(url, { expire: false, sameSiteContext: site })
      .filter((cookie) => !isOver(cookie, now))
      .toSorted(cookieCompare)
    for (const cookie of found) this.#use(cookie)
    return found.length === 0 ? undefined : found.map((cookie) => cookie.cookieString()).join('; ')
  }

  /** Takes the Set-Cookie fields of an answer. What is not allowed is left out, as browsers do. */
  take(url: string, fields: readonly string[]): void {
    let changed = false
    // Over http none comes to them, and none goes.
    const secure = url.startsWith('https:') ? [] : this.#all().filter((cookie) => cookie.secure)
    for (const field of fields) changed = this.#takeOne(url, field, secure) || changed
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
      if (cookie === undefined || this.#known.has(nameOf(cookie))) continue
      this.#jar.store.putCookie(cookie, () => {})
      this.#use(cookie)
    }
  }

  #takeOne(url: string, field: string, secure: readonly Cookie[]): boolean {
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
    if (hidesSecure(url, cookie, secure)) return false
    const kept = this.#jar.setCookieSync(cookie, url, { now: new Date(now), ignoreError: true })
    if (kept === undefined) return false
    const old = this.#known.get(nameOf(kept))
    if (isOver(kept, now)) {
      this.#remove(kept)
      return old !== undefined
    }
    return this.#use(kept).worth !== old?.worth
  }

  #shrink(): void {
    const all = this.#all()
    const now = this.#clock.wall()
    for (const cookie of all.filter((each) => isOver(each, now))) this.#remove(cookie)
    const left = all
      .filter((cookie) => !isOver(cookie, now))
      .map((cookie) => ({ cookie, use: this.#known.get(nameOf(cookie))?.use ?? 0 }))
      .toSorted((one, other) => other.use - one.use)
    const bySite = new Map<string, number>()
    let kept = 0
    for (const { cookie } of left) {
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

  #use(cookie: Cookie): Known {
    const known = { use: ++this.#uses, worth: worth(cookie) }
    this.#known.set(nameOf(cookie), known)
    return known
  }

  #remove(cookie: Cookie): void {
    this.#known.delete(nameOf(cookie))
    this.#jar.store.removeCookie(cookie.domain, cookie.path, cookie.key, () => {})
  }
}

/** "Leave Secure Cookies Alone" (RFC 6265bis §5.7, step 16): whoever can change http must not displace what https set. */
function hidesSecure(url: string, cookie: Cookie, secure: readonly Cookie[]): boolean {
  const domain = cookie.domain ?? new URL(url).hostname
  return secure.some(
    (each) =>
      each.key === cookie.key &&
      (domainMatch(each.domain ?? undefined, domain) === true ||
        domainMatch(domain, each.domain ?? undefined) === true),
  )
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
