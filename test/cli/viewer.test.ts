import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context } from '../../src/cli/command.ts'
import { wordsIn } from '../../src/cli/render/words-in.ts'
import { watchTasks } from '../../src/cli/viewer.ts'
import type { Link, Resident } from '../../src/client/link.ts'
import type { AttemptJson } from '../../src/contract/explanation.ts'
import type { TaskRecord } from '../../src/contract/task.ts'
import { backoff, completed, errorJson, explanation, later, taskRecord, wallMs } from './task-records.ts'

/** What a pipe is told of one task when the daemon says this, without code and name. */
async function linesOf(first: TaskRecord, say: (daemon: ToldBy) => Promise<void>): Promise<readonly string[]> {
  let written = ''
  const context = {
    json: false,
    quiet: false,
    terminal: { live: false },
    words: wordsIn('en'),
    wallMs: () => wallMs,
    err: (text: string) => (written += text),
    left: new AbortController().signal,
  } as unknown as Context
  const daemon = new ToldBy(first)
  const watched = watchTasks(context, daemon.link, { ids: [first.id] })
  await daemon.watched
  await say(daemon)
  daemon.record({ ...completed(), id: first.id })
  await watched
  return written
    .split('\n')
    .slice(0, -1)
    .map((line) => line.slice(line.indexOf(': ') + 2))
}

/** A daemon that says what a test wants. */
class ToldBy {
  #resident: Resident | undefined
  readonly #watched = Promise.withResolvers<void>()
  task: TaskRecord
  /** What it knows of the attempt that runs. */
  proof: AttemptJson['proof']

  constructor(task: TaskRecord) {
    this.task = task
  }

  get watched(): Promise<void> {
    return this.#watched.promise
  }

  get link(): Link {
    const link = {
      world: { keepAlive: { hold: () => () => {} } },
      attached: false,
      addWatch: (resident: Resident) => {
        this.#resident = resident
        return 1
      },
      removeWatch: () => {},
      introduce: async (resident: Resident) => {
        await resident.again(() => Promise.resolve({ tasks: [this.task] }))
        this.#watched.resolve()
      },
      call: () => Promise.resolve(this.#explanation()),
    }
    return link as unknown as Link
  }

  record(task: TaskRecord): void {
    this.task = task
    this.#resident?.note('progress', { watch: 1, id: task.id, progress: task.progress, task })
  }

  /** Bytes, without the record: what the phase is has to be asked for. */
  received(bytes: number): void {
    this.task = later(this.task, { phase: 'transferring', progress: { received: bytes } })
    this.#resident?.note('progress', { watch: 1, id: this.task.id, progress: this.task.progress })
  }

  #explanation(): ReturnType<typeof explanation> {
    if (this.task.phase === 'waiting') return backoff(this.task, 1000, errorJson('NETWORK_CONNECTION_LOST'))
    const { attempts: number } = this.task
    const running = { number, startedAtMs: wallMs, tookMs: 0, bytes: 0 }
    return explanation(this.task, {
      // When nothing has come for too long; and why the try before ended.
      nextWakeUpMs: wallMs + 60_000,
      ...(number > 1 && { cause: errorJson('NETWORK_CONNECTION_LOST') }),
      attempts: [this.proof === undefined ? running : { ...running, proof: this.proof }],
    })
  }
}

const first = taskRecord({ progress: { received: 0 } })
const waiting = later(first, { gate: 'time', phase: 'waiting', progress: { received: 100e6 } })
const again = later(waiting, { gate: 'active', phase: 'connecting', attempts: 2 })

/** The asynchronous answers in between have come. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a try that began anew is not said to go on, however many bytes came before anybody looked', async () => {
  const lines = await linesOf(first, async (daemon) => {
    daemon.record(waiting)
    await settled()
    daemon.record(again)
    await settled()
    daemon.received(200e6)
    await settled()
  })
  assert.deepEqual(lines.slice(1, 3), [
    'connection lost (NETWORK_CONNECTION_LOST), try 2 in 1 s, 100 MB kept',
    'started, 300 MB',
  ])
})

test('of a wait that is over when it is asked about no time is told, least of all that of the next try', async () => {
  const lines = await linesOf(first, async (daemon) => {
    daemon.record(waiting)
    daemon.task = again
    await settled()
  })
  assert.equal(lines[1], 'connection lost (NETWORK_CONNECTION_LOST), try 2, 100 MB kept')
})

test('a try that goes on is said to do so when that is proven, with the offset, not with what has come since', async () => {
  const lines = await linesOf(first, async (daemon) => {
    daemon.record(waiting)
    await settled()
    daemon.record(again)
    await settled()
    daemon.proof = 'strong ETag'
    daemon.received(200e6)
    await settled()
  })
  assert.equal(lines[2], 'goes on at 100 MB')
})

test('a try of which the first that is seen is its bytes is told as well', async () => {
  const lines = await linesOf(first, async (daemon) => {
    daemon.record(later(first, { progress: { received: 50e6 } }))
    daemon.record(waiting)
    await settled()
    daemon.proof = 'strong ETag'
    daemon.record(later(again, { phase: 'transferring' }))
    await settled()
  })
  assert.equal(lines[2], 'goes on at 100 MB')
})

test('a new task that takes over the bytes of one that ended goes on in its first try', async () => {
  const taking = later(first, { phase: 'connecting', progress: { received: 100e6 } })
  const lines = await linesOf(taking, async (daemon) => {
    daemon.proof = 'strong ETag'
    daemon.received(200e6)
    await settled()
  })
  assert.equal(lines[0], 'goes on at 100 MB')
})
