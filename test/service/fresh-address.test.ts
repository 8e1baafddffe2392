// A server speaks for itself alone: a wait that it asked for is none of the address that has taken its place.
import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { NewTask } from '../../src/contract/task.ts'
import type { TaskId } from '../../src/contract/words.ts'
import { House } from './house.ts'

const hour = 3600_000
const old = 'https://old.test'
const fresh = 'https://new.test'

const houses: House[] = []
afterEach(async () => {
  for (const house of houses.splice(0)) await house.close()
})

async function open(): Promise<House> {
  const house = await House.open()
  houses.push(house)
  await house.openSession()
  return house
}

const to = (url: string): Partial<NewTask> => ({ request: { url, method: 'GET', headers: [] } })

async function update(it: House, id: TaskId, url: string, restart: boolean): Promise<void> {
  await it.call('task.change', { targets: { ids: [id] }, change: { kind: 'request', url, restart } })
}

/** The old server answers the attempt that runs. */
async function askToWait(it: House, id: TaskId): Promise<void> {
  const busy = new LonghaulError('HTTP_STATUS', 'busy', { status: 503 })
  await it.engine.of(id).fail(busy, { kind: 'network', retryAfterMs: hour, ofOrigin: old })
}

async function asked(it: House, id: TaskId): Promise<readonly (string | undefined)[]> {
  const { blockers } = await it.call('task.explain', { id })
  return blockers.filter(({ code }) => code === 'serverAskedToWait').map(({ of }) => of)
}

test('a wait that a server asks for holds for its own tasks, also where the one that it answered has a fresh address', async () => {
  const it = await open()
  const { fence } = await it.openSession('com.owner')
  await it.call('session.activate', { identifier: 'com.owner', fence: fence! })
  const id = await it.add(to(`${old}/f`), 'com.owner')
  await update(it, id, `${fresh}/f`, false)
  await askToWait(it, id)
  assert.equal(it.engine.of(id).assignment.request.url, `${fresh}/f`, 'it asks the fresh address at once')
  const [said] = it.caller.of('passing').filter(({ event }) => event.kind === 'didRetry')
  assert.ok(said?.event.kind === 'didRetry' && said.event.nextAtMs === it.clock.wall())
  const other = await it.add(to(`${fresh}/other`))
  const held = await it.add(to(`${old}/other`))
  assert.ok(it.engine.isRunning(other))
  assert.ok(!it.engine.isRunning(held))
  assert.deepEqual(await asked(it, held), [old])
})

for (const restart of [true, false])
  test(`a fresh address ends a wait that the server of the old one asked for (restart: ${restart})`, async () => {
    const it = await open()
    const id = await it.add(to(`${old}/f`))
    await askToWait(it, id)
    assert.deepEqual(await asked(it, id), [old])
    await update(it, id, `${old}/again`, restart)
    assert.deepEqual(await asked(it, id), [old], 'it is the same server')
    await update(it, id, `${fresh}/f`, restart)
    assert.equal(it.engine.of(id).assignment.request.url, `${fresh}/f`)
    assert.deepEqual(await asked(it, id), [])
  })
