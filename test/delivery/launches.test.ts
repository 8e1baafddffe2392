import assert from 'node:assert/strict'
import test from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import { appCommand, Listener, Stage, turn } from './stage.ts'

const minute = 60_000

test('the app is launched once all tasks of its session are completed, and not for one among many', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  const [first, second] = await stage.add(session, 2)
  await stage.end([first!])
  assert.equal(stage.launcher.apps.length, 0)
  await stage.end([second!])
  assert.equal(stage.launcher.apps.length, 1)
  const { request, ticket } = stage.launcher.apps[0]!
  assert.deepEqual([request.command, request.args, request.cwd], ['/opt/app/bin/app', ['--background'], '/opt/app'])
  assert.deepEqual(ticket.sessions, ['com.example.app'])
})

test('an app that is attached gets its events directly and is not launched', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  const { caller } = await stage.own(session)
  await stage.ended(session)
  assert.equal(caller.completed.length, 1)
  assert.equal(stage.launcher.apps.length, 0)
})

test('an owner that goes away with events open is launched at once', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  const { caller } = await stage.own(session)
  await stage.ended(session)
  stage.delivery.gone(caller)
  await turn()
  assert.equal(stage.launcher.apps.length, 1)
})

test('a session with sendsLaunchEvents: false, or without a launch command, waits for its app', async () => {
  const stage = new Stage()
  const quiet = await stage.session('quiet', { launch: appCommand, sendsLaunchEvents: false })
  await stage.ended(quiet)
  const plain = await stage.session('plain')
  const { caller, fence } = await stage.own(plain)
  await stage.delivery.close(caller, plain, fence)
  await stage.ended(plain)
  assert.equal(stage.launcher.apps.length, 0)
  assert.deepEqual(stage.delivery.keptBy(), [])
})

test('the launched app gets its events, then didFinishEvents once, and new events after that flow as they come', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session, 2)
  const app = stage.launcher.apps[0]!
  const { caller, fence } = await stage.takeAll(app, session)
  assert.deepEqual(
    caller.events.map(({ kind }) => kind),
    ['didFinishCollectingMetrics', 'didComplete', 'didFinishCollectingMetrics', 'didComplete', 'didFinishEvents'],
  )
  await stage.ended(session)
  assert.equal(caller.completed.length, 3)
  await stage.delivery.acknowledge(caller, session, fence, caller.sequences)
  await turn()
  assert.equal(caller.events.filter(({ kind }) => kind === 'didFinishEvents').length, 1)
  await stage.delivery.launchCompleted(session, app.ticket.token)
  await stage.delivery.close(caller, session, fence)
  await app.end()
  await stage.wait(2 * 60 * minute)
  assert.equal(stage.launcher.apps.length, 1)
  assert.deepEqual(app.signals, [])
  assert.deepEqual(stage.delivery.keptBy(), [])
})

test('didFinishEvents names the tasks whose callbacks failed', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  const [bad] = await stage.ended(session, 2)
  const app = stage.launcher.apps[0]!
  const { caller, fence } = await stage.own(session, app.pid, { launchToken: app.ticket.token })
  const [broken, , ...good] = caller.sequences
  stage.delivery.refuse(caller, session, fence, broken!, 'bug')
  await stage.delivery.acknowledge(caller, session, fence, good)
  await turn()
  const last = caller.events.at(-1)
  assert.equal(last?.kind, 'didFinishEvents')
  assert.deepEqual(last?.body, { blocked: [bad] })
})

test('a launch whose callbacks keep failing is not repeated at once but with growing pauses', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  for (const [launches, pause] of [
    [1, minute],
    [2, 2 * minute],
    [3, 4 * minute],
  ] as const) {
    assert.equal(stage.launcher.apps.length, launches)
    const app = stage.launcher.apps.at(-1)!
    const { caller, fence } = await stage.own(session, app.pid, { launchToken: app.ticket.token })
    stage.delivery.refuse(caller, session, fence, caller.sequences[0]!, 'bug')
    await turn()
    stage.delivery.gone(caller)
    await app.end()
    await stage.wait(pause - 1)
    assert.equal(stage.launcher.apps.length, launches)
    await stage.wait(1)
  }
  assert.equal(stage.launcher.apps.length, 4)
})

test('an app that ends without opening its session is launched again after 1, 2, 4 … 60 minutes, and explain knows its exit code', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const pauses = [1, 2, 4, 8, 16, 32, 60, 60].map((minutes) => minutes * minute)
  for (const [failures, pause] of pauses.entries()) {
    const app = stage.launcher.apps[failures]!
    await app.end({ code: 7 })
    const facts = await stage.journal.launchFacts({ session: session.id })
    assert.equal(facts?.state.failures, failures + 1)
    assert.equal(facts?.state.last?.exitCode, 7)
    assert.match(facts?.state.last?.problem ?? '', /without opening/)
    assert.deepEqual(stage.delivery.blockers(session.id, 'x'), [
      {
        code: 'launchWait',
        untilMs: stage.clock.wall() + pause,
        of: 'the app ended without opening the session: exit code 7',
      },
    ])
    assert.equal(stage.delivery.nextLaunchMs(session.id), stage.clock.wall() + pause)
    assert.equal(stage.delivery.keptBy().length, 1)
    await stage.wait(pause - 1)
    assert.equal(stage.launcher.apps.length, failures + 1)
    await stage.wait(1)
    assert.equal(stage.launcher.apps.length, failures + 2)
  }
})

test('an app that cannot be started at all is tried again with the same pauses', async () => {
  const stage = new Stage()
  stage.launcher.failures.push(new LonghaulError('LAUNCH_FAILED', 'spawn /opt/app/bin/app ENOENT'))
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  assert.equal(stage.launcher.apps.length, 0)
  const facts = await stage.journal.launchFacts({ session: session.id })
  assert.match(facts?.state.last?.problem ?? '', /ENOENT/)
  await stage.wait(minute)
  assert.equal(stage.launcher.apps.length, 1)
})

test('the back-off survives a restart of the daemon', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  await stage.launcher.apps[0]!.end({ code: 1 })
  await stage.restart()
  await stage.wait(minute - 1)
  assert.equal(stage.launcher.apps.length, 1)
  await stage.wait(1)
  assert.equal(stage.launcher.apps.length, 2)
})

test('a user who starts the app ends the back-off', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  await stage.launcher.apps[0]!.end({ code: 1 })
  const { caller } = await stage.own(session)
  assert.deepEqual(stage.delivery.keptBy(), [])
  await turn()
  stage.delivery.gone(caller)
  await turn()
  assert.equal(stage.launcher.apps.length, 2)
})

test('sessions of an app that dies share one launch, and another command has its own', async () => {
  const stage = new Stage()
  const a = await stage.session('a', { launch: appCommand })
  const b = await stage.session('b', { launch: appCommand })
  const other = await stage.session('c', { launch: { ...appCommand, args: [] } })
  const caller = new Listener(50)
  for (const session of [a, b, other]) {
    await stage.attach(caller, session)
    await stage.ended(session)
  }
  stage.delivery.gone(caller)
  await turn()
  assert.deepEqual(
    stage.launcher.apps.map(({ ticket }) => ticket.sessions),
    [['a', 'b'], ['c']],
  )
})

test('a session that becomes due during a launch of its command waits for the end of that', async () => {
  const stage = new Stage()
  const a = await stage.session('a', { launch: appCommand })
  const b = await stage.session('b', { launch: appCommand })
  await stage.ended(a)
  await stage.ended(b)
  const [app] = stage.launcher.apps
  const { caller } = await stage.takeAll(app!, a)
  assert.equal(stage.launcher.apps.length, 1)
  stage.delivery.gone(caller)
  await app!.end()
  assert.deepEqual(
    stage.launcher.apps.map(({ ticket }) => ticket.sessions),
    [['a'], ['b']],
  )
})

test('a session that the launched app does not open fails alone', async () => {
  const stage = new Stage()
  const a = await stage.session('a', { launch: appCommand })
  const b = await stage.session('b', { launch: appCommand })
  const owner = new Listener(50)
  for (const session of [a, b]) {
    await stage.attach(owner, session)
    await stage.ended(session)
  }
  stage.delivery.gone(owner)
  await turn()
  const [app] = stage.launcher.apps
  const { caller } = await stage.takeAll(app!, a)
  stage.delivery.gone(caller)
  await app!.end()
  assert.equal((await stage.journal.launchFacts({ session: a.id }))?.state.failures, 0)
  assert.equal((await stage.journal.launchFacts({ session: b.id }))?.state.failures, 1)
  await stage.wait(minute)
  assert.deepEqual(stage.launcher.apps.at(-1)!.ticket.sessions, ['b'])
})

test('a token is valid for its own launch only', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const first = stage.launcher.apps[0]!
  await first.end({ code: 1 })
  await stage.wait(minute)
  const second = stage.launcher.apps[1]!
  assert.notEqual(first.ticket.token, second.ticket.token)
  const late = await stage.delivery.attach(new Listener(first.pid), session, {
    methods: [],
    takeover: false,
    launchToken: first.ticket.token,
  })
  assert.equal(late.launched, false)
})

test('a launched app that gives no sign of work is asked to end after its time limit, killed 5 s later, and its events stay', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchTimeLimitMs: 10_000 })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  const { caller, fence } = await stage.own(session, app.pid, { launchToken: app.ticket.token })
  await stage.wait(9000)
  await stage.delivery.acknowledge(caller, session, fence, [caller.sequences[0]!])
  await stage.wait(9000)
  stage.delivery.stillWorking(caller, session, { foreground: false })
  await stage.wait(9999)
  assert.deepEqual(app.signals, [])
  await stage.wait(1)
  assert.deepEqual(app.signals, ['SIGTERM'])
  await stage.wait(5000)
  assert.deepEqual(app.signals, ['SIGTERM', 'SIGKILL'])
  stage.delivery.gone(caller)
  await app.end({ code: undefined, signal: 'SIGKILL' })
  const facts = await stage.journal.launchFacts({ session: session.id })
  assert.equal(facts?.events, 1)
  assert.match(facts?.state.last?.problem ?? '', /10 s/)
  await stage.wait(minute)
  assert.equal(stage.launcher.apps.length, 2)
})

test('an app that ends after SIGTERM is not killed', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchTimeLimitMs: 1000 })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  await stage.wait(1000)
  await app.end({ signal: 'SIGTERM' })
  await stage.wait(5000)
  assert.deepEqual(app.signals, ['SIGTERM'])
})

test('an app in the hands of its user is never signalled, and does not keep the daemon', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchTimeLimitMs: 1000 })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  const { caller } = await stage.own(session, app.pid, { launchToken: app.ticket.token })
  stage.delivery.stillWorking(caller, session, { foreground: true })
  await stage.wait(60 * minute)
  assert.deepEqual(app.signals, [])
  assert.deepEqual(stage.delivery.keptBy(), [])
})

test('only the owner can say that it still works', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchTimeLimitMs: 1000 })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  await stage.own(session, app.pid, { launchToken: app.ticket.token })
  stage.delivery.stillWorking(new Listener(9), session, { foreground: true })
  await stage.wait(1000)
  assert.deepEqual(app.signals, ['SIGTERM'])
})

test('an app that its user starts during a launch takes the session, and the launched one is left alone', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchTimeLimitMs: 1000 })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  const { caller } = await stage.own(session, 77)
  assert.equal(caller.completed.length, 1)
  await stage.wait(10_000)
  assert.deepEqual(app.signals, [])
  const facts = await stage.journal.launchFacts({ session: session.id })
  assert.equal(facts?.state.failures, 0)
})

test('a launched app that found its session owned gets didFinishEvents when it owns it at last', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  const user = await stage.own(session, 77)
  stage.delivery.gone(user.caller)
  const { caller } = await stage.takeAll(app, session)
  assert.equal(caller.events.at(-1)?.kind, 'didFinishEvents')
})

test('an app that says that it is done before it opens its session, and takes nothing, is not launched again at once', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  await stage.delivery.launchCompleted(session, app.ticket.token)
  const { caller, fence } = await stage.own(session, app.pid, { launchToken: app.ticket.token, finishSeen: true })
  assert.equal(caller.events.at(-1)?.kind, 'didComplete', 'it needs no last event any more')
  await stage.delivery.close(caller, session, fence)
  await app.end()
  await stage.wait(minute - 1)
  assert.equal(stage.launcher.apps.length, 1)
  await stage.wait(1)
  assert.equal(stage.launcher.apps.length, 2)
})

test('no second app is launched beside one that was left alone, until it ends or its time limit has passed', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchTimeLimitMs: 60_000 })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  const first = await stage.own(session, 77)
  stage.delivery.gone(first.caller)
  await stage.wait(30_000)
  assert.equal(stage.launcher.apps.length, 1)
  await app.end()
  assert.equal(stage.launcher.apps.length, 2)

  const second = await stage.own(session, 78)
  stage.delivery.gone(second.caller)
  await stage.wait(60_000)
  assert.equal(stage.launcher.apps.length, 3)
  assert.deepEqual(stage.launcher.apps[1]!.signals, [])
})

test('after a restart of the daemon an owner has five seconds to come back before its app is launched', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.own(session, 77)
  await stage.ended(session)
  await stage.restart([session])
  await stage.wait(4999)
  assert.equal(stage.launcher.apps.length, 0)
  await stage.own(session, 77)
  await stage.wait(60_000)
  assert.equal(stage.launcher.apps.length, 0, 'it came back')

  await stage.restart([session])
  assert.ok(stage.delivery.nextLaunchMs(session.id) !== undefined, 'the daemon stays for it')
  await stage.wait(5000)
  assert.equal(stage.launcher.apps.length, 1, 'it did not')
})

test('events that come while the finished app has not ended yet launch it again after its end', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  const { caller, fence } = await stage.takeAll(app, session)
  await stage.delivery.launchCompleted(session, app.ticket.token)
  await stage.delivery.close(caller, session, fence)
  await stage.ended(session)
  assert.equal(stage.launcher.apps.length, 1)
  await app.end()
  assert.equal(stage.launcher.apps.length, 2)
})

test('launchWhen atLeast launches when so many tasks have completed, although others go on', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchWhen: { atLeast: 3 } })
  const ids = await stage.add(session, 5)
  await stage.end(ids.slice(0, 2))
  assert.equal(stage.launcher.apps.length, 0)
  await stage.end(ids.slice(2, 3))
  assert.equal(stage.launcher.apps.length, 1)
})

test('launchWhen after launches when the oldest event has waited so long', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchWhen: { afterMs: 10 * minute } })
  const ids = await stage.add(session, 3)
  await stage.end(ids.slice(0, 1))
  await stage.wait(6 * minute)
  await stage.end(ids.slice(1, 2))
  await stage.wait(4 * minute - 1)
  assert.equal(stage.launcher.apps.length, 0)
  await stage.wait(1)
  assert.equal(stage.launcher.apps.length, 1)
})

test('a held or suspended task that keeps the app from being launched is named', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  const [held, done] = await stage.add(session, 2)
  await stage.journal.change({ targets: { ids: [held!] }, change: { kind: 'hold' }, at: stage.at() })
  await stage.end([done!])
  assert.deepEqual(stage.delivery.blockers(session.id, done!), [{ code: 'launchWait', of: `${held}, which is held` }])
})

test("the launched app gets the listed environment, its owner's display, its own variables, and no NODE_OPTIONS", async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', {
    launch: { ...appCommand, env: { APP_MODE: 'background' } },
    launchEnvironment: { DISPLAY: ':0', NODE_OPTIONS: '--require evil' },
  })
  await stage.ended(session)
  const { LONGHAUL_LAUNCH: _, ...env } = stage.launcher.apps[0]!.request.env
  assert.deepEqual(env, {
    PATH: '/usr/bin',
    DISPLAY: ':0',
    APP_MODE: 'background',
    LONGHAUL_HOME: '/home/u/.local/state/longhaul',
  })
})

test('a daemon that was restarted recognises the app that the former one launched, and starts no second one', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  await stage.restart()
  assert.equal(stage.launcher.apps.length, 1)
  const attached = await stage.delivery.attach(new Listener(app.pid), session, {
    methods: [],
    takeover: false,
    launchToken: app.ticket.token,
  })
  assert.equal(attached.launched, true)
  await stage.wait(60 * minute)
  assert.deepEqual(app.signals, [], 'it is nobody’s child here')
})

test('a launched app that took everything and has not ended is waited for after a restart, for other sessions as well', async () => {
  const stage = new Stage()
  const a = await stage.session('a', { launch: appCommand })
  const b = await stage.session('b', { launch: appCommand })
  await stage.ended(a)
  const [app] = stage.launcher.apps
  await stage.takeAll(app!, a)
  await stage.ended(b)
  await stage.restart()
  assert.equal(stage.launcher.apps.length, 1, 'no second copy beside it')
  await stage.wait(30_000)
  assert.deepEqual(
    stage.launcher.apps.map(({ ticket }) => ticket.sessions),
    [['a'], ['b']],
  )
})

test('an app of the former daemon that says that it is done before it opens its session is the same launch still', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  await stage.restart()
  await stage.delivery.launchCompleted(session, app.ticket.token)
  const { caller, fence } = await stage.own(session, app.pid, { launchToken: app.ticket.token, finishSeen: true })
  await stage.delivery.close(caller, session, fence)
  await stage.wait(minute - 1)
  assert.equal(stage.launcher.apps.length, 1, 'it took nothing, so that the next one waits')
  await stage.wait(1)
  assert.equal(stage.launcher.apps.length, 2)
})

test('an app of the former daemon that only says that it is done is waited for no longer than one that says nothing', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  await stage.restart()
  await stage.delivery.launchCompleted(session, stage.launcher.apps[0]!.ticket.token)
  await stage.wait(30_000)
  await stage.wait(minute - 1)
  assert.equal(stage.launcher.apps.length, 1)
  await stage.wait(1)
  assert.equal(stage.launcher.apps.length, 2)
})

test('an app of the former daemon that does not come back is launched again', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  await stage.restart()
  await stage.wait(30_000)
  const facts = await stage.journal.launchFacts({ session: session.id })
  assert.match(facts?.state.last?.problem ?? '', /restarted/)
  assert.equal(facts?.state.current, undefined)
  await stage.wait(minute)
  assert.equal(stage.launcher.apps.length, 2)
})

test('a launched app whose connection broke gets one didFinishEvents after it is back', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand })
  await stage.ended(session)
  const app = stage.launcher.apps[0]!
  const first = await stage.own(session, app.pid, { launchToken: app.ticket.token })
  await stage.delivery.acknowledge(first.caller, session, first.fence, first.caller.sequences)
  await turn()
  assert.equal(first.caller.events.at(-1)?.kind, 'didFinishEvents')
  stage.delivery.gone(first.caller)
  const { caller } = await stage.takeAll(app, session)
  assert.deepEqual(
    caller.events.map(({ kind }) => kind),
    ['didFinishEvents'],
  )
  assert.equal((await stage.journal.launchFacts({ session: session.id }))?.events, 0)
})

for (const [what, committed] of [
  ['was committed', true],
  ['was lost', false],
] as const) {
  test(`a launched app whose acknowledgement of didFinishEvents ${what} with its connection is told no other`, async () => {
    const stage = new Stage()
    const session = await stage.session('com.example.app', { launch: appCommand })
    await stage.ended(session)
    const app = stage.launcher.apps[0]!
    const launchToken = app.ticket.token
    const first = await stage.own(session, app.pid, { launchToken })
    await stage.delivery.acknowledge(first.caller, session, first.fence, first.caller.sequences)
    await turn()
    const { sequence } = first.caller.events.at(-1)!
    if (committed) await stage.delivery.acknowledge(first.caller, session, first.fence, [sequence])
    stage.delivery.gone(first.caller)
    const { caller, fence } = await stage.own(session, app.pid, { launchToken, finishSeen: true })
    // It says again what it does not know to be committed.
    await stage.delivery.acknowledge(caller, session, fence, [sequence])
    await turn()
    assert.deepEqual(
      caller.events.filter((event) => event.sequence !== sequence),
      [],
    )
    await stage.delivery.launchCompleted(session, launchToken)
    stage.delivery.gone(caller)
    await app.end()
    await stage.wait(60 * minute)
    assert.equal((await stage.journal.launchFacts({ session: session.id }))?.events, 0)
    assert.equal(stage.launcher.apps.length, 1, 'nothing is left to launch it for')
  })
}

for (const more of [0, 1]) {
  test(`an app that died in didFinishEvents gets it again, the same number, in its next launch; events since come first: ${more}`, async () => {
    const stage = new Stage()
    const session = await stage.session('com.example.app', { launch: appCommand })
    await stage.ended(session)
    const app = stage.launcher.apps[0]!
    const first = await stage.own(session, app.pid, { launchToken: app.ticket.token })
    await stage.delivery.acknowledge(first.caller, session, first.fence, first.caller.sequences)
    await turn()
    const { kind, sequence, redelivered } = first.caller.events.at(-1)!
    assert.deepEqual([kind, redelivered], ['didFinishEvents', false])
    stage.delivery.gone(first.caller)
    await app.end()
    if (more > 0) await stage.ended(session, more)
    await stage.wait(2 * minute)
    const again = stage.launcher.apps[1]!
    const { caller } = await stage.takeAll(again, session)
    const finish = caller.events.filter((event) => event.kind === 'didFinishEvents')
    assert.deepEqual(
      finish.map((event) => [event.sequence, event.redelivered]),
      [[sequence, true]],
    )
    assert.equal(caller.events.at(-1), finish[0], 'it comes last')
    assert.equal(caller.completed.length, more)
    assert.equal((await stage.journal.launchFacts({ session: session.id }))?.events, 0)
  })
}

test('a stopped delivery launches nothing and leaves launched apps alone', async () => {
  const stage = new Stage()
  const session = await stage.session('com.example.app', { launch: appCommand, launchTimeLimitMs: 1000 })
  await stage.ended(session)
  await stage.delivery.stop()
  await stage.wait(60 * minute)
  assert.deepEqual(stage.launcher.apps[0]!.signals, [])
  assert.equal(stage.clock.waiting, 0)
})
