import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import type { Consequences, Journal } from '../../src/journal/journal.ts'
import { createJournal } from '../../src/journal/in-thread.ts'
import { openStore } from '../../src/journal/open.ts'
import type { Store } from '../../src/journal/store.ts'
import { Subject } from '../suites/journal-subject.ts'

/** A journal and, behind its back, its database. */
async function opened(): Promise<{ readonly subject: Subject; readonly store: Store }> {
  let store: Store | undefined
  const subject = await Subject.open((path) => {
    store = openStore(path)
    return Promise.resolve(createJournal(store))
  })
  return { subject, store: store! }
}

test('a command that is refused leaves the others of its commit', async () => {
  const { subject } = await opened()
  const { session } = await subject.owned()
  const commits: Consequences[] = []
  subject.journal.watch((consequences) => commits.push(consequences))
  const add = (...urls: readonly string[]): ReturnType<Journal['addTasks']> =>
    subject.journal.addTasks({ session, tasks: urls.map((url) => subject.newTask({ url })), at: subject.at })
  const [first, refused, last] = await Promise.allSettled([
    add('http://a/1'),
    add('http://a/2', 'bad'),
    add('http://a/3'),
  ])
  assert.equal(first.status, 'fulfilled')
  assert.ok(refused.status === 'rejected' && isLonghaulError(refused.reason, 'BAD_URL'))
  assert.ok(last.status === 'fulfilled')
  assert.equal(commits.length, 1)
  assert.equal(commits[0]!.changed.length, 2)
  // The number that the refused call took is given again.
  assert.equal(last.value.tasks[0]!.task.taskIdentifier, 2)
  assert.equal((await subject.journal.counts({})).queued, 2)
  await subject.close()
})

test('consequences are told after the commit and before its answers', async () => {
  const { subject, store } = await opened()
  const { session } = await subject.owned()
  const order: string[] = []
  subject.journal.watch(() => order.push(store.database.isTransaction ? 'told too early' : 'told'))
  const added = subject.addOne(session).then(() => order.push('answered'))
  await added
  assert.deepEqual(order, ['told', 'answered'])
  await subject.close()
})

test('on a full disk the whole group is rejected, nothing of it is kept, and the next success clears the problem', async () => {
  const { subject, store } = await opened()
  const { session } = await subject.owned()
  await subject.addOne(session)
  const { page_count: pages } = store.get<{ page_count: number }>('pragma page_count')!
  store.exec(`pragma max_page_count = ${pages + 3}`)
  const told: Consequences[] = []
  subject.journal.watch((consequences) => told.push(consequences))
  const small = (): ReturnType<Journal['addTasks']> =>
    subject.journal.addTasks({ session, tasks: [subject.newTask()], at: subject.at })
  const metadata = JSON.stringify('x'.repeat(60_000))
  const large = subject.journal.addTasks({ session, tasks: [subject.newTask({ metadata })], at: subject.at })
  for (const answer of await Promise.allSettled([small(), large, small()])) {
    assert.ok(answer.status === 'rejected' && isLonghaulError(answer.reason, 'DISK_FULL'), JSON.stringify(answer))
    // Nobody repeats an `add` that was refused.
    assert.match(answer.reason.message, /Nothing of this call was kept\.$/)
    assert.match(answer.reason.hint, /^Free some space, then do it again;/)
  }
  assert.match(subject.journal.problem ?? '', /full/)
  assert.deepEqual(told, [])
  store.exec('pragma max_page_count = 1000000')
  assert.equal((await subject.journal.counts({})).queued, 1)
  await small()
  assert.equal(subject.journal.problem, undefined)
  assert.equal((await subject.journal.counts({})).queued, 2)
  await subject.close()
})

test('closing the journal finishes what was called before and refuses what comes after', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'journal-close-'))
  const journal = createJournal(openStore(join(folder, 'journal.db')))
  const before = journal.counts({})
  await journal.close()
  assert.equal((await before).queued, 0)
  await assert.rejects(journal.counts({}), (error) => isLonghaulError(error, 'DAEMON_UNAVAILABLE'))
  rmSync(folder, { recursive: true })
})

test('a big change gives way to other commands between its steps', async () => {
  const { subject } = await opened()
  const { session } = await subject.owned()
  for (let i = 0; i < 3; i++) await subject.add(session, ...Array.from({ length: 1000 }, () => ({})))
  const order: string[] = []
  const { journal, at } = subject
  const big = journal
    .change({ targets: { session, filter: {} }, change: { kind: 'hold' }, at })
    .then(({ changed }) => order.push(`held ${changed}`))
  const small = journal.counts({}).then(({ held }) => order.push(held < 3000 ? 'counted between' : 'counted after'))
  await Promise.all([big, small])
  assert.deepEqual(order, ['counted between', 'held 3000'])
  await subject.close()
})
