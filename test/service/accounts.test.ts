import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Journal, SessionId } from '../../src/journal/journal.ts'
import { createJournal } from '../../src/journal/in-thread.ts'
import { openStore } from '../../src/journal/open.ts'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import { Accounts } from '../../src/service/accounts.ts'
import { Recording } from '../../src/service/recording.ts'
import { silentLog } from '../../src/world/log.ts'
import type { Vault } from '../../src/world/vault.ts'
import type { World } from '../../src/world/world.ts'
import { openVault } from '../support/open-vault.ts'
import { VirtualClock } from '../support/virtual-clock.ts'
import { House } from './house.ts'

const origin = 'https://example.com'
const url = `${origin}/file`

interface Stage {
  readonly clock: VirtualClock
  readonly journal: Journal
  readonly session: SessionId
  /** A new life on the same journal. */
  readonly live: (vault?: Vault) => Accounts
  /** What goes along with a request unasked. */
  readonly shown: (accounts: Accounts, session?: SessionId) => Promise<string | undefined>
  readonly open: (identifier: string) => Promise<SessionId>
}

async function stage(): Promise<Stage> {
  const clock = new VirtualClock()
  const journal = createJournal(openStore(':memory:'))
  const at = { steadyMs: 0, wallMs: 0 }
  const open = async (identifier: string): Promise<SessionId> =>
    (await journal.openSession({ at, identifier, configuration: {}, strict: false, owner: false })).session.id
  return {
    clock,
    journal,
    session: await open('com.example.one'),
    open,
    live: (vault = openVault) => {
      const random = { fraction: () => 0.5, bytes: (count: number) => new Uint8Array(count) }
      const world = { clock, random, vault, log: silentLog } satisfies Partial<World>
      return new Accounts(world as unknown as World, journal, new Recording(journal, clock))
    },
    shown: async (accounts, session = 1) =>
      (await accounts.of(session).authentication.introduce({ url, method: 'GET', headers: [] })).value,
  }
}

test('a credential is there in the next life, for its session and origin alone, until it is forgotten', async () => {
  const { live, session, open, shown } = await stage()
  const other = await open('com.example.two')
  const first = live()
  await first.set(session, origin, { bearer: 'token' })
  assert.equal(await shown(first, session), 'Bearer token')
  const second = live()
  assert.equal(await shown(second, session), 'Bearer token')
  assert.equal(await shown(second, other), undefined)
  await second.set(session, origin, null)
  assert.equal(await shown(second, session), undefined)
  assert.equal(await shown(live(), session), undefined)
})

test('a reference is stored as such, and read again when a server refuses what it led to', async () => {
  const { live, session, journal, shown } = await stage()
  let secret = 'old'
  const accounts = live({ ...openVault, read: () => Promise.resolve(secret) })
  await accounts.set(session, origin, { bearer: { from: 'file', name: '/run/token' } })
  const [stored] = await journal.secrets({ session })
  assert.match(stored?.sealed ?? '', /run\/token/)
  assert.doesNotMatch(stored?.sealed ?? '', /old/)
  const { authentication } = accounts.of(session)
  const request = { url, method: 'GET', headers: [] }
  const before = await authentication.introduce(request)
  assert.equal(before.value, 'Bearer old')
  secret = 'new'
  assert.equal(await shown(accounts, session), 'Bearer old')
  const answer = await authentication.answer(request, before, [['www-authenticate', 'Bearer']], 0)
  assert.equal('value' in answer && answer.value, 'Bearer new')
  assert.equal(await shown(accounts, session), 'Bearer new')
})

test('a credential that cannot be read is refused when it is set, and nothing is changed', async () => {
  const { live, session, journal } = await stage()
  const gone = new LonghaulError('USER_AUTHENTICATION_REQUIRED', 'The file is gone.')
  const accounts = live({ ...openVault, read: () => Promise.reject(gone) })
  await assert.rejects(accounts.set(session, origin, { bearer: { from: 'file', name: '/x' } }), gone)
  const broken = live({ ...openVault, read: () => Promise.resolve('two\r\nlines') })
  for (const credential of [
    { bearer: { from: 'env', name: 'X' } },
    { user: 'u', password: { from: 'env', name: 'X' } },
  ] as const)
    await assert.rejects(
      broken.set(session, origin, credential),
      (error) => isLonghaulError(error, 'USER_AUTHENTICATION_REQUIRED') && !error.message.includes('lines'),
    )
  assert.deepEqual(await journal.secrets({ session }), [])
})

test('what is stored and does not open any more is told to the task that needs it, and harms no other', async () => {
  const { live, session } = await stage()
  await live().set(session, origin, { user: 'u', password: 'p' })
  const lost = new LonghaulError('USER_AUTHENTICATION_REQUIRED', 'The key file is gone.')
  const { authentication } = live({ ...openVault, open: () => Promise.reject(lost) }).of(session)
  const request = { url, method: 'GET', headers: [] }
  const shown = await authentication.introduce(request)
  assert.deepEqual(shown, { by: 'nobody' })
  const answer = await authentication.answer(request, shown, [['www-authenticate', 'Basic realm="r"']], 0)
  assert.match('why' in answer ? answer.why : '', /The key file is gone/)
})

test('cookies of many answers are written down together, and are there in the next life', async () => {
  const { live, session, journal, clock } = await stage()
  let writes = 0
  const accounts = live({ ...openVault, seal: (...given) => (writes++, openVault.seal(...given)) })
  const access = accounts.of(session)
  for (let i = 0; i < 100; i++) await access.takeCookies(url, [['set-cookie', `n${i % 10}=${i}`]])
  assert.deepEqual(await journal.secrets({ session }), [])
  await clock.advance(2000)
  assert.equal((await journal.secrets({ session })).length, 1)
  assert.equal(writes, 1)
  await clock.advance(60_000)
  assert.equal(writes, 1)
  const next = live().of(session)
  assert.match((await next.cookieFor(url, 'strict')) ?? '', /n0=90; .*n9=99/)
})

test('cookies that the journal could not take are written later', async () => {
  const { live, session, journal, clock } = await stage()
  let full = true
  const seal: Vault['seal'] = (...given) => (full ? Promise.reject(new Error('full')) : openVault.seal(...given))
  const accounts = live({ ...openVault, seal })
  await accounts.of(session).takeCookies(url, [['set-cookie', 'a=1']])
  await clock.advance(2000)
  full = false
  await clock.advance(29_000)
  assert.deepEqual(await journal.secrets({ session }), [])
  await clock.advance(1000)
  assert.equal((await journal.secrets({ session })).length, 1)
})

test('what was gathered is written when the daemon stops', async () => {
  const { live, session } = await stage()
  const accounts = live()
  await accounts.of(session).takeCookies(url, [['set-cookie', 'a=1']])
  await accounts.stop()
  assert.equal(await live().of(session).cookieFor(url, 'strict'), 'a=1')
})

test('sessions do not share a jar', async () => {
  const { live, session, open } = await stage()
  const accounts = live()
  const other = await open('com.example.two')
  await accounts.of(session).takeCookies(url, [['set-cookie', 'a=1']])
  assert.equal(await accounts.of(other).cookieFor(url, 'strict'), undefined)
  assert.equal(await accounts.of(session).cookieFor(url, 'strict'), 'a=1')
})

test('a session that is gone takes its credentials and cookies with it, also those that come late', async () => {
  const { live, session, open, journal, clock, shown } = await stage()
  const accounts = live()
  await accounts.set(session, origin, { bearer: 'token' })
  await accounts.of(session).takeCookies(url, [['set-cookie', 'a=1']])
  await journal.dropSession({ session, at: { steadyMs: 0, wallMs: 0 } })
  assert.deepEqual(await journal.secrets({ session }), [])
  await clock.advance(2000)
  assert.deepEqual(await journal.secrets({ session }), [])
  await assert.rejects(accounts.set(session, origin, { bearer: 'token' }), (error) =>
    isLonghaulError(error, 'SESSION_INVALIDATED'),
  )
  const again = await open('com.example.one')
  assert.equal(await shown(accounts, again), undefined)
})

test('a jar that does not open any more begins empty and is kept again', async () => {
  const { live, session } = await stage()
  const before = live()
  await before.of(session).takeCookies(url, [['set-cookie', 'a=1']])
  await before.stop()
  const anotherKey = new LonghaulError('USER_AUTHENTICATION_REQUIRED', 'The key file is another one.')
  const lost = live({ ...openVault, open: () => Promise.reject(anotherKey) })
  assert.equal(await lost.of(session).cookieFor(url, 'strict'), undefined)
  await lost.of(session).takeCookies(url, [['set-cookie', 'b=2']])
  await lost.stop()
  assert.equal(await live().of(session).cookieFor(url, 'strict'), 'b=2')
})

/** Many files are open, until it says otherwise. */
function unreadableVault(why: LonghaulError): { readonly vault: Vault; readonly readable: () => void } {
  let readable = false
  return {
    vault: { ...openVault, open: (...given) => (readable ? openVault.open(...given) : Promise.reject(why)) },
    readable: () => {
      readable = true
    },
  }
}

const tooManyFiles = new LonghaulError('NO_PERMISSIONS_TO_READ_FILE', 'The key file cannot be read (EMFILE).', {
  retryable: true,
})

test('a jar that cannot be read now is not written over, what comes meanwhile joins it, and a request for it fails in passing', async () => {
  const { live, session, clock } = await stage()
  const before = live()
  await before.of(session).takeCookies(url, [['set-cookie', 'login=precious']])
  await before.stop()
  const { vault, readable } = unreadableVault(tooManyFiles)
  const accounts = live(vault)
  const access = accounts.of(session)
  await assert.rejects(access.cookieFor(url, 'strict'), tooManyFiles)
  await access.takeCookies(url, [['set-cookie', 'a=1']])
  await clock.advance(60_000)
  assert.equal(await live().of(session).cookieFor(url, 'strict'), 'login=precious')
  readable()
  const both = ['a=1', 'login=precious']
  const cookies = async (of: Accounts): Promise<unknown> =>
    (await of.of(session).cookieFor(url, 'strict'))?.split('; ').toSorted()
  assert.deepEqual(await cookies(accounts), both)
  await clock.advance(2000)
  assert.deepEqual(await cookies(live()), both)
})

test('a jar under a key file that others can read is left as it is, and requests go without it until that is mended', async () => {
  const { live, session } = await stage()
  const before = live()
  await before.of(session).takeCookies(url, [['set-cookie', 'login=precious']])
  await before.stop()
  const openToAll = new LonghaulError('NO_PERMISSIONS_TO_READ_FILE', 'The key file has mode 644.')
  const { vault, readable } = unreadableVault(openToAll)
  const access = live(vault).of(session)
  assert.equal(await access.cookieFor(url, 'strict'), undefined)
  await access.takeCookies(url, [['set-cookie', 'login=anew']])
  assert.equal(await access.cookieFor(url, 'strict'), 'login=anew')
  readable()
  assert.equal(await access.cookieFor(url, 'strict'), 'login=anew', 'what came last is what the server knows')
})

test('a credential that cannot be read once is read again at the next use', async () => {
  const { live, session, shown } = await stage()
  await live().set(session, origin, { bearer: 'token' })
  const { vault, readable } = unreadableVault(tooManyFiles)
  const accounts = live(vault)
  assert.equal(await shown(accounts, session), undefined)
  readable()
  assert.equal(await shown(accounts, session), 'Bearer token')
})

test('a credential that is set while the stored one is read holds', async () => {
  const { live, session, shown } = await stage()
  await live().set(session, origin, { bearer: 'old' })
  const opening = Promise.withResolvers<void>()
  const accounts = live({ ...openVault, open: (...given) => opening.promise.then(() => openVault.open(...given)) })
  const first = shown(accounts, session)
  await accounts.set(session, origin, { bearer: 'new' })
  opening.resolve()
  await first
  assert.equal(await shown(accounts, session), 'Bearer new')
})

test('a session that finishes is the same to servers for all its attempts, whatever its owner acknowledges meanwhile', async () => {
  const it = await House.open()
  const { fence } = await it.openSession('com.example', { maximumActiveTasks: 1 })
  await it.call('session.activate', { identifier: 'com.example', fence: fence! })
  const [first, second, third] = [await it.add(), await it.add(), await it.add()]
  const { access } = it.engine.of(first)
  await it.engine.of(first).finish()
  await it.call('session.finish', { identifier: 'com.example', how: 'finish' })
  await it.call('event.acknowledge', { session: 'com.example', fence: fence!, sequences: [1, 2, 3] })
  await it.engine.of(second).finish()
  assert.equal(it.engine.of(third).access, access)
  await it.close()
})

for (const keepsEvents of [true, false])
  for (const wasGathering of [true, false])
    test(`a session that is gone gathers no cookies any more (keeps events: ${keepsEvents}, was gathering: ${wasGathering})`, async () => {
      const written: string[] = []
      const wrap = (real: Journal): Journal =>
        new Proxy(real, {
          get: (target, name: keyof Journal) =>
            name === 'keepSecret' ? (input: { kind: string }) => void written.push(input.kind) : target[name],
        })
      const it = await House.open({ wrap })
      const identifier = 'com.example'
      if (keepsEvents) await it.openSession()
      else await it.call('session.open', { identifier, configuration: {}, strictConfiguration: false })
      const id = await it.add({ destination: { kind: 'file', folder: '/', name: `longhaul-${process.pid}` } })
      const { access } = it.engine.of(id)
      if (wasGathering) await access!.takeCookies(url, [['set-cookie', 'a=1']])
      it.engine.obeys = false
      await it.call('session.finish', { identifier, how: 'cancel' })
      if (keepsEvents) {
        it.life.service.gone(it.caller)
        await it.call('session.drop', { identifier })
      }
      assert.equal(await it.life.journal.findSession({ identifier }), undefined)
      await access!.takeCookies(url, [['set-cookie', 'a=2']])
      await it.clock.advance(60_000)
      assert.deepEqual(written, [])
      await it.close()
    })
