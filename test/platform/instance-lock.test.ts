import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import { isHeld, takeInstanceLock } from '../../src/platform/instance-lock.ts'
import { type LockFacts, readLock } from '../../src/platform/lock-file.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { race } from './race.ts'

const facts: LockFacts = { pid: 4711, bootId: 'b', socket: '/s', version: '0.1.0', protocols: [1], startedAt: 5 }
const lockModule = new URL('../../src/platform/instance-lock.ts', import.meta.url).href

test('of twenty processes that want the lock in the same instant exactly one gets it', async () => {
  for (const round of ['fresh home', 'home that was used']) {
    const home = await temporaryFolder()
    if (round === 'home that was used') takeInstanceLock(home)!.release()
    const count = round === 'fresh home' ? 20 : 6
    const answers = await race(
      count,
      `import { takeInstanceLock } from '#platform/instance-lock.ts'
      await go
      const lock = takeInstanceLock(${JSON.stringify(home)})
      console.log(lock === undefined ? 'lost' : 'won')`,
    )
    assert.deepEqual(
      [answers.filter((answer) => answer === 'won').length, answers.filter((answer) => answer === 'lost').length],
      [1, count - 1],
      round,
    )
    const next = takeInstanceLock(home)
    assert.ok(next !== undefined, 'after the winner ended the lock is free')
    next.release()
  }
})

test('those who only ask do not keep anybody from the lock', async () => {
  const home = await temporaryFolder()
  const answers = await race(
    10,
    `import { isHeld, takeInstanceLock } from '#platform/instance-lock.ts'
    await go
    const home = ${JSON.stringify(home)}
    if (process.pid % 2 === 0) {
      for (let i = 0; i < 200; i++) isHeld(home)
      console.log('asked')
    } else console.log(takeInstanceLock(home) === undefined ? 'lost' : 'won')`,
  )
  const takers = answers.filter((answer) => answer !== 'asked')
  assert.equal(takers.filter((answer) => answer === 'won').length, Math.min(1, takers.length))
})

test('the lock of a killed daemon is free at once, and what it said of itself is gone with the next taker', async (t) => {
  const home = await temporaryFolder()
  const program = `const { takeInstanceLock } = await import(${JSON.stringify(lockModule)})
    const lock = takeInstanceLock(${JSON.stringify(home)})
    lock.publish(${JSON.stringify(facts)})
    process.stdout.write('held')
    setInterval(() => {}, 1e6)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  assert.equal(isHeld(home), true)
  assert.equal(takeInstanceLock(home), undefined)
  assert.deepEqual(readLock(home), facts)
  child.kill('SIGKILL')
  await once(child, 'exit')
  assert.equal(isHeld(home), false)
  const lock = takeInstanceLock(home)
  assert.ok(lock !== undefined)
  assert.equal(readLock(home), undefined)
  lock.release()
})

test('a lock is held until its process ends, also when nothing refers to it any more', async (t) => {
  const home = await temporaryFolder()
  const program = `const { takeInstanceLock } = await import(${JSON.stringify(lockModule)})
    takeInstanceLock(${JSON.stringify(home)})
    setTimeout(() => {
      for (let i = 0; i < 5; i++) gc()
      setImmediate(() => process.stdout.write('collected'))
    })
    setInterval(() => {}, 1e6)`
  const args = ['--expose-gc', '--input-type=module', '--eval', program]
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  await once(child.stdout, 'data')
  assert.equal(isHeld(home), true)
})

test('a child that outlives the daemon does not keep its lock', async () => {
  const home = await temporaryFolder()
  const program = `const { takeInstanceLock } = await import(${JSON.stringify(lockModule)})
    const { spawn } = await import('node:child_process')
    const lock = takeInstanceLock(${JSON.stringify(home)})
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { detached: true, stdio: 'ignore' })
    child.once('spawn', () => process.stdout.write(String(child.pid)))`
  const parent = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [bytes] = (await once(parent.stdout, 'data')) as [Buffer]
  try {
    parent.kill('SIGKILL')
    await once(parent, 'exit')
    assert.equal(isHeld(home), false)
  } finally {
    process.kill(Number(bytes.toString()), 'SIGKILL')
  }
})

test('what the holder publishes is read whole, until it lets go', async () => {
  const home = await temporaryFolder()
  const lock = takeInstanceLock(home)!
  assert.equal(readLock(home), undefined)
  lock.publish(facts)
  lock.publish({ ...facts, socket: '/other' })
  assert.equal(readLock(home)?.socket, '/other')
  lock.release()
  lock.release()
  assert.equal(readLock(home), undefined)
  assert.equal(isHeld(home), false)
})

test('a lock file of nonsense is no lock file', async () => {
  const home = await temporaryFolder()
  for (const content of [
    '',
    '{',
    'null',
    '[]',
    '{}',
    JSON.stringify({ ...facts, pid: -1 }),
    JSON.stringify({ ...facts, socket: 5 }),
  ]) {
    await writeFile(join(home, 'lock'), content)
    assert.equal(readLock(home), undefined, content)
  }
})

test('a daemon whose home was exchanged under it learns that the lock is not its own any more', async () => {
  const home = join(await temporaryFolder(), 'home')
  await mkdir(home)
  const lock = takeInstanceLock(home)!
  assert.equal(lock.isStillOurs(), true)
  await rename(home, `${home}.old`)
  assert.equal(lock.isStillOurs(), false)
  await mkdir(home)
  const second = takeInstanceLock(home)!
  assert.deepEqual([lock.isStillOurs(), second.isStillOurs()], [false, true])
  second.release()
  lock.release()
})

test('a lock that cannot be used says so', async () => {
  const home = await temporaryFolder()
  await mkdir(join(home, 'lock.db'))
  assert.throws(
    () => takeInstanceLock(home),
    (why) => isLonghaulError(why, 'DAEMON_UNAVAILABLE') && !why.retryable && /lock\.db/.test(why.message),
  )
  assert.equal(isHeld(home), undefined, 'nor does who only asks learn anything')
})
