// The password of a proxy between the door and an attempt: sealed in the journal, clear for the engine, shown to nobody.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import type { ProxyJson } from '../../src/contract/proxy.ts'
import { openedProxy, sealedProxy } from '../../src/service/proxy-secrets.ts'
import type { Vault } from '../../src/world/vault.ts'
import { openVault } from '../support/open-vault.ts'
import { House } from './house.ts'

const credential = { user: 'me', password: 'swordfish' }
const proxy: ProxyJson = { url: 'http://proxy.example:3128', bypass: ['a.example'], credential }

/** As a real one: no two seals are alike. */
const vault: Vault = {
  ...openVault,
  seal: async (text, place) => `${randomUUID()} ${await openVault.seal(text, place)}`,
  open: (sealed, place) => openVault.open(sealed.slice(37), place),
}

test('what was sealed for a proxy opens for that proxy and user, and for no other', async () => {
  const sealed = await sealedProxy(vault, proxy)
  assert.ok(typeof sealed === 'object' && sealed.credential !== undefined && !('password' in sealed.credential))
  assert.deepEqual(await openedProxy(vault, sealed), proxy)
  const stolen = [
    { ...sealed, url: 'http://thief.example:3128' },
    { ...sealed, credential: { ...sealed.credential, user: 'you' } },
  ]
  for (const one of stolen) {
    await assert.rejects(openedProxy(vault, one), (error) => {
      assert.ok(isLonghaulError(error, 'PROXY_FAILED'))
      assert.ok(!error.retryable && !error.message.includes('swordfish'))
      return true
    })
  }
})

test('the same password again is kept as it is sealed, and another one is not', async () => {
  const stored = await sealedProxy(vault, proxy)
  assert.ok(typeof stored === 'object')
  assert.deepEqual(await sealedProxy(vault, proxy, stored), stored)
  assert.deepEqual(await sealedProxy(vault, { ...proxy, bypass: [] }, stored), { ...stored, bypass: [] })
  const others: readonly ProxyJson[] = [
    { ...proxy, credential: { ...credential, password: 'shark' } },
    { ...proxy, credential: { ...credential, user: 'you' } },
    { ...proxy, url: 'http://other.example:3128' },
  ]
  for (const other of others) {
    const sealed = await sealedProxy(vault, other, stored)
    assert.notDeepEqual(sealed, stored)
    assert.deepEqual(await openedProxy(vault, sealed), other)
  }
  for (const plain of ['none', 'system', { url: proxy.url, bypass: [] }] as const)
    assert.equal(await sealedProxy(vault, plain, stored), plain)
})

test('the journal is given sealed passwords only, and attempts clear ones', async (t) => {
  const given: string[] = []
  const house = await House.open({
    wrap: (journal) => ({
      ...journal,
      openSession: (input) => (given.push(JSON.stringify(input.configuration.proxy)), journal.openSession(input)),
      addTasks: (input) => (given.push(JSON.stringify(input.tasks[0]?.policy.proxy)), journal.addTasks(input)),
    }),
  })
  t.after(() => house.close())
  const { configuration } = await house.openSession('com.example', { proxy })
  assert.deepEqual(configuration.proxy, { url: proxy.url, bypass: proxy.bypass })
  const ofSession = await house.add()
  assert.deepEqual(house.engine.of(ofSession).assignment.policy.proxy, proxy)
  const own: ProxyJson = { url: 'socks5://own.example:1080', bypass: [], credential }
  const ofTask = await house.add({ policy: { proxy: own } })
  assert.deepEqual(house.engine.of(ofTask).assignment.policy.proxy, own)
  for (const text of given) assert.ok(!text?.includes('"password"'), text)
  // The same words again change nothing, even to who is strict.
  const strict = { identifier: 'com.example', configuration: { proxy }, strictConfiguration: true }
  assert.deepEqual((await house.call('session.open', strict)).changedConfiguration, [])
  const other = { ...strict, configuration: { proxy: { ...proxy, credential: { user: 'me', password: 'shark' } } } }
  await assert.rejects(house.call('session.open', other), (error) => isLonghaulError(error, 'CONFIGURATION_MISMATCH'))
})

test('a password that cannot be opened any more ends the task in words, before anything is asked', async (t) => {
  const house = await House.open({
    wrap: (journal) => ({
      ...journal,
      addTasks: (input) => {
        const broken: ProxyJson = {
          url: proxy.url,
          bypass: [],
          credential: { user: 'me', sealed: '["elsewhere","x"]' },
        }
        return journal.addTasks({
          ...input,
          tasks: input.tasks.map((task) => ({ ...task, policy: { proxy: broken } })),
        })
      },
    }),
  })
  t.after(() => house.close())
  await house.openSession()
  const id = await house.add()
  const { error } = (await house.call('task.get', { id })) ?? {}
  assert.equal(error?.code, 'PROXY_FAILED')
  assert.match(
    error.message,
    /^The password for the proxy http:\/\/proxy\.example:3128 is of no use\. sealed for elsewhere/,
  )
  assert.equal(house.engine.attempts.length, 0)
})

test('a password that cannot be read just now is read again at the next try, and the task goes on', async (t) => {
  const tooManyFiles = new LonghaulError('NO_PERMISSIONS_TO_READ_FILE', 'EMFILE', { retryable: true })
  let readable = false
  const house = await House.open({
    vault: { ...vault, open: (...given) => (readable ? vault.open(...given) : Promise.reject(tooManyFiles)) },
  })
  t.after(() => house.close())
  await house.openSession('com.example', { proxy })
  const id = await house.add()
  assert.deepEqual(await house.blockers(id), ['backoff'])
  readable = true
  await house.clock.advance(1000)
  assert.deepEqual(house.engine.of(id).assignment.policy.proxy, proxy)
})
