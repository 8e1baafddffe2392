import assert from 'node:assert/strict'
import { test, type TestContext } from 'node:test'
import { selfCommand } from '../../src/client/launch-command.ts'
import { isLonghaulError, LonghaulError } from '../../src/contract/errors.ts'
import { launchVariable } from '../../src/contract/launch.ts'
import { runApp } from './child.ts'
import { ScriptedDaemon } from './scripted-daemon.ts'

const identifier = 'com.example.test'

async function scripted(t: TestContext): Promise<{ daemon: ScriptedDaemon; env: Record<string, string> }> {
  const daemon = await ScriptedDaemon.start()
  t.after(() => daemon.stop())
  const ticket = JSON.stringify({ token: 'secret-token', sessions: [identifier] })
  return { daemon, env: { LONGHAUL_HOME: daemon.home, [launchVariable]: ticket } }
}

/** The daemon's part: after `activate`, one event and then `didFinishEvents`. */
function deliver(daemon: ScriptedDaemon): void {
  daemon.answer({
    'session.activate': () => {
      setImmediate(() => {
        daemon.note('event', {
          session: identifier,
          event: { kind: 'didFinishEvents', sequence: 1, redelivered: false, timeMs: 0, body: { blocked: [] } },
        })
      })
      return null
    },
  })
}

test('a process that was not launched is told so', async (t) => {
  const { daemon } = await scripted(t)
  const { said, code } = await runApp('console.log(handleEventsForBackgroundSession(() => {}))', {
    LONGHAUL_HOME: daemon.home,
    [launchVariable]: '',
  })
  assert.deepEqual([said, code], [['false'], 0])
})

test('a launched app gets its session, its events, says that it is done, and ends by itself', async (t) => {
  const { daemon, env } = await scripted(t)
  deliver(daemon)
  const { said, code, errors } = await runApp(
    `const launched = handleEventsForBackgroundSession(async (identifier, completionHandler) => {
      const session = await BackgroundSession.open({
        identifier,
        delegate: { didFinishEvents() { console.log('didFinishEvents'); queueMicrotask(completionHandler) } },
      })
      await session.activate()
      console.log('activated', session.role)
    })
    console.log(launched, process.env.${launchVariable})`,
    env,
  )
  assert.equal(code, 0, errors)
  // Whether `activate()` resolves before the first event comes is promised nowhere: both may arrive in one packet.
  assert.deepEqual(said.toSorted(), ['activated owner', 'didFinishEvents', 'true undefined'])
  assert.equal(daemon.callsOf('session.open')[0]?.own?.launchToken, 'secret-token')
  assert.deepEqual(daemon.callsOf('session.launchCompleted'), [{ identifier, launchToken: 'secret-token' }])
  assert.deepEqual(daemon.callsOf('event.acknowledge')[0]?.sequences, [1])
})

test('a launched app whose session becomes invalid has seen its last event with that', async (t) => {
  const { daemon, env } = await scripted(t)
  daemon.answer({
    'session.activate': () => {
      setImmediate(() => {
        daemon.note('event', {
          session: identifier,
          event: { kind: 'didBecomeInvalid', sequence: 1, redelivered: false, timeMs: 0, body: {} },
        })
      })
      return null
    },
  })
  const { said, code, errors } = await runApp(
    `handleEventsForBackgroundSession(async (identifier) => {
      const session = await BackgroundSession.open({ identifier, delegate: {} })
      await session.activate()
      await session.eventsFinished()
      console.log('finished')
    })`,
    env,
  )
  assert.equal(code, 0, errors)
  assert.deepEqual(said, ['finished'])
})

test('a launched app that takes its session over from itself is not told a second time that all events have come', async (t) => {
  const { daemon, env } = await scripted(t)
  deliver(daemon)
  const { code, errors } = await runApp(
    `handleEventsForBackgroundSession(async (identifier, completionHandler) => {
      const first = await BackgroundSession.open({ identifier, delegate: {} })
      await first.activate()
      await first.eventsFinished()
      await using second = await BackgroundSession.open({ identifier, delegate: {}, takeover: true })
      await first.close()
      completionHandler()
    })`,
    env,
  )
  assert.equal(code, 0, errors)
  assert.deepEqual(
    daemon.callsOf('session.open').map(({ own }) => own?.finishSeen),
    [undefined, true],
  )
})

test('an app that says that it is done and opens its session then is not taken for one that its user started', async (t) => {
  const { daemon, env } = await scripted(t)
  const { code, errors } = await runApp(
    `handleEventsForBackgroundSession(async (identifier, completionHandler) => {
      completionHandler()
      await using session = await BackgroundSession.open({ identifier, delegate: {} })
    })`,
    env,
  )
  assert.equal(code, 0, errors)
  const { launchToken, finishSeen } = daemon.callsOf('session.open')[0]!.own!
  assert.deepEqual([launchToken, finishSeen], ['secret-token', true])
})

test('a handler that does not take the completion handler is done when its promise resolves', async (t) => {
  const { daemon, env } = await scripted(t)
  deliver(daemon)
  const { said, code, errors } = await runApp(
    `handleEventsForBackgroundSession(async (identifier) => {
      const session = await BackgroundSession.open({ identifier, delegate: {} })
      await session.activate()
      await session.eventsFinished()
      console.log('finished')
    })`,
    env,
  )
  assert.deepEqual([said, code], [['finished'], 0], errors)
  assert.equal(daemon.callsOf('session.launchCompleted').length, 1)
  const order = daemon.calls.map(({ verb }) => verb)
  assert.ok(order.indexOf('event.acknowledge') < order.indexOf('session.launchCompleted'))
})

test('a launched app without a handler is done when all its events are acknowledged', async (t) => {
  const { daemon, env } = await scripted(t)
  deliver(daemon)
  const { code, errors } = await runApp(
    `const session = await BackgroundSession.open({ identifier: '${identifier}', delegate: {} })
    await session.activate()`,
    env,
  )
  assert.equal(code, 0, errors)
  assert.equal(daemon.callsOf('session.launchCompleted').length, 1)
})

test('the completion handler called twice throws, and the first call counts', async (t) => {
  const { daemon, env } = await scripted(t)
  const { said } = await runApp(
    `handleEventsForBackgroundSession((identifier, completionHandler) => {
      completionHandler()
      try { completionHandler() } catch (error) { console.log(error.code) }
    })`,
    env,
  )
  assert.deepEqual(said, ['COMPLETION_HANDLER_REUSED'])
  assert.equal(daemon.callsOf('session.launchCompleted').length, 1)
})

test('in a worker thread the launch events are refused, and left to the main thread', async (t) => {
  const { env } = await scripted(t)
  const { said, code, errors } = await runApp(
    `import { isMainThread, Worker } from 'node:worker_threads'
    if (isMainThread) {
      const worker = new Worker(new URL(import.meta.url))
      worker.on('exit', () => handleEventsForBackgroundSession((identifier) => console.log('main', identifier)))
    } else {
      try { handleEventsForBackgroundSession(() => {}) } catch (error) { console.log(error.code) }
    }`,
    env,
  )
  assert.deepEqual([said, code], [['NOT_MAIN_THREAD', `main ${identifier}`], 0], errors)
})

test('a handler that fails ends the app as any failure would, and nothing is reported as done', async (t) => {
  const { daemon, env } = await scripted(t)
  const { code, errors } = await runApp(
    `handleEventsForBackgroundSession(async () => { throw new Error('broken app') })`,
    env,
  )
  assert.equal(code, 1)
  assert.match(errors, /broken app/)
  assert.equal(daemon.callsOf('session.launchCompleted').length, 0)
})

test('an open session alone lets the process end by itself; a wait keeps it, and so does ref', async (t) => {
  const { daemon } = await scripted(t)
  const env = { LONGHAUL_HOME: daemon.home, [launchVariable]: '' }
  const open = `const session = await BackgroundSession.open({ identifier: '${identifier}', delegate: {} })
    await session.activate()`
  assert.equal((await runApp(open, env)).code, 0)

  const waits = Promise.withResolvers<void>()
  daemon.answer({ 'task.wait': () => waits.promise.then(() => Promise.reject(new Error('over'))) })
  const waiting = runApp(
    `${open}
    const task = await session.download('http://127.0.0.1/a')
    await task.finished().catch(() => console.log('waited'))`,
    env,
  )
  await daemon.came('task.wait')
  waits.resolve()
  assert.deepEqual((await waiting).said, ['waited'])

  const kept = await runApp(
    `${open}\nsession.ref()\nsetTimeout(() => { console.log('kept'); session.unref() }, 50).unref()`,
    env,
  )
  assert.deepEqual([kept.said, kept.code], [['kept'], 0])
})

test("'self' repeats the command without what belongs to this run only", () => {
  const facts = { execPath: '/n', argv: ['/n', '/app/main.js', '--flag', 'x y'], cwd: () => '/app' }
  assert.deepEqual(
    selfCommand({
      ...facts,
      execArgv: [
        '--inspect=9229',
        '--inspect-brk',
        '--import',
        'tsx',
        '--test',
        '--test-reporter',
        'spec',
        '--test-name-pattern=x',
        '--watch',
        '--max-old-space-size=100',
      ],
    }),
    {
      command: '/n',
      args: ['--import', 'tsx', '--max-old-space-size=100', '/app/main.js', '--flag', 'x y'],
      cwd: '/app',
    },
  )
  assert.deepEqual(selfCommand({ ...facts, argv: ['/n'], execArgv: ['-e', 'run()'] }).args, ['-e', 'run()'])
  assert.throws(
    () => selfCommand({ ...facts, argv: ['/n'], execArgv: [] }),
    (error) => isLonghaulError(error, 'INVALID_ARGUMENT'),
  )
})

test('a wait for the last event of a launch ends with the session, and lets the process end', async (t) => {
  const { env } = await scripted(t)
  const { said, code, errors } = await runApp(
    `handleEventsForBackgroundSession(async (identifier) => {
      const session = await BackgroundSession.open({ identifier, delegate: {} })
      const finished = session.eventsFinished().catch((error) => console.log(error.code))
      await session.close()
      console.log('closed')
      await finished
      await session.eventsFinished().catch((error) => console.log(error.code))
    })`,
    env,
  )
  assert.equal(code, 0, errors)
  assert.deepEqual(said.toSorted(), ['CANCELLED', 'INVALID_ARGUMENT', 'closed'])
})

test('a launched app whose session is taken over is told so by its wait for the last event', async (t) => {
  const { daemon, env } = await scripted(t)
  daemon.answer({
    'session.activate': () => {
      const error = new LonghaulError('SESSION_TAKEN_OVER', 'by 7').toJSON()
      setImmediate(() => daemon.note('ended', { session: identifier, error }))
      return null
    },
  })
  const { said, code, errors } = await runApp(
    `handleEventsForBackgroundSession(async (identifier) => {
      const session = await BackgroundSession.open({ identifier, delegate: {} })
      await session.activate()
      await session.eventsFinished().catch((error) => console.log(error.code))
    })`,
    env,
  )
  assert.equal(code, 0, errors)
  assert.deepEqual(said, ['SESSION_TAKEN_OVER'])
})

test('closing a session comes back before the process ends by itself', async (t) => {
  const { daemon } = await scripted(t)
  const { said, code, errors } = await runApp(
    `const session = await BackgroundSession.open({ identifier: '${identifier}', delegate: {} })
    await session.activate()
    await session.close()
    console.log('closed')`,
    { LONGHAUL_HOME: daemon.home },
  )
  assert.deepEqual([code, said], [0, ['closed']], errors)
})
