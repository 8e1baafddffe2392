// The twin of an app, on the real client, against a daemon in the same process: that it does what its plan says, and nothing
// else goes wrong.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { launchVariable } from '../../src/contract/launch.ts'
import { openStore } from '../../src/journal/open.ts'
import type { Exit } from '../../src/world/launcher.ts'
import { silentLog } from '../../src/world/log.ts'
import { type AppPlan, makeAppPlan, type TaskPlan, type Trouble } from './app-plan.ts'
import { type AppEvent, AppMemory, AppTwin } from './app.ts'
import { simulatedMove } from './app-files.ts'
import { channelPair } from './channel.ts'
import { DaemonTwin, spool } from './daemon.ts'
import { Disk } from './disk.ts'
import { settleOn } from './drive.ts'
import { Internet } from './internet.ts'
import { simulatedJournal } from './journal.ts'
import { Life } from './life.ts'
import { honest, url } from './one-server.ts'
import { Seeded } from './seeded.ts'
import { Timeline } from './timeline.ts'

const session = 'test.app'
const calm: AppPlan = {
  session,
  configuration: {},
  tasks: [],
  delegate: { concurrency: 1, without: [], takesMs: 0, troubles: [] },
  launched: [],
  whenInUse: 'waits',
  ignoresTerm: false,
  acts: [],
}
const task: TaskPlan = { atMs: 0, url, to: '/data/file', key: 'the task', start: true, awaited: true }

/** A machine with an honest server, one daemon, and the apps that a test starts. */
class Stage {
  readonly timeline = new Timeline()
  readonly disk: Disk
  readonly internet: Internet
  readonly memory = new AppMemory()
  /** `handed didComplete 3 again`, `returned …`, `note …`, in order. */
  readonly told: string[] = []
  readonly events: AppEvent[] = []
  readonly accepted: string[] = []
  readonly #random = new Seeded('stage')
  readonly #daemon: DaemonTwin
  readonly #plan: AppPlan
  #lives = 0
  ended: Exit | undefined

  constructor(plan: Partial<AppPlan>) {
    this.#plan = { ...calm, ...plan }
    const { timeline } = this
    this.disk = new Disk({ random: this.#random.fork('disk'), timeline, faults: [] })
    for (const folder of ['/data', spool]) this.disk.makeFolder(folder)
    this.internet = new Internet({ timeline, random: this.#random.fork('internet'), wall: () => 1_790_000_000_000 })
    this.internet.serve(url, honest)
    const life = this.life('daemon')
    this.#daemon = new DaemonTwin({
      life,
      pid: 2,
      bootId: 'boot',
      journal: simulatedJournal({
        store: openStore(':memory:'),
        life,
        failure: () => undefined,
        before: () => {},
        after: () => {},
        refused: () => {},
      }),
      files: this.disk.fileSystem(life),
      transport: this.internet.transport(life),
      launcher: {
        start: (request) => {
          const { promise: ended, resolve } = Promise.withResolvers<Exit>()
          this.start({ ticket: request.env[launchVariable]!, ended: resolve })
          return Promise.resolve({ pid: 3, ended, ask: () => {}, kill: () => {} })
        },
      },
      random: this.#random.fork('daemon'),
      secret: new Uint8Array(32),
      limits: { maximumActiveTasks: 32, maximumConnectionsPerOrigin: 8 },
      log: silentLog,
      answered: () => {},
      gone: () => {},
      stopped: () => {},
    })
  }

  life(name: string): Life {
    return new Life({
      name,
      timeline: this.timeline,
      random: this.#random.fork(name),
      steadyLeadMs: 1000,
      wall: () => 1_790_000_000_000 + this.timeline.now,
    })
  }

  async daemonStarts(): Promise<void> {
    await settleOn(this.timeline, this.#daemon.start())
  }

  start(how: { readonly ticket?: string; readonly ended?: (exit: Exit) => void; readonly calm?: boolean } = {}): Life {
    const life = this.life(`app ${++this.#lives}`)
    const nameOf = ({ kind, sequence, redelivered }: AppEvent): string =>
      `${kind} ${sequence}${redelivered ? ' again' : ''}`
    const twin = new AppTwin({
      plan: this.#plan,
      memory: this.memory,
      command: '/apps/test',
      calm: how.calm ?? false,
      digestOf: (address, algorithm) => this.internet.digestOf(address, algorithm),
      life,
      pid: 100 + this.#lives,
      connect: () => {
        const random = this.#random.fork(`channel ${this.timeline.steps}`)
        const [ours, theirs] = channelPair({ timeline: this.timeline, random, a: life, b: this.#daemon.life })
        this.#daemon.connected(theirs)
        return Promise.resolve(ours)
      },
      secret: new Uint8Array(32),
      files: this.disk.fileSystem(life),
      random: this.#random.fork(life.name),
      ...(how.ticket !== undefined && { ticket: how.ticket }),
      exit: (code) => {
        this.told.push(`exit ${code}`)
        this.ended = { code, signal: undefined }
        life.end()
        how.ended?.(this.ended)
      },
      observe: {
        accepted: (id) => this.accepted.push(id),
        refused: (index, error) => assert.fail(`task ${index} was refused: ${error.message}`),
        handed: (event) => {
          this.events.push(event)
          this.told.push(`handed ${nameOf(event)}`)
        },
        returned: (event) => this.told.push(`returned ${nameOf(event)}`),
        note: (what) => this.told.push(`note ${what}`),
        failure: (where, error) => assert.fail(`${where}: ${String(error)}`),
      },
    })
    void twin.run()
    return life
  }

  /** Lets virtual time run until then. */
  async until(condition: () => boolean): Promise<void> {
    while (!condition())
      assert.ok(await this.timeline.step(600_000), `it does not come about:\n${this.told.join('\n')}`)
  }

  has(told: string): boolean {
    return this.told.includes(told)
  }

  heard(kind: AppEvent['kind']): boolean {
    return this.told.some((each) => each.startsWith(`returned ${kind}`))
  }
}

test('a simulated app downloads to a file and from the spool to a place of its own', async () => {
  const spooled: TaskPlan = { atMs: 500, url, moveTo: '/moved/it', start: true, awaited: false }
  const stage = new Stage({ tasks: [task, spooled] })
  await stage.daemonStarts()
  stage.start()
  await stage.until(() => stage.told.filter((told) => told.startsWith('returned didComplete')).length === 2)
  const [whole] = stage.internet.versions(url)
  for (const path of ['/data/file', '/moved/it']) assert.deepEqual(stage.disk.durableAt(path), whole)
  assert.deepEqual(
    stage.events.map(({ sequence }) => sequence),
    [1, 2, 3, 4, 5, 6],
  )
  assert.equal(stage.events.find(({ kind }) => kind === 'didFinishDownloading')?.location, '/data/file')
})

test('a simulated app that starts again finds its task by the key, and adds another without one', async () => {
  const keyless: TaskPlan = { atMs: 0, url, to: '/data/other', start: true, awaited: false }
  const stage = new Stage({ tasks: [task, { ...task, to: '/data/third', key: 'third', batch: true }, keyless] })
  await stage.daemonStarts()
  const first = stage.start()
  await stage.until(() => stage.accepted.length === 3)
  first.end()
  stage.start()
  await stage.until(() => stage.accepted.length === 5)
  assert.equal(new Set(stage.accepted).size, 3)
})

test('a simulated app dies before or after its callback did its work, and gets the event again in its next life', async () => {
  for (const is of ['dies before', 'dies after'] as const) {
    const trouble: Trouble = { kind: 'didFinishDownloading', nth: 1, what: { is } }
    const stage = new Stage({ tasks: [task], delegate: { ...calm.delegate, troubles: [trouble] } })
    await stage.daemonStarts()
    stage.start()
    await stage.until(() => stage.ended !== undefined)
    assert.equal(stage.heard('didFinishDownloading'), false)
    stage.start()
    await stage.until(() => stage.heard('didComplete'))
    assert.ok(stage.has('returned didFinishDownloading 1 again'))
  }
})

test('a callback of a simulated app throws as often as planned, counted over its lives', async () => {
  const trouble: Trouble = { kind: 'didComplete', nth: 1, what: { is: 'throws', times: 2 } }
  const stage = new Stage({ tasks: [task], delegate: { ...calm.delegate, troubles: [trouble] } })
  await stage.daemonStarts()
  stage.start()
  await stage.until(() => stage.heard('didComplete'))
  assert.equal(stage.told.filter((told) => told.startsWith('handed didComplete')).length, 3)
})

test('a simulated app that is launched gets its events and ends by itself', async () => {
  for (const how of ['well', 'has no handler', 'completes twice'] as const) {
    const stage = new Stage({ tasks: [task], launched: [how], acts: [{ atMs: 300, act: 'die' }] })
    await stage.daemonStarts()
    stage.start()
    await stage.until(() => stage.has(`note what it does about its launch: ${how}`))
    await stage.until(() => stage.ended?.code === 0)
    assert.ok(stage.heard('didFinishEvents'), how)
  }
})

test('a simulated app that troubles its launch is launched again, and then it goes well', async () => {
  const launched = ['exits early', 'opens another', 'completes first'] as const
  const stage = new Stage({ tasks: [task], launched, acts: [{ atMs: 300, act: 'exit' }] })
  await stage.daemonStarts()
  stage.start()
  await stage.until(() => stage.heard('didFinishEvents'))
  assert.deepEqual(
    stage.told.filter((told) => told.startsWith('note what it does')),
    [...launched, 'well'].map((how) => `note what it does about its launch: ${how}`),
  )
})

test('what a user of a simulated app does comes at its time', async () => {
  const acts = [
    { atMs: 400, task: 0, act: 'suspend' },
    { atMs: 2000, task: 0, act: 'explain' },
    { atMs: 60_000, task: 0, act: 'resume' },
  ] as const
  const stage = new Stage({ tasks: [task], acts })
  await stage.daemonStarts()
  stage.start()
  await stage.until(() => stage.heard('didComplete'))
  assert.ok(stage.has('note suspend of its task 0: suspended, suspended'))
  assert.ok(stage.has('note explain of its task 0: suspended suspended'))
  assert.ok(stage.timeline.now > 60_000)
})

test('a delivered file that a simulated app moves is never in neither place, whenever the power goes', async () => {
  for (let deathAt = 1, over = false; !over; deathAt++) {
    const timeline = new Timeline()
    const random = new Seeded(deathAt)
    const disk = new Disk({ random: random.fork('disk'), timeline, faults: [] })
    const whole = Buffer.from('the whole file')
    disk.put('/spool/file', whole, { durable: true })
    let calls = 0
    const life = new Life({
      name: 'app',
      timeline,
      random,
      steadyLeadMs: 0,
      wall: () => 0,
      at: (_, moment) => {
        if (moment === 'before' && ++calls === deathAt) life.end()
      },
    })
    const files = disk.fileSystem(life)
    const moved = simulatedMove(files, '/spool/file', '/moved/here/file', random).then(() => (over = true))
    while (await timeline.step(Infinity));
    if (over) await moved
    disk.powerCut()
    const [source, target] = [disk.read('/spool/file'), disk.read('/moved/here/file')]
    for (const found of [source, target]) assert.ok(found === undefined || whole.equals(found))
    assert.ok(source !== undefined || target !== undefined)
    assert.ok(!over || target !== undefined)
  }
})

test('two that move one delivered file at once leave it whole, whenever one of them dies and the power goes', async () => {
  for (let deathAt = 1, over = false; !over; deathAt++) {
    const timeline = new Timeline()
    const random = new Seeded(deathAt)
    const disk = new Disk({ random: random.fork('disk'), timeline, faults: [] })
    const whole = Buffer.from('the whole file')
    disk.put('/spool/file', whole, { durable: true })
    const target = '/moved/here/file'
    let calls = 0
    let oneEnded = false
    const move = (name: string, at: (moment: string, life: Life) => void): Promise<string> => {
      const life: Life = new Life({
        name,
        timeline,
        random: random.fork(name),
        steadyLeadMs: 0,
        wall: () => 0,
        at: (_, moment) => at(moment, life),
      })
      return simulatedMove(disk.fileSystem(life), '/spool/file', target, random.fork(`${name} drafts`))
    }
    const one = move('one', () => {})
    void one.then(() => (oneEnded = true))
    const two = move('two', (moment, life) => {
      if (moment === 'before' && ++calls === deathAt) life.end()
    })
    void two.then(() => (over = true))
    while (await timeline.step(Infinity));
    assert.ok(oneEnded)
    assert.equal(await one, target)
    assert.ok(whole.equals(disk.read(target)!))
    disk.powerCut()
    assert.ok(whole.equals(disk.read(target)!))
  }
})

test('the plan of a simulated app is plain data that its seed decides', () => {
  const options = {
    session,
    servers: [{ url, server: honest }],
    folders: ['/data'],
    calmAtMs: 100_000,
  }
  for (let seed = 0; seed < 50; seed++) {
    const plan = makeAppPlan(new Seeded(seed), options)
    assert.deepEqual(JSON.parse(JSON.stringify(plan)), plan)
    assert.deepEqual(makeAppPlan(new Seeded(seed), options), plan)
  }
})
