import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectSocket, type Socket } from 'node:net'
import { join } from 'node:path'
import test, { type TestContext } from 'node:test'
import type { Caller } from '../../src/contract/caller.ts'
import { protocolVersions, type Result, type Verb } from '../../src/contract/verbs.ts'
import { Door } from '../../src/daemon/door.ts'
import { random } from '../../src/platform/clock.ts'
import type { Service } from '../../src/service/service.ts'
import { type Greeted, greet } from '../../src/wire/handshake.ts'
import { connectLocal, listenLocal } from '../../src/wire/local-socket.ts'
import { silentLog } from '../../src/world/log.ts'
import { ManualClock } from '../support/manual-clock.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const secret = new Uint8Array(32).fill(7)

/** What is behind the door: writes down who asked what, and answers nothing. */
class Scripted implements Pick<Service, 'call' | 'gone'> {
  readonly asked: { readonly caller: Caller; readonly verb: Verb }[] = []
  readonly goneCallers: Caller[] = []
  readonly left = Promise.withResolvers<void>()

  call<V extends Verb>(caller: Caller, verb: V): Promise<Result<V>> {
    this.asked.push({ caller, verb })
    return Promise.resolve(null as Result<V>)
  }

  gone(caller: Caller): void {
    this.goneCallers.push(caller)
    this.left.resolve()
  }
}

async function stage(t: TestContext, limits: { maximumConnections?: number; maximumUnproved?: number } = {}) {
  const clock = new ManualClock()
  const service = new Scripted()
  const socket = join(await temporaryFolder(), 'd.sock')
  let changed = Promise.withResolvers<void>()
  const door = new Door({
    service,
    secret,
    facts: { pid: 1, version: '0', home: '/home' },
    clock,
    random,
    log: silentLog,
    changed: () => {
      changed.resolve()
      changed = Promise.withResolvers()
    },
    ...limits,
  })
  let taken = 0
  const listener = await listenLocal(socket, {
    connected: (channel) => {
      door.connected(channel)
      taken++
      changed.resolve()
      changed = Promise.withResolvers()
    },
  })
  t.after(async () => {
    door.close(new Error('the test is over'))
    await listener.close()
  })
  const until = async (condition: () => boolean): Promise<void> => {
    while (!condition()) await changed.promise
  }
  const client = async (ended: (params: unknown) => void = () => {}): Promise<Greeted> =>
    greet(await connectLocal(socket), {
      secret,
      versions: protocolVersions,
      clock,
      random,
      serve: () => ({ notes: { ended } }),
      pid: 77,
    })
  const silent = async (): Promise<Socket> => {
    const made = connectSocket(socket)
    t.after(() => made.destroy())
    await once(made, 'connect')
    return made.resume()
  }
  return { clock, service, door, client, silent, until, taken: () => taken }
}

test('a verb is asked of the service in the name of the connection, and its end is told', async (t) => {
  const { service, client, door } = await stage(t)
  const { peer } = await client()
  await peer.call('session.list', {})
  assert.equal(service.asked[0]?.verb, 'session.list')
  assert.equal(service.asked[0]?.caller.pid, 77)
  assert.equal(door.connections, 1)
  peer.close(new Error('enough'))
  await service.left.promise
  assert.equal(service.goneCallers[0], service.asked[0]?.caller)
  assert.equal(door.connections, 0)
})

test('what the service tells a caller reaches its own connection only', async (t) => {
  const { service, client } = await stage(t)
  const told: string[] = []
  const one = await client(() => void told.push('one'))
  const other = await client(() => void told.push('other'))
  await one.peer.call('session.list', {})
  await other.peer.call('session.list', {})
  const ended = {
    session: 'a',
    error: { code: 'SESSION_TAKEN_OVER', message: 'm', hint: '', retryable: false },
  } as const
  service.asked[0]!.caller.note('ended', ended)
  service.asked[0]!.caller.latest('ended', 'k', ended)
  // An answer comes after the notes that were sent before it.
  await one.peer.call('session.list', {})
  await other.peer.call('session.list', {})
  assert.deepEqual(told, ['one', 'one'])
})

test('who says nothing for five seconds is disconnected', async (t) => {
  const { clock, silent, door, until } = await stage(t)
  const socket = await silent()
  await until(() => door.isBusy)
  clock.advance(4999)
  assert.equal(door.isBusy, true)
  clock.advance(1)
  await once(socket, 'close')
  await until(() => !door.isBusy)
})

test('connections that are not proved take no places of those that are', async (t) => {
  const { client, silent, door, until, taken } = await stage(t, { maximumConnections: 5, maximumUnproved: 2 })
  await silent()
  await silent()
  await until(() => taken() === 2)
  const third = await silent()
  await once(third, 'close')
  await assert.rejects(client(), { code: 'DAEMON_UNAVAILABLE' })
  assert.equal(door.connections, 0)
})

test('above the limit of connections a further one is closed, and can be made when another ends', async (t) => {
  const { client, door, until } = await stage(t, { maximumConnections: 2 })
  const first = await client()
  await client()
  await assert.rejects(client(), { code: 'DAEMON_UNAVAILABLE' })
  first.peer.close(new Error('enough'))
  await until(() => door.connections === 1)
  await client()
  assert.equal(door.connections, 2)
})

test('a closed door closes its connections and takes no more', async (t) => {
  const { client, door, service } = await stage(t)
  const { peer } = await client()
  await peer.call('session.list', {})
  door.close(new Error('over'))
  await peer.closed
  await service.left.promise
  await assert.rejects(client(), { code: 'DAEMON_UNAVAILABLE' })
})
