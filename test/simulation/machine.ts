// The machine: what outlives every life (disk, journal, servers, the wall clock), the daemon on it, and what befalls them. A plan
// says what happens when; the chronicle is told of everything.
import { LonghaulError } from '../../src/contract/errors.ts'
import { openStore } from '../../src/journal/open.ts'
import type { Store } from '../../src/journal/store.ts'
import type { Channel } from '../../src/world/channel.ts'
import { Apps } from './apps.ts'
import { channelPair } from './channel.ts'
import { type Broken, Chronicle } from './chronicle.ts'
import { DaemonTwin, spool } from './daemon.ts'
import { Disk } from './disk.ts'
import { Internet } from './internet.ts'
import { simulatedJournal } from './journal.ts'
import { Life } from './life.ts'
import type { Fault, Plan } from './plan.ts'
import { Seeded } from './seeded.ts'
import { Timeline } from './timeline.ts'
import { groupInWords } from './words.ts'

const wallAtStart = 1_790_000_000_000
/** What the clock of an app shows at the start, other than the daemon's. */
const appLeadMs = 1_000_000

export class Machine {
  readonly timeline: Timeline = new Timeline()
  readonly store: Store = openStore(':memory:')
  readonly disk: Disk
  readonly internet: Internet
  readonly #plan: Plan
  readonly #random: Seeded
  readonly #secret: Uint8Array
  readonly #chronicle: Chronicle
  readonly #apps: Apps
  /** How often each thing was asked of the world, over the whole run. */
  readonly #asked = new Map<string, number>()
  #daemon: DaemonTwin | undefined
  #starting = false
  #starts = 0
  #connections = 0
  #nextPid = 100
  #boot = 1
  /** Steady ms minus the timeline's ms, in this boot. */
  #steadyLeadMs = 1000
  #wallLeadMs = wallAtStart
  #dark = false
  #calm = false

  constructor(plan: Plan, trace: (line: string) => void) {
    this.#plan = plan
    this.#random = new Seeded(plan.seed)
    this.#secret = this.#random.fork('secret').bytes(32)
    const { timeline, store } = this
    const chronicle = new Chronicle(timeline, trace)
    this.#chronicle = chronicle
    const wall = (): number => this.wall()
    this.disk = new Disk({ random: this.#random.fork('disk'), timeline, faults: plan.diskFaults, wall })
    this.internet = new Internet({
      timeline,
      random: this.#random.fork('internet'),
      wall,
      heard: ({ method, url, range, ifRange, answer }) => {
        const asked = [
          method,
          url,
          ...(range === undefined ? [] : [range]),
          ...(ifRange === undefined ? [] : [`if ${ifRange}`]),
        ]
        chronicle.trace(`${asked.join(' ')} -> ${answer}`)
      },
    })
    const { disk, internet } = this
    for (const folder of [...plan.folders, spool]) disk.makeFolder(folder)
    for (const { path, text } of plan.files) disk.put(path, Buffer.from(text), { durable: true })
    for (const { url, server } of plan.servers) internet.serve(url, server)
    this.#apps = new Apps({
      plans: plan.apps,
      chronicle,
      disk,
      random: this.#random,
      secret: this.#secret,
      digestOf: (url, algorithm) => internet.digestOf(url, algorithm),
      makeLife: (name) => this.#life(name, appLeadMs),
      nextPid: () => this.#nextPid++,
      connect: (app) => this.#connect(app),
      launchFails: (nth) => this.#fails('launch fails', nth),
    })
    chronicle.watch({
      plan,
      store,
      disk,
      internet,
      nowMs: () => timeline.now,
      wallMs: wall,
      isCalm: () => this.#calm,
      daemon: () => this.#daemon?.sight,
    })
    disk.changed = (path) => chronicle.tell((watch) => watch.placed?.(path))
  }

  get broken(): Broken | undefined {
    return this.#chronicle.broken
  }

  /** What happened how often: a run in which nothing happens proves nothing. */
  get counts(): Readonly<Record<string, number>> {
    return { ...Object.fromEntries(this.#asked), starts: this.#starts, launches: this.#apps.launches }
  }

  wall(): number {
    return this.timeline.now + this.#wallLeadMs
  }

  /** Sets everything in motion that the plan dates. */
  begin(): void {
    const { faults, apps } = this.#plan
    apps.forEach((app, index) => {
      for (const atMs of app.startsAtMs) this.timeline.at(atMs, () => this.#open(index))
    })
    for (const fault of faults) {
      if (!('atMs' in fault)) continue
      this.timeline.at(fault.atMs, () => {
        if (!this.#calm) this.#befall(fault)
      })
    }
  }

  /** From now on nothing goes wrong any more; whoever is needed for the rest comes by itself. */
  becomeCalm(): void {
    this.#calm = true
    this.#chronicle.trace('faults have stopped')
    this.#dark = false
    this.internet.calm()
    this.disk.calm()
    this.disk.capacity = Infinity
    this.#apps.calm = true
    this.#apps.endAll('SIGKILL')
    // Somebody logs in, and the daemon runs. Half of the apps are opened soon, the others have to be launched; in the end
    // each is opened, for it may be one that is never launched.
    this.timeline.after(1000, () => this.#ensureDaemon())
    const late = this.#random.fork('calm')
    this.#plan.apps.forEach(({ session }, index) => {
      const isSoon = late.chance(0.5)
      if (isSoon) this.timeline.after(2000, () => this.#open(index))
      this.timeline.after(2 * 3_600_000, () => {
        // One that takes longer for a callback than a launch may last is ended over it, and not launched again while a task waits.
        if (!isSoon || this.#hasEvents(session)) this.#open(index)
      })
    })
  }

  #hasEvents(session: string): boolean {
    return (
      this.store.get(
        'select 1 from event join session on session.id = event.session where identifier = ? limit 1',
        session,
      ) !== undefined
    )
  }

  /** One step, and a look at what it left. False: nothing is set to happen before `until` (included). */
  async step(until: number): Promise<boolean> {
    if (!(await this.timeline.step(until))) return false
    this.#chronicle.stepped()
    return true
  }

  /** Long after that: whether everything has come to its end. */
  atEnd(): void {
    this.#chronicle.tell((watch) => watch.atEnd?.())
  }

  close(): void {
    this.store.database.close()
  }

  // ---------------------------------------------------------------- what befalls it

  #befall(fault: Extract<Fault, { readonly atMs: number }>): void {
    const { timeline, disk, internet } = this
    const trace = (line: string): void => this.#chronicle.trace(line)
    switch (fault.kind) {
      case 'daemon dies':
        return this.#daemonEnds('killed')
      case 'power cut':
        return this.#powerCut(fault.darkMs)
      case 'daemon stops':
        return this.#daemon?.stop()
      case 'wall jumps':
        trace(`the wall clock jumps by ${fault.byMs} ms`)
        this.#wallLeadMs += fault.byMs
        return
      case 'machine sleeps':
        trace(`the machine sleeps for ${fault.forMs} ms`)
        timeline.skipTo(timeline.now + fault.forMs)
        this.#chronicle.tell((watch) => watch.slept?.())
        // Servers do not wait for ever.
        if (fault.forMs > 60_000) internet.breakConnections()
        return
      case 'network changes':
        trace('the network changes')
        internet.breakConnections()
        this.#daemon?.networkChanges(`network at ${fault.atMs}`)
        return
      case 'disk fills up':
        trace('the disk is full')
        disk.capacity = disk.used
        timeline.after(fault.forMs, () => {
          trace('there is room on the disk again')
          disk.capacity = Infinity
        })
    }
  }

  /** A call of the daemon is about to have its effect, or has had it. */
  #struck(what: string, moment: 'before' | 'after'): void {
    for (const call of [what, 'any']) {
      if (moment === 'before') this.#asked.set(call, (this.#asked.get(call) ?? 0) + 1)
      if (this.#calm) continue
      const nth = this.#asked.get(call) ?? 0
      for (const fault of this.#plan.faults) {
        if (!('call' in fault) || fault.call !== call || fault.nth !== nth) continue
        if (fault.kind === 'users act') {
          if (moment === 'after') continue
          this.#chronicle.trace(`users act at ${what}: ${fault.act}`)
          this.#apps.act(fault.act, this.timeline.now)
        } else if (fault.kind === 'app starts twice') {
          if (moment === 'before') this.#apps.openAgain(fault.app)
        } else if (fault.moment === moment) {
          this.#chronicle.trace(`${fault.kind} ${moment} ${what} (${call} ${nth})`)
          if (fault.kind === 'power cut') this.#powerCut(fault.darkMs)
          else this.#daemonEnds(`killed ${moment} ${what}`)
        }
      }
    }
  }

  #fails(kind: 'launch fails' | 'daemon does not start', nth: number): boolean {
    return !this.#calm && this.#plan.faults.some((fault) => fault.kind === kind && 'nth' in fault && fault.nth === nth)
  }

  /** Everybody dies, and what was not synced is lost by chance. */
  #powerCut(darkMs: number): void {
    const chronicle = this.#chronicle
    chronicle.trace('power cut')
    this.#daemonEnds('power cut')
    this.#apps.endAll('power cut')
    this.disk.powerCut()
    chronicle.tell((watch) => watch.powerCut?.())
    this.#dark = true
    this.timeline.after(darkMs, () => {
      this.#dark = false
      this.#boot++
      // As after a real boot: it goes on from what the journal saved, and time without power does not count.
      const saved = this.store.get<{ steady: number }>('select steady from life order by id desc limit 1')?.steady ?? 0
      this.#steadyLeadMs = saved - this.timeline.now
      chronicle.trace('the machine is on again')
    })
  }

  // ---------------------------------------------------------------- who lives on it

  #life(name: string, steadyLeadMs: number): Life {
    const isDaemon = name.startsWith('daemon')
    return new Life({
      name,
      timeline: this.timeline,
      random: this.#random.fork(name),
      steadyLeadMs,
      wall: () => this.wall(),
      at: (what, moment) => {
        if (isDaemon) this.#struck(what, moment)
      },
      pace: (what) => (this.#calm || !isDaemon ? 1 : (this.#plan.slow.find(({ call }) => call === what)?.times ?? 1)),
    })
  }

  #open(index: number): void {
    if (!this.#dark) this.#apps.open(index)
  }

  /** An app's way to the daemon; starts one where there is none. */
  async #connect(app: Life): Promise<Channel> {
    const until = app.clock.steady() + 15_000
    for (;;) {
      const daemon = this.#daemon
      if (daemon?.isReady === true) {
        const number = this.#connections++
        const [ours, theirs] = channelPair({
          timeline: this.timeline,
          random: this.#random.fork(`channel ${number}`),
          a: app,
          b: daemon.life,
          breaks: this.#calm ? undefined : this.#plan.breaks.find(({ connection }) => connection === number),
        })
        daemon.connected(theirs)
        return app.call('connect', () => ours)
      }
      this.#ensureDaemon()
      if (app.clock.steady() >= until)
        throw new LonghaulError('DAEMON_UNAVAILABLE', 'The daemon could not be started (simulated).')
      await app.clock.sleep(100)
    }
  }

  #ensureDaemon(): void {
    if (this.#daemon !== undefined || this.#starting || this.#dark) return
    this.#starting = true
    this.timeline.after(this.#random.fork(`start ${this.#starts}`).int(20, 300), () => {
      this.#starting = false
      if (this.#daemon !== undefined || this.#dark) return
      this.#starts++
      if (this.#fails('daemon does not start', this.#starts)) this.#chronicle.trace('the daemon does not start')
      else this.#startDaemon()
    })
  }

  #startDaemon(): void {
    const chronicle = this.#chronicle
    const pid = this.#nextPid++
    const life = this.#life(`daemon ${pid}`, this.#steadyLeadMs)
    chronicle.trace(`daemon ${pid} starts`)
    chronicle.tell((watch) => watch.daemon?.('starts'))
    const journal = simulatedJournal({
      store: this.store,
      life,
      failure: (commit) =>
        this.#calm
          ? undefined
          : this.#plan.journalFailures.find(({ from, times }) => commit >= from && commit < from + times)?.code,
      before: (requests) => chronicle.tell((watch) => watch.before?.(requests)),
      after: (group) => {
        chronicle.trace(`journal: ${groupInWords(group)}`)
        chronicle.tell((watch) => watch.committed?.(group))
      },
      refused: () => {
        chronicle.trace('journal: the commit failed')
        chronicle.tell((watch) => watch.refused?.())
      },
    })
    this.#daemon = new DaemonTwin({
      life,
      pid,
      bootId: `boot ${this.#boot}`,
      journal,
      files: this.disk.fileSystem(life),
      transport: this.internet.transport(life),
      launcher: this.#apps.launcher(life),
      random: this.#random.fork(`daemon ${pid}`),
      secret: this.#secret,
      limits: this.#plan.limits,
      log: chronicle.log(),
      answered: (caller, verb, params, result) =>
        chronicle.tell((watch) => watch.answered?.(caller, verb, params, result)),
      gone: (caller) => chronicle.tell((watch) => watch.gone?.(caller)),
      stopped: () => this.#daemonEnds('stopped in good order'),
    })
    // As in main: what cannot start ends, and says why; whoever needs it starts another.
    this.#daemon.start().catch((error: unknown) => this.#daemonEnds(`it could not start: ${String(error)}`))
  }

  #daemonEnds(how: string): void {
    const daemon = this.#daemon
    if (daemon === undefined) return
    this.#daemon = undefined
    this.#chronicle.trace(`the daemon ends: ${how}`)
    daemon.life.end()
    // What it had not committed is gone with its connection.
    if (this.store.database.isTransaction) this.store.exec('rollback')
    this.#chronicle.tell((watch) => watch.daemon?.('ended'))
  }
}
