/**
 * Who the sessions are to servers: for each an {@link Access}, shared by all its attempts, with the credentials that were set
 * for it and its cookies. The journal keeps both sealed; in the clear they are in this process's memory alone, and only of
 * sessions that have asked for something in this life.
 *
 * A credential is on disk before `set` resolves. Cookies change with many answers, so they are gathered: those of the last two
 * seconds before a crash may be lost, and servers set them anew.
 */
import type { Credential, CredentialReference, KnownCredential } from '../contract/credential.ts'
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { Journal, SealedSecret, SessionId } from '../journal/journal.ts'
import { Access } from '../transfer/access.ts'
import type { Timer } from '../world/clock.ts'
import type { World } from '../world/world.ts'
import type { Recording } from './recording.ts'

const gatherMs = 2000
/** While the journal cannot be written. */
const laterMs = 30_000

/** Of one origin. */
interface Account {
  readonly credential: Credential
  /** Read last; a reference is read anew when a server refuses it. */
  known?: KnownCredential
}

/** By origin; as it is stored until it is first used, an error where that will never open. */
type Known = Map<string, Account | SealedSecret | LonghaulError>

interface Holder {
  readonly access: Access
  /** Read from the journal once. */
  readonly accounts: () => Promise<Known>
  /** Cookies have changed since they were written. */
  late?: Timer | undefined
  /** The write that is under way; it never rejects. */
  writing: Promise<void>
}

export class Accounts {
  readonly #world: World
  readonly #journal: Journal
  readonly #recording: Recording
  readonly #holders = new Map<SessionId, Holder>()
  #stopped = false

  constructor(world: World, journal: Journal, recording: Recording) {
    this.#world = world
    this.#journal = journal
    this.#recording = recording
  }

  /** The same for every attempt of the session. Nothing is read before it is used. */
  of(session: SessionId): Access {
    return this.#holder(session).access
  }

  /**
   * Null forgets it. Holds for every request that is made from now on.
   * @throws LonghaulError when a reference leads to nothing, or the key file cannot be used; nothing is changed then
   */
  async set(session: SessionId, origin: string, credential: Credential | null): Promise<void> {
    // What is wrong with it is told to whoever sets it, not to the first task that is refused.
    if (credential !== null) await this.#read(credential, origin)
    const sealed =
      credential === null
        ? null
        : await this.#world.vault.seal(JSON.stringify(credential), credentialPlace(session, origin))
    const { found } = await this.#journal.keepSecret({ session, kind: 'credential', name: origin, sealed })
    if (found === 'gone')
      throw new LonghaulError('SESSION_INVALIDATED', 'The session is gone; nothing was changed. Open it anew.')
    const accounts = await this.#holder(session).accounts()
    if (credential === null) accounts.delete(origin)
    else accounts.set(origin, { credential })
  }

  /** Its session is gone, with all that the journal kept; what attempts that close their files still bring is kept no more. */
  forget(session: SessionId): void {
    this.#holders.get(session)?.late?.cancel()
    this.#holders.delete(session)
  }

  /** Writes down what was gathered; later changes are not kept. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all([...this.#holders].map(([session, holder]) => this.#flush(session, holder)))
  }

  #holder(session: SessionId): Holder {
    const found = this.#holders.get(session)
    if (found !== undefined) return found
    let stored: Promise<readonly SealedSecret[]> | undefined
    const load = (): Promise<readonly SealedSecret[]> => (stored ??= this.#load(session))
    let accounts: ReturnType<Holder['accounts']> | undefined
    const holder: Holder = {
      accounts: () => (accounts ??= load().then(credentialsIn)),
      access: new Access(
        {
          credential: (origin, how) => this.#credential(session, holder, origin, how),
          storedCookies: async () => {
            const stored = (await load()).find(({ kind }) => kind === 'cookies')
            return stored && this.#cookiesIn(session, stored)
          },
          cookiesChanged: () => this.#gather(session, holder),
          cookiesLost: (error) => this.#cookiesLost(session, error),
        },
        this.#world,
      ),
      writing: Promise.resolve(),
    }
    this.#holders.set(session, holder)
    return holder
  }

  async #load(session: SessionId): Promise<readonly SealedSecret[]> {
    // Undefined: the daemon ends, and so do the attempts that ask.
    return (await this.#recording.record(() => this.#journal.secrets({ session }))) ?? []
  }

  async #cookiesIn(session: SessionId, { sealed }: SealedSecret): Promise<string | undefined> {
    try {
      return await this.#world.vault.open(sealed, cookiesPlace(session))
    } catch (error) {
      if (!neverOpens(error)) {
        this.#world.log.warn('the cookies of a session cannot be read now', { session, error: String(error) })
        throw error
      }
      this.#cookiesLost(session, error)
      return undefined
    }
  }

  #cookiesLost(session: SessionId, error: unknown): void {
    this.#world.log.warn('the cookies of a session are lost; it begins without any', { session, error: String(error) })
  }

  async #credential(
    session: SessionId,
    holder: Holder,
    origin: string,
    how: 'known' | 'anew',
  ): Promise<KnownCredential | undefined> {
    const account = await this.#account(session, await holder.accounts(), origin)
    if (account === undefined) return undefined
    if (how === 'anew' || account.known === undefined) account.known = await this.#read(account.credential, origin)
    return account.known
  }

  async #account(session: SessionId, accounts: Known, origin: string): Promise<Account | undefined> {
    const found = accounts.get(origin)
    if (found === undefined || 'credential' in found) return found
    if (found instanceof LonghaulError) throw found
    try {
      const text = await this.#world.vault.open(found.sealed, credentialPlace(session, origin))
      const account = { credential: JSON.parse(text) as Credential }
      // Another one may have been set meanwhile.
      if (accounts.get(origin) === found) accounts.set(origin, account)
      return account
    } catch (error) {
      this.#world.log.warn('a credential could not be opened', { session, origin, error: String(error) })
      if (neverOpens(error) && accounts.get(origin) === found) accounts.set(origin, error)
      throw error
    }
  }

  async #read(credential: Credential, origin: string): Promise<KnownCredential> {
    if ('bearer' in credential) {
      const bearer = await this.#secret(credential.bearer)
      if (/^[\x21-\x7e]+$/.test(bearer)) return { bearer }
      throw unusable(origin, 'the token has blanks, line breaks or other characters that a header cannot carry')
    }
    const password = await this.#secret(credential.password)
    // oxlint-disable-next-line no-control-regex -- these are what is looked for
    if (/[\x00-\x1f\x7f]/.test(password))
      throw unusable(origin, 'the password has line breaks or other control characters')
    return { user: credential.user, password }
  }

  #secret(secret: string | CredentialReference): Promise<string> {
    return typeof secret === 'string' ? Promise.resolve(secret) : this.#world.vault.read(secret)
  }

  #gather(session: SessionId, holder: Holder, afterMs: number = gatherMs): void {
    if (this.#stopped || this.#holders.get(session) !== holder) return
    const { clock } = this.#world
    holder.late ??= clock.timer(clock.steady() + afterMs, () => {
      holder.late = undefined
      holder.writing = this.#write(session, holder).catch((error: unknown) => {
        this.#unwritten(session, error)
        this.#gather(session, holder, laterMs)
      })
    })
  }

  async #flush(session: SessionId, holder: Holder): Promise<void> {
    await holder.writing
    if (holder.late === undefined) return
    holder.late.cancel()
    holder.late = undefined
    // Once: a journal that cannot be written now must not hold up whoever ends.
    await this.#write(session, holder).catch((error: unknown) => this.#unwritten(session, error))
  }

  async #write(session: SessionId, { access }: Holder): Promise<void> {
    const sealed = await this.#world.vault.seal(access.cookiesText(), cookiesPlace(session))
    await this.#journal.keepSecret({ session, kind: 'cookies', name: '', sealed })
  }

  #unwritten(session: SessionId, error: unknown): void {
    this.#world.log.warn('the cookies of a session could not be kept', { session, error: String(error) })
  }
}

function credentialPlace(session: SessionId, origin: string): string {
  return `credential ${session} ${origin}`
}

function cookiesPlace(session: SessionId): string {
  return `cookies ${session}`
}

function unusable(origin: string, why: string): LonghaulError {
  return new LonghaulError('USER_AUTHENTICATION_REQUIRED', `The credential for ${origin} cannot be used: ${why}.`)
}

function credentialsIn(all: readonly SealedSecret[]): Known {
  return new Map(all.filter(({ kind }) => kind === 'credential').map((secret) => [secret.name, secret]))
}

/** Else it could only not be read now. */
function neverOpens(error: unknown): error is LonghaulError {
  return isLonghaulError(error, 'USER_AUTHENTICATION_REQUIRED')
}
