/** What an app and other processes do to tasks: pause, resume, cancel, retry, mend, join. All of it through the public library. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import { cutAfter, FaultServer, stallAfter, status } from '../../src/testing/index.ts'
import { type Report, Stage, type ThrownThere } from '../support/stage.ts'

const identifier = 'com.example.tasks'
const size = 600_000

const completions = (stage: Stage): readonly Report[] => stage.events(({ name }) => name === 'didComplete')
const codeOf = ({ fields }: Report): unknown => (fields['error'] as { readonly code: string } | undefined)?.code

test('n suspends want n resumes, and surplus resumes do nothing', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(200_000)] })
  const app = await stage.start({ identifier })
  const begun = await app.run(
    async ({ session }, address, to) => {
      const task = await session.downloadTask(address, { to })
      const states = [task.snapshot.state]
      await task.suspend()
      for (let each = 0; each < 4; each++) {
        await task.resume()
        states.push((await task.refresh()).state)
      }
      return states
    },
    url,
    stage.path('a.bin'),
  )
  assert.deepEqual(begun, ['suspended', 'suspended', 'running', 'running', 'running'])
  await server.sent('/a.bin', 200_000)
  await stage.event('didWriteData', ({ fields }) => fields['totalBytesWritten'] === 200_000)
  const went = await app.run(async ({ session, all }) => {
    const [snapshot] = await all(session.tasks())
    const task = (await session.task(snapshot!.id))!
    await task.suspend()
    await task.suspend()
    const states = [(await task.refresh()).state]
    await task.resume()
    states.push((await task.refresh()).state)
    await task.resume()
    await task.finished()
    return states
  })
  assert.deepEqual(went, ['suspended', 'suspended'])
  assert.deepEqual(
    server.requestsFor('/a.bin').map(({ headers }) => headers['range']),
    [undefined, 'bytes=200000-'],
    'a pause costs no byte',
  )
  assert.equal(await stage.digest(stage.path('a.bin')), server.digest('/a.bin'))
})

test('another process holds and releases; the app cannot lift the hold, and its events stay its own', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(200_000)] })
  const app = await stage.start({ identifier })
  const id = await app.run(
    async ({ session }, address, to) => (await session.download(address, { to })).id,
    url,
    stage.path('a.bin'),
  )
  await stage.event('didWriteData', ({ fields }) => fields['totalBytesWritten'] === 200_000)
  const person = await stage.start({ identifier, role: 'controller' })
  assert.equal(await person.run(({ session }) => session.hold()), 1)
  await server.deserted()
  const held = await app.run(async ({ session }, wanted) => {
    const task = (await session.task(wanted))!
    await task.resume()
    const { phase, why, blockers, remedies } = await task.explain()
    return { phase, why, blocker: blockers[0]?.code, remedy: remedies[0]?.action, counts: await session.counts() }
  }, id)
  assert.deepEqual([held.phase, held.blocker, held.remedy], ['held', 'held', 'release'], held.why)
  assert.equal(held.counts.held, 1)
  assert.equal(server.requestsFor('/a.bin').length, 1)
  const released = await stage.longhaul('release', id)
  assert.equal(released.code, 0, released.stderr)
  const complete = await stage.event('didComplete')
  assert.equal(complete.pid, app.pid)
  assert.equal(server.requestsFor('/a.bin')[1]?.headers['range'], 'bytes=200000-')
  assert.equal(await stage.digest(stage.path('a.bin')), server.digest('/a.bin'))
})

test('a cancel that races a success: one didComplete each, and it, the answer and the file say the same', async () => {
  await using first = await FaultServer.start()
  await using second = await FaultServer.start()
  await using stage = await Stage.open()
  const app = await stage.start({ identifier, options: { configuration: { maximumConnectionsPerHost: 8 } } })
  // From a byte before the end to a good part of the file: the cancels meet them in all phases.
  const files = Array.from({ length: 16 }, (_, index) => {
    const server = index % 2 === 0 ? first : second
    const path = `/${index}.bin`
    const stop = Math.max(1, size - 1 - 37_000 * index)
    const url = server.file(path, { size, etag: '"v1"', script: [stallAfter(stop)] })
    const to = stage.path(`${index}.bin`)
    writeFileSync(to, 'old')
    return { server, path, stop, url, to }
  })
  const ids = await app.run(
    async ({ session }, rows) => {
      const tasks = await Promise.all(rows.map(({ url, to }) => session.download(url, { to })))
      return tasks.map((task) => task.id)
    },
    files.map(({ url, to }) => ({ url, to })),
  )
  await Promise.all(files.map(({ server, path, stop }) => server.sent(path, stop)))
  const answered = app.run(async ({ session }, wanted) => {
    const tasks = await Promise.all(wanted.map((id) => session.task(id)))
    return Promise.all(tasks.map((task) => task!.cancel()))
  }, ids)
  first.release()
  second.release()
  const answers = await answered
  await stage.reports.until(() => completions(stage).length >= files.length, 'all completed')
  for (const [index, { server, path, to }] of files.entries()) {
    const told = completions(stage).filter(({ task }) => task === ids[index])
    assert.equal(told.length, 1)
    const { cancelled } = answers[index]!
    assert.equal(codeOf(told[0]!), cancelled ? 'CANCELLED' : undefined)
    const finished = stage.events(({ name, task }) => name === 'didFinishDownloading' && task === ids[index])
    assert.equal(finished.length, cancelled ? 0 : 1)
    if (cancelled) assert.equal(readFileSync(to, 'utf8'), 'old', 'a cancelled one leaves the destination as it was')
    else assert.equal(await stage.digest(to), server.digest(path))
  }
  assert.deepEqual(
    readdirSync(stage.files).filter((name) => name.endsWith('.longhaul-part')).length <=
      answers.filter(({ cancelled }) => cancelled).length,
    true,
    'only cancelled ones keep what a retry can go on from',
  )
})

test('retry of a failed task is a new one that goes on from its bytes', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size, etag: '"v1"', script: [cutAfter(250_000)] })
  const app = await stage.start({ identifier })
  const found = await app.run(
    async ({ session }, address, to) => {
      const task = await session.download(address, { to, retry: { maximumAttempts: 1 } })
      const code = await task.finished().then(
        () => 'none',
        (error: { readonly code: string }) => error.code,
      )
      const again = await task.retry()
      await again.finished()
      const after = await again.refresh()
      return { code, id: task.id, again: again.id, retryOf: after.retryOf, state: (await task.refresh()).state }
    },
    url,
    stage.path('a.bin'),
  )
  assert.equal(found.code, 'NETWORK_CONNECTION_LOST')
  assert.notEqual(found.again, found.id)
  assert.deepEqual([found.retryOf, found.state], [found.id, 'completed'])
  assert.equal(server.requestsFor('/a.bin')[1]!.headers['range'], 'bytes=250000-')
  assert.equal(await stage.digest(stage.path('a.bin')), server.digest('/a.bin'))
  await stage.reports.until(() => completions(stage).length === 2, 'both completed')
  assert.deepEqual(
    completions(stage).map((report) => [report.task, codeOf(report)]),
    [
      [found.id, 'NETWORK_CONNECTION_LOST'],
      [found.again, undefined],
    ],
  )
})

test('tryNow ends a back-off of a day, and a fresh address is used from then on with the bytes that are kept', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const old = server.file('/a.bin?signature=old', { size, seed: 'a', etag: '"v1"', script: [cutAfter(250_000)] })
  const fresh = server.file('/a.bin?signature=new', { size, seed: 'a', etag: '"v1"', script: [stallAfter(100_000)] })
  const last = server.file('/a.bin?signature=last', { size, seed: 'a', etag: '"v1"' })
  const app = await stage.start({ identifier })
  const id = await app.run(
    async ({ session }, address, to) => {
      const task = await session.download(address, { to, retry: { initialDelay: '1d', maximumDelay: '1d' } })
      return task.id
    },
    old,
    stage.path('a.bin'),
  )
  await stage.event('didRetry')
  const waiting = await app.run(
    async ({ session }, wanted, address) => {
      const task = (await session.task(wanted))!
      const { phase, blockers, remedies, nextWakeUp } = await task.explain()
      await task.updateRequest({ url: address })
      return { phase, blocker: blockers[0]?.code, remedy: remedies[0]?.action, wakes: nextWakeUp !== undefined }
    },
    id,
    fresh,
  )
  assert.deepEqual(waiting, { phase: 'waiting', blocker: 'backoff', remedy: 'tryNow', wakes: true })
  assert.equal(server.requests.length, 1, 'a changed request alone ends no wait')
  await app.run(async ({ session }, wanted) => (await session.task(wanted))!.tryNow(), id)
  await server.sent('/a.bin?signature=new', 100_000)
  await stage.event('didWriteData', ({ fields }) => fields['totalBytesWritten'] === 350_000)
  await app.run(
    async ({ session }, wanted, address) => {
      const task = (await session.task(wanted))!
      await task.updateRequest({ url: address, restart: true })
    },
    id,
    last,
  )
  await stage.event('didComplete')
  assert.deepEqual(
    server.requests.map(({ path, headers }) => [path, headers['range']]),
    [
      ['/a.bin?signature=old', undefined],
      ['/a.bin?signature=new', 'bytes=250000-'],
      ['/a.bin?signature=last', 'bytes=350000-'],
    ],
  )
  assert.equal(await stage.digest(stage.path('a.bin')), server.digest('/a.bin?signature=last'))
})

test('two processes that add one key at once get one task', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(200_000)] })
  const to = stage.path('a.bin')
  const apps = [await stage.start({ identifier }), await stage.start({ identifier, role: 'controller' })]
  const made = await Promise.all(
    apps.map((app) =>
      app.run(
        async ({ session }, address, place) => {
          const task = await session.download(address, { to: place, key: 'the one' })
          return { id: task.id, isNew: task.isNew }
        },
        url,
        to,
      ),
    ),
  )
  assert.equal(made[0]!.id, made[1]!.id)
  assert.notEqual(made[0]!.isNew, made[1]!.isNew, 'exactly one of them made it')
  const other = await apps[1]!
    .run(
      async ({ session }, address, place) => void (await session.download(address, { to: place, key: 'the one' })),
      url,
      stage.path('b.bin'),
    )
    .catch((error: unknown) => error as ThrownThere)
  assert.equal((other as ThrownThere).code, 'INVALID_ARGUMENT')
  await server.sent('/a.bin', 200_000)
  server.release()
  await stage.event('didComplete')
  assert.equal(server.requests.length, 1)
  assert.ok(!existsSync(stage.path('b.bin')))
})

test('of 2,500 rows with a bad one the transactions before it stand, and it is named', async () => {
  await using stage = await Stage.open()
  const app = await stage.start({ identifier })
  const failed = await app.run(async ({ session }, folder) => {
    const outcomes: unknown[] = []
    // The first is wrong in itself, the second only for who knows the other tasks.
    const wrong = [{ url: 'nonsense' }, { url: 'http://127.0.0.1:1/other.bin', key: 'row 7' }]
    for (const [round, bad] of wrong.entries()) {
      const rows = Array.from({ length: 2500 }, (_, row) => ({
        url: `http://127.0.0.1:1/${round}/${row}.bin`,
        to: `${folder}/${round}-${row}.bin`,
        ...(row === 7 && round === 1 && { key: 'row 7' }),
        ...(row === 2100 && bad),
      }))
      const error = await session.enqueue(rows).then(
        () => undefined,
        (thrown: { readonly code: string; readonly index: number; readonly added: number }) => thrown,
      )
      const counts = await session.counts()
      outcomes.push([error?.code, error?.index, error?.added, counts.suspended])
    }
    return outcomes
  }, stage.files)
  assert.deepEqual(failed, [
    ['BAD_URL', 2100, 2000, 2000],
    ['INVALID_ARGUMENT', 2100, 2000, 4000],
  ])
})

test('finishTasksAndInvalidate lets tasks finish, takes no new one, ends with didBecomeInvalid, and frees the name', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(200_000), stallAfter(200_000)] })
  const app = await stage.start({ identifier })
  await app.run(
    async ({ session }, address, one, two) => {
      await session.download(address, { to: one })
      await session.download(address, { to: two })
      await session.finishTasksAndInvalidate()
    },
    url,
    stage.path('1.bin'),
    stage.path('2.bin'),
  )
  const late = await app
    .run(async ({ session }, address) => void (await session.download(address)), url)
    .catch((error: unknown) => error as ThrownThere)
  assert.equal((late as ThrownThere).code, 'SESSION_INVALIDATED')
  await server.sent('/a.bin', 400_000)
  assert.deepEqual(completions(stage), [])
  server.release()
  await stage.event('didBecomeInvalid')
  const events = stage.events()
  assert.equal(completions(stage).length, 2)
  assert.deepEqual(completions(stage).map(codeOf), [undefined, undefined])
  assert.equal(events.at(-1)!.name, 'didBecomeInvalid')
  assert.deepEqual(
    events.map(({ sequence }) => sequence),
    events.map((_, index) => index + 1),
  )
  for (const name of ['1.bin', '2.bin']) assert.equal(await stage.digest(stage.path(name)), server.digest('/a.bin'))
  await app.run(async ({ longhaul }) => {
    for (;;) if ((await longhaul.sessions()).length === 0) return
  })
  await app.kill()
  const next = await stage.start({ identifier })
  const counts = await next.run(
    async ({ session }, address, to) => {
      const task = await session.download(address, { to })
      await task.finished()
      return { ...(await session.counts()), number: task.taskIdentifier }
    },
    url,
    stage.path('3.bin'),
  )
  assert.deepEqual([counts.completed, counts.number], [1, 1], 'it knows nothing of the one before')
})

test('invalidateAndCancel cancels running, suspended and held tasks, then ends the session', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const url = server.file('/a.bin', { size, etag: '"v1"', script: [stallAfter(200_000)] })
  const app = await stage.start({ identifier })
  await app.run(
    async ({ session }, address, folder) => {
      await session.download(address, { to: `${folder}/running.bin` })
      await session.downloadTask(address, { to: `${folder}/suspended.bin` })
      await (await session.downloadTask(address, { to: `${folder}/held.bin` })).hold()
    },
    url,
    stage.files,
  )
  await server.sent('/a.bin', 200_000)
  await app.run(({ session }) => session.invalidateAndCancel())
  const invalid = await stage.event('didBecomeInvalid')
  assert.equal(invalid.sequence, stage.events().length)
  assert.deepEqual(completions(stage).map(codeOf), ['CANCELLED', 'CANCELLED', 'CANCELLED'])
  await server.deserted()
  await app.run(async ({ longhaul }) => {
    for (;;) if ((await longhaul.sessions()).length === 0) return
  })
  for (const name of ['running', 'suspended', 'held']) assert.ok(!existsSync(stage.path(`${name}.bin`)))
})

test('a task that comes after another waits for its success, and fails when that fails', async () => {
  await using server = await FaultServer.start()
  await using stage = await Stage.open()
  const one = server.file('/1.bin', { size, etag: '"v1"', script: [stallAfter(200_000)] })
  const two = server.file('/2.bin', { size, etag: '"v1"' })
  const missing = server.answers('/missing.bin', status(404))
  const app = await stage.start({ identifier })
  const made = await app.run(
    async ({ session }, urls, folder) => {
      const first = await session.download(urls[0]!, { to: `${folder}/1.bin` })
      const second = await session.download(urls[1]!, { to: `${folder}/2.bin`, after: [first.id] })
      const lost = await session.downloadTask(urls[2]!, { to: `${folder}/3.bin` })
      const after = await session.download(urls[1]!, { to: `${folder}/4.bin`, after: [lost.id] })
      await lost.resume()
      const { phase, blockers } = await second.explain()
      return { ids: [first, second, lost, after].map(({ id }) => id), phase, blockers }
    },
    [one, two, missing],
    stage.files,
  )
  const [first, second, lost, after] = made.ids
  assert.equal(made.phase, 'waiting')
  assert.deepEqual(
    made.blockers.map(({ code, of }) => [code, of]),
    [['dependency', first]],
  )
  await stage.event('didComplete', ({ task }) => task === after)
  const ends = new Map(completions(stage).map((report) => [report.task, codeOf(report)]))
  assert.deepEqual([ends.get(lost), ends.get(after)], ['HTTP_STATUS', 'DEPENDENCY_FAILED'])
  assert.equal(server.requestsFor('/2.bin').length, 0, 'nothing is asked for before')
  await server.sent('/1.bin', 200_000)
  server.release()
  await stage.event('didComplete', ({ task }) => task === second)
  const order = completions(stage).map(({ task }) => task)
  assert.ok(order.indexOf(first) < order.indexOf(second))
  assert.equal(server.requestsFor('/2.bin').length, 1)
  assert.equal(await stage.digest(stage.path('2.bin')), server.digest('/2.bin'))
  assert.ok(!existsSync(stage.path('4.bin')))
})
