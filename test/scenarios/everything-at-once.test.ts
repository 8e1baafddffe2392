/**
 * Apps and daemon are killed, tasks added, suspended, held and cancelled, all at once and in no order, while the server cuts
 * and drips. Whatever happened: in the end every task has one end, that was told once in its place; every file is whole or
 * not there; nothing else is left. SEED=n repeats the choices of a run.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { type Behaviour, cutAfter, drip, FaultServer, framed, ok, resetAfter } from '../../src/testing/index.ts'
import { type App, Stage } from '../support/stage.ts'

const rounds = 40
const identifiers = ['com.example.one', 'com.example.two'] as const

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function chance(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Starts an app that owns the session and acknowledges each event when it has reported it. */
async function owner(stage: Stage, identifier: string): Promise<App> {
  const app = await stage.start()
  await app.run(async ({ longhaul, say, sha256, kept }, name) => {
    const session = await longhaul.BackgroundSession.open({ identifier: name })
    kept.set('session', session)
    const events = await session.events()
    const take = async (): Promise<void> => {
      for await (const event of events) {
        const { type, sequence, redelivered } = event
        const task = 'task' in event ? event.task.id : undefined
        const error = 'error' in event ? event.error?.code : undefined
        const sha = type === 'didFinishDownloading' ? sha256(event.location) : undefined
        say('got', { session: name, type, sequence, redelivered, task, error, sha })
        await event.acknowledge()
        say('acknowledged', { session: name, sequence })
      }
    }
    take().catch((error: unknown) => say('loop ended', { session: name, message: String(error) }))
  }, identifier)
  return app
}

type Deed = 'suspend' | 'resume' | 'hold' | 'release' | 'cancel' | 'tryNow'

/** Does something to one of the tasks of a session that have not ended. */
function change(app: App, deed: Deed, which: number): Promise<void> {
  return app.run(
    async ({ kept, all }, what, at) => {
      const session = kept.get('session') as AppSession
      const tasks = await all(session.tasks())
      const chosen = tasks[Math.floor(at * tasks.length)]
      const task = chosen === undefined ? undefined : await session.task(chosen.id)
      // The answer of a cancel comes at the end of the task.
      if (what === 'cancel') void task?.cancel().catch(() => {})
      else await task?.[what]()
    },
    deed,
    which,
  )
}

type AppSession = Parameters<Parameters<App['run']>[0]>[0]['session']

interface Row {
  readonly path: string
  readonly url: string
  readonly to: string | undefined
  readonly key: string
}

test(
  'whatever is killed and changed at once, each task ends once, is told once, and its file is whole',
  { timeout: 180_000 },
  async () => {
    const seed = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1e9))
    process.stdout.write(`SEED=${seed}\n`)
    const random = chance(seed)
    const choose = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const apps = new Map<string, App>()
    for (const identifier of identifiers) apps.set(identifier, await owner(stage, identifier))
    const rows = new Map<string, Row & { readonly session: string }>()

    const script = (size: number): Behaviour[] =>
      Array.from({ length: 5 }, () => {
        const at = Math.floor(random() * size)
        const slow = drip(Math.max(1, Math.ceil(size / 30)), 15)
        return choose([cutAfter(at), resetAfter(at), slow, { ...slow, ...cutAfter(at) }, framed('chunked'), ok()])
      })
    const add = async (identifier: string): Promise<void> => {
      const batch: Row[] = Array.from({ length: 3 }, () => {
        const key = `row-${rows.size}`
        const path = `/${key}.bin`
        const size = choose([0, 1, 70_000, 500_000, 1_000_000, 2_500_000])
        const url = server.file(path, { size, etag: `"${key}"`, script: script(size) })
        const row = { path, url, key, to: random() < 0.7 ? stage.path(`${key}.bin`) : undefined }
        rows.set(key, { ...row, session: identifier })
        return row
      })
      await enqueue(identifier, batch)
    }
    const enqueue = async (identifier: string, batch: readonly Row[]): Promise<void> => {
      await apps.get(identifier)!.run(async ({ kept }, list) => {
        const retry = { initialDelay: '5ms', maximumDelay: '40ms' } as const
        const given = list.map(({ url, to, key }) => ({ url, key, retry, ...(to !== undefined && { to }) }))
        await (kept.get('session') as AppSession).enqueue(given, { start: true })
      }, batch)
    }
    for (const identifier of identifiers) await add(identifier)

    for (let round = 0; round < rounds; round++) {
      const identifier = choose(identifiers)
      const app = apps.get(identifier)!
      const dice = random()
      // What is asked of an app whose daemon or that itself is killed meanwhile may fail: nobody is told that it was done.
      let deed: Promise<unknown> | undefined
      if (dice < 0.2) deed = add(identifier)
      else if (dice < 0.75)
        deed = change(app, choose(['suspend', 'resume', 'hold', 'release', 'cancel', 'tryNow', 'tryNow']), random())
      const settled = deed?.catch(() => {})
      if (random() < 0.5) await settled
      else await pause(random() * 30)
      if (random() < 0.25) await stage.killDaemon()
      if (random() < 0.15) {
        await app.kill()
        apps.set(identifier, await owner(stage, identifier))
      }
      await settled
    }

    // From here on nobody is killed. What was asked for and got no answer is asked for again: the key makes it the same.
    for (const identifier of identifiers) {
      const mine = [...rows.values()].filter(({ session }) => session === identifier)
      await enqueue(identifier, mine)
      await apps.get(identifier)!.run(async ({ kept, all }) => {
        const session = kept.get('session') as AppSession
        for (;;) {
          const open = await all(session.tasks())
          if (open.length === 0) break
          for (const { id, phase } of open) {
            const task = await session.task(id)
            if (phase === 'held') await task?.release()
            if (phase === 'suspended') await task?.resume()
            if (phase === 'waiting') await task?.tryNow()
          }
          const first = await session.task(open[0]!.id)
          await first?.finished({ signal: AbortSignal.timeout(500) }).catch(() => {})
        }
      })
    }
    const probe = apps.get(identifiers[0])!
    await probe.run(async ({ longhaul }) => {
      for (;;) if ((await longhaul.sessions()).every(({ unacknowledged }) => unacknowledged === 0)) return
    })

    interface Got {
      readonly session: string
      readonly type: string
      readonly sequence: number
      readonly redelivered: boolean
      readonly task: string
      readonly error?: string
      readonly sha?: string
    }
    const told = stage.reports.which(({ name }) => name === 'got' || name === 'acknowledged')
    for (const identifier of identifiers) {
      const tasks = await apps.get(identifier)!.run(async ({ kept, all }) => {
        const past = await all((kept.get('session') as AppSession).history())
        return past.map(({ id, key, error, result }) => ({ id, key, code: error?.code, path: result?.path }))
      })
      const mine = told.filter(({ fields }) => fields['session'] === identifier)
      const settledNumbers = new Set<number>()
      const events = new Map<number, Got>()
      for (const { name, fields } of mine) {
        const got = fields as unknown as Got
        if (name === 'acknowledged') settledNumbers.add(got.sequence)
        else {
          assert.ok(!settledNumbers.has(got.sequence), `${got.sequence} came again after it was acknowledged`)
          if (events.has(got.sequence)) assert.equal(got.redelivered, true)
          events.set(got.sequence, got)
        }
      }
      const numbers = [...events.keys()].toSorted((a, b) => a - b)
      assert.deepEqual(
        numbers,
        numbers.map((_, at) => at + 1),
      )
      for (const { id, key, code, path } of tasks) {
        const its = [...events.values()].filter(({ task }) => task === id).toSorted((a, b) => a.sequence - b.sequence)
        const names = its.map(({ type }) => type).filter((type) => type !== 'didResumeAtOffset')
        const row = rows.get(key!)!
        if (code === undefined) {
          assert.deepEqual(names, ['didFinishDownloading', 'didFinishCollectingMetrics', 'didComplete'], `${key}`)
          assert.equal(await stage.digest(path!), server.digest(row.path), `${key}`)
          assert.equal(its.find(({ type }) => type === 'didFinishDownloading')!.sha, server.digest(row.path))
        } else {
          assert.equal(code, 'CANCELLED')
          assert.deepEqual(names, ['didFinishCollectingMetrics', 'didComplete'], `${key}`)
        }
      }
      const whole = tasks.filter(({ code }) => code === undefined).map(({ id }) => id.slice(-8))
      for (const name of await stage.listed())
        assert.ok(
          !whole.some((end) => name.includes(`.${end}.longhaul-part`)),
          `${name} is left of a task that succeeded`,
        )
      const keys = [...rows.values()].filter(({ session }) => session === identifier).map(({ key }) => key)
      assert.deepEqual(
        tasks.map(({ key }) => String(key)).toSorted((a, b) => a.localeCompare(b)),
        keys.toSorted((a, b) => a.localeCompare(b)),
        'every row is one task',
      )
    }
  },
)
