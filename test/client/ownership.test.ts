import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test, type TestContext } from 'node:test'
import { slowAfterMs } from '../../src/client/inbox.ts'
import { Link } from '../../src/client/link.ts'
import { type Attached, type Consumer, Ownership } from '../../src/client/ownership.ts'
import { thisApp } from '../../src/client/this-app.ts'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import { defaultConfiguration } from '../../src/contract/session.ts'
import { protocolVersions } from '../../src/contract/verbs.ts'
import { createClock, random } from '../../src/platform/clock.ts'
import { readLock } from '../../src/platform/lock-file.ts'
import { userSecret } from '../../src/platform/secret.ts'
import { greet } from '../../src/wire/handshake.ts'
import { connectLocal } from '../../src/wire/local-socket.ts'
import { settle, VirtualClock } from '../support/virtual-clock.ts'
import { ScriptedDaemon, someRecord } from './scripted-daemon.ts'

const identifier = 'com.example.test'
const id = '01ARZ3NDEKTSV4RRFFQ69G5FAV'

interface Owned {
  readonly daemon: ScriptedDaemon
  readonly link: Link
  readonly clock: VirtualClock
  readonly ownership: Ownership
}

function attach(
  link: Link,
  {
    run = () => Promise.resolve(),
    lost = () => {},
    takeover = false,
  }: Partial<Consumer> & { readonly takeover?: boolean },
): Promise<Attached> {
  return Ownership.attach({
    link,
    open: { identifier, configuration: {}, strictConfiguration: false },
    methods: [],
    takeover,
    concurrency: 1,
    consumer: { run, pass: () => {}, acknowledged: () => {}, lost },
  })
}

/** An active owner whose time moves only when the test says so; the socket is real. */
async function owned(t: TestContext, run: Consumer['run'], lost: Consumer['lost'] = () => {}): Promise<Owned> {
  const daemon = await ScriptedDaemon.start()
  const clock = new VirtualClock()
  const real = createClock({ keepAlive: false })
  const link = new Link({
    world: { ...thisApp.world, clock },
    dial: async (notes) => {
      const channel = await connectLocal(readLock(daemon.home)!.socket)
      const secret = await userSecret(daemon.home)
      const serve = (): { readonly notes: typeof notes } => ({ notes })
      const { peer } = await greet(channel, { secret, versions: protocolVersions, clock: real, random, serve })
      return peer
    },
  })
  t.after(link.retain())
  const { ownership } = await attach(link, { run, lost })
  t.after(async () => {
    await ownership.close()
    await daemon.stop()
  })
  await ownership.activate()
  return { daemon, link, clock, ownership }
}

function deliver(daemon: ScriptedDaemon, sequence = 1): void {
  daemon.note('event', {
    session: identifier,
    event: {
      kind: 'didResumeAtOffset',
      sequence,
      redelivered: false,
      timeMs: 0,
      task: someRecord(id),
      body: { fileOffset: 1 },
    },
  })
}

test('a callback that has not returned after ten seconds is named to the developer and to the daemon, and so is its end', async (t) => {
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const { daemon, clock } = await owned(t, () => {
    begun.resolve()
    return goOn.promise
  })
  deliver(daemon)
  await begun.promise
  await clock.advance(slowAfterMs - 1)
  assert.equal(daemon.callsOf('event.slow').length, 0)
  const warning = once(process, 'warning')
  await clock.advance(1)
  const [warned] = (await warning) as [Error & { code?: string }]
  assert.equal(warned.code, 'LONGHAUL_SLOW_CALLBACK')
  assert.match(warned.message, new RegExp(`didResumeAtOffset of task ${id}`))
  goOn.resolve()
  await daemon.came('event.slow', 2)
  assert.deepEqual(
    daemon.callsOf('event.slow').map(({ sequence, running }) => [sequence, running]),
    [
      [1, true],
      [1, false],
    ],
  )
})

test('a callback that always throws runs four times over 21 seconds, then the daemon is told why and nothing is acknowledged', async (t) => {
  const runs: number[] = []
  const time: { now: () => number } = { now: () => 0 }
  const begun = Promise.withResolvers<void>()
  const { daemon, clock } = await owned(t, () => {
    runs.push(time.now())
    begun.resolve()
    return Promise.reject(new Error('never'))
  })
  time.now = () => clock.steady()
  const start = clock.steady()
  deliver(daemon)
  await begun.promise
  await clock.advance(21_000)
  await daemon.came('event.refuse')
  assert.deepEqual(
    runs.map((at) => at - start),
    [0, 1000, 5000, 21_000],
  )
  assert.match(daemon.callsOf('event.refuse')[0]!.reason, /never/)
  assert.deepEqual(daemon.callsOf('event.acknowledge'), [])
})

test('an owner that comes back while the journal cannot be written stays the owner, and tries again', async (t) => {
  const lost: string[] = []
  const { daemon, clock } = await owned(
    t,
    () => Promise.resolve(),
    (error) => lost.push(error.code),
  )
  const troubles = ['DISK_FULL', 'JOURNAL_DAMAGED'] as const
  daemon.answer({
    'session.open': ({ identifier: asked, own }) => {
      const trouble = troubles[daemon.callsOf('session.open').length - 2]
      if (trouble !== undefined) throw new LonghaulError(trouble, 'not now')
      return {
        identifier: asked,
        created: false,
        configuration: defaultConfiguration,
        changedConfiguration: [],
        survives: 'on demand',
        launched: false,
        fence: (own?.fence ?? 0) + 1,
      }
    },
  })
  daemon.cut()
  for (let opened = 2; opened <= 4; opened++) {
    while (daemon.callsOf('session.open').length < opened) {
      await new Promise(setImmediate)
      await clock.advance(100)
    }
  }
  await daemon.came('session.activate', 2)
  assert.deepEqual(lost, [])
})

test('an acknowledgement that the journal could not take is said again after a second', async (t) => {
  const { daemon, clock } = await owned(t, () => Promise.resolve())
  let refused = 0
  daemon.answer({
    'event.acknowledge': ({ sequences }) => {
      if (refused++ === 0) throw Object.assign(new Error('the disk is full'))
      return { acknowledged: sequences.length }
    },
  })
  deliver(daemon)
  await daemon.came('event.acknowledge')
  // The answer has to be here before the second begins to count.
  while (clock.armed === 0) await new Promise(setImmediate)
  await clock.advance(1000)
  await daemon.came('event.acknowledge', 2)
  assert.deepEqual(daemon.callsOf('event.acknowledge')[1]?.sequences, [1])
})

test('an acknowledgement that comes while an earlier one waits for the journal goes behind it', async (t) => {
  const goOn = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const { daemon, link, clock } = await owned(t, ({ sequence }) => {
    if (sequence === 1) return Promise.resolve()
    begun.resolve()
    return goOn.promise
  })
  daemon.answer({
    'event.acknowledge': ({ sequences }) => {
      if (daemon.callsOf('event.acknowledge').length === 1) throw new LonghaulError('DISK_FULL', 'not now')
      return { acknowledged: sequences.length }
    },
  })
  const said = (): readonly unknown[] => daemon.callsOf('event.acknowledge').map(({ sequences }) => sequences)
  deliver(daemon, 1)
  deliver(daemon, 2)
  await begun.promise
  await daemon.came('event.acknowledge')
  // One timer is for the slow callback, the other one for the next try.
  while (clock.armed < 2) await new Promise(setImmediate)
  goOn.resolve()
  // Were it not held back, it would come within the second.
  await clock.advance(999)
  // What was sent by then has arrived when this is answered.
  await link.call('session.list', {})
  assert.deepEqual(said(), [[1]])
  await clock.advance(1)
  await daemon.came('event.acknowledge', 2)
  assert.deepEqual(said(), [[1], [1, 2]])
})

test('a callback that opens its session while it is taken over is refused at once, for the takeover waits for that callback', async (t) => {
  const begun = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  const opened = Promise.withResolvers<unknown>()
  const { daemon, link, clock } = await owned(t, async () => {
    begun.resolve()
    await goOn.promise
    const refused = attach(link, {}).catch((error: unknown) => error)
    opened.resolve(await Promise.race([refused, settle().then(() => 'it waits')]))
  })
  deliver(daemon)
  await begun.promise
  const takeover = attach(link, { takeover: true })
  // One timer is for the slow callback, the other one for how long it may go on.
  while (clock.armed < 2) await new Promise(setImmediate)
  goOn.resolve()
  const refusal = await opened.promise
  assert.ok(isLonghaulError(refusal, 'SESSION_IN_USE'), String(refusal))
  const { ownership } = await takeover
  assert.equal(ownership.ended, undefined)
  await ownership.close()
})
