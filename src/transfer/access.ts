/**
 * What all attempts of one session share towards servers: its cookies, and what is known of its credentials. The service makes
 * one for each session and keeps what has to last; the transfers use it and know neither session nor journal.
 */
import type { Clock, Random } from '../world/clock.ts'
import type { HeaderList } from '../world/transport.ts'
import { Authentication, type FindCredential } from './http/authentication.ts'
import { Cookies, type SiteContext } from './http/cookies.ts'

/** Keeps what outlives the process. */
export interface Keeper {
  readonly credential: FindCredential
  /** What {@link Access.cookiesText} gave last; asked once, before the first cookie is sent or taken. */
  storedCookies(): Promise<string | undefined>
  /** The stored text is out of date. Comes often: whoever writes it down gathers. */
  cookiesChanged(): void
  /** The stored text was no jar; it begins empty. */
  cookiesLost(error: unknown): void
}

export class Access {
  readonly authentication: Authentication
  readonly #keeper: Keeper
  readonly #cookies: Cookies
  #restored: Promise<void> | undefined

  constructor(keeper: Keeper, world: { readonly clock: Clock; readonly random: Random }) {
    this.authentication = new Authentication(keeper.credential, world.random)
    this.#keeper = keeper
    this.#cookies = new Cookies(world.clock, () => keeper.cookiesChanged())
  }

  /** The value of the Cookie field for this address; undefined: none is sent. */
  async cookieFor(url: string, site: SiteContext): Promise<string | undefined> {
    await (this.#restored ??= this.#restore())
    return this.#cookies.header(url, site)
  }

  /** Takes the Set-Cookie fields of an answer, whatever its status. */
  async takeCookies(url: string, headers: HeaderList): Promise<void> {
    const fields = headers.filter(([name]) => name.toLowerCase() === 'set-cookie').map(([, value]) => value)
    if (fields.length === 0) return
    await (this.#restored ??= this.#restore())
    this.#cookies.take(url, fields)
  }

  /** All cookies, for the keeper. */
  cookiesText(): string {
    return this.#cookies.toText()
  }

  async #restore(): Promise<void> {
    try {
      const text = await this.#keeper.storedCookies()
      if (text !== undefined) this.#cookies.restore(text)
    } catch (error) {
      this.#keeper.cookiesLost(error)
    }
  }
}
