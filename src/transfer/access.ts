/**
 * What all attempts of one session share towards servers: its cookies, and what is known of its credentials. The service makes
 * one for each session and keeps what has to last; the transfers use it and know neither session nor journal.
 */
import { isLonghaulError } from '../contract/errors.ts'
import type { Clock, Random } from '../world/clock.ts'
import type { HeaderList } from '../world/transport.ts'
import { Authentication, type FindCredential } from './http/authentication.ts'
import { Cookies, type SiteContext } from './http/cookies.ts'

/** Keeps what outlives the process. */
export interface Keeper {
  readonly credential: FindCredential
  /**
   * What {@link Access.cookiesText} gave last; asked before the first cookie is sent or taken, until it is answered.
   * @throws where that cannot be read now; LonghaulError, `retryable: true`, if it passes by itself
   */
  storedCookies(): Promise<string | undefined>
  /** The stored text, which was read, is out of date. Comes often: whoever writes it down gathers. */
  cookiesChanged(): void
  /** The stored text was no jar; it begins empty. */
  cookiesLost(error: unknown): void
}

export class Access {
  readonly authentication: Authentication
  readonly #keeper: Keeper
  readonly #cookies: Cookies
  #restored: Promise<void> | undefined
  /** The stored cookies are among them: before, they must not be written over. */
  #isWhole = false
  #changed = false

  constructor(keeper: Keeper, world: { readonly clock: Clock; readonly random: Random }) {
    this.authentication = new Authentication(keeper.credential, world.random)
    this.#keeper = keeper
    this.#cookies = new Cookies(world.clock, () => {
      this.#changed = true
      if (this.#isWhole) keeper.cookiesChanged()
    })
  }

  /**
   * The value of the Cookie field for this address; undefined: none is sent.
   * @throws LonghaulError, `retryable: true`: without those that are stored a server might give something else
   */
  async cookieFor(url: string, site: SiteContext): Promise<string | undefined> {
    await this.#restore().catch((error: unknown) => {
      // Whatever somebody has to mend first must not end what needs no cookie.
      if (isLonghaulError(error) && error.retryable) throw error
    })
    return this.#cookies.header(url, site)
  }

  /** Takes the Set-Cookie fields of an answer, whatever its status. */
  async takeCookies(url: string, headers: HeaderList): Promise<void> {
    const fields = headers.filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, value]) => value)
    if (fields.length === 0) return
    // Those that are stored join it once they can be read.
    await this.#restore().catch(() => {})
    this.#cookies.take(url, fields)
  }

  /** All cookies, for the keeper. */
  cookiesText(): string {
    return this.#cookies.toText()
  }

  #restore(): Promise<void> {
    return (this.#restored ??= this.#read().catch((error: unknown) => {
      this.#restored = undefined
      throw error
    }))
  }

  async #read(): Promise<void> {
    const text = await this.#keeper.storedCookies()
    try {
      if (text !== undefined) this.#cookies.restore(text)
    } catch (error) {
      this.#keeper.cookiesLost(error)
    }
    this.#isWhole = true
    if (this.#changed) this.#keeper.cookiesChanged()
  }
}
