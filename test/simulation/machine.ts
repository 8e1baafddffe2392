// The machine: what outlives every life (disk, journal, servers, the wall clock), who lives on it, and what befalls it. A plan
// says what happens when; the rules are told of everything.
import type { LaunchTicket } from '../../src/contract/launch.ts'
import { launchVariable } from '../../src/contract/launch.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import { openStore } from '../../src/journal/open.ts'
import type { Store } from '../../src/journal/store.ts'
import type { Channel } from '../../src/world/channel.ts'
import type { Exit, Launcher } from '../../src/world/launcher.ts'
import type { Log } from '../../src/world/log.ts'
import type { SessionAct } from './app-plan.ts'
import { AppMemory, AppTwin } from './app.ts'
import { channelPair } from './channel.ts'
import { DaemonTwin, spool } from './daemon.ts'
import { Disk } from './disk.ts'
import { Internet } from './internet.ts'
import { simulatedJournal } from './journal.ts'
import { Life } from './life.ts'
import type { Plan } from './plan.ts'
import { rules } from './rules/all.ts'
import type { Rule, Sight, Watch } from './rules/rule.ts'
import { Seeded } from './seeded.ts'
import { Timeline } from './timeline.ts'

/** Which rule was broken, and how. */
export interface Broken {
  readonly rule: string
  readonly what: string
  readonly atMs: number
}

interface RunningApp {
  readonly index: number
  readonly pid: number
  readonly life: Life
  readonly twin: AppTwin
}

const wallAtStart = 1_790_000_000_000

export class Machine {
  readonly timeline: Timeline = new Timeline()
  readonly store: Store = openStore(':memory:')
  readonly disk: Disk
  readonly internet: Internet
  readonly #plan: Plan
  readonly #random: Seeded
  readonly #secret: Uint8Array
  readonly #trace: (line: string) => void
  readonly #watches: readonly Watch[]
  /** How often each thing was asked of the world, over the whole run. */
  readonly #asked = new Map<string, number>()
  readonly #apps = new Map<number, RunningApp>()
  /** What an app's user would remember, over its lives. */
  readonly #memories: readonly AppMemory[]
  #daemon: DaemonTwin | undefined
  #starting = false
  #starts = 0
  #launches = 0
  #nextPid = 100
  #boot = 1
  #bootedAtMs = 0
  /** Steady ms minus the timeline's ms, in this boot. */
  #steadyLeadMs = 1000
  #wallLeadMs = wallAtStart
  #dark = false
  calm = false
  broken: Broken | undefined

  constructor(plan: Plan, trace: (line: string) => void) {
    this.#plan = plan
    this.#trace = trace
    this.#random = new Seeded(plan.seed)
    this.#secret = this.#random.fork('secret').bytes(32)
    const { timeline } = this
    this.disk = new Disk({
      random: this.#random.fork('disk'),
      timeline,
      faults: plan.diskFaults,
      wall: () => this.wall(),
    })
    this.internet = new Internet({
      timeline,
      random: this.#random.fork('internet'),
      wall: () => this.wall(),
      heard: ({ method, url, range, ifRange, answer }) =>
        this.trace(
          `${method} ${url}${range === undefined ? '' : ` ${range}`}${ifRange === undefined ? '' : ` if ${ifRange}`} -> ${answer}`,
        ),
    })
    this.#memories = plan.apps.map(() => new AppMemory())
    for (const folder of [...plan.folders, spool]) this.disk.makeFolder(folder)
    for (const { path, text } of plan.files) this.disk.put(path, Buffer.from(text), { durable: true })
    for (const { url, server } of plan.servers) this.internet.serve(url, server)
    this.#watches = rules.map((rule) => rule.watch(this.#sight(rule)))
    this.disk.changed = (path) => this.#tell((watch) => watch.placed?.(path))
  }

  wall(): number {
    return this.timeline.now + this.#wallLeadMs
  }

  trace(line: string): void {
    this.#trace(`${(this.timeline.now / 1000).toFixed(3).padStart(10)}  ${line}`)
  }

  /** Sets everything in motion that the plan dates. */
  begin(): void {
    const { faults, apps } = this.#plan
    apps.forEach((app, index) => {
      for (const atMs of app.startsAtMs) this.timeline.at(atMs, () => this.startApp(index))
    })
    for (const fault of faults) {
      if (!('atMs' in fault)) continue
      this.timeline.at(fault.atMs, () => {
        if (this.calm) return
        switch (fault.kind) {
          case 'daemon dies':
            return this.daemonDies('killed')
          case 'power cut':
            return this.powerCut(fault.darkMs)
          case 'daemon stops':
            return this.#daemon?.stop()
          case 'wall jumps':
            this.trace(`the wall clock jumps by ${fault.byMs} ms`)
            this.#wallLeadMs += fault.byMs
            return
          case 'machine sleeps':
            this.trace(`the machine sleeps for ${fault.forMs} ms`)
            this.timeline.skipTo(this.timeline.now + fault.forMs)
            // Servers do not wait for ever.
            if (fault.forMs > 60_000) this.internet.breakConnections()
            return
          case 'network changes':
            this.trace('the network changes')
            this.internet.breakConnections()
            this.#daemon?.networkChanges(`network at ${fault.atMs}`)
            return
          case 'disk fills up':
            this.trace('the disk is full')
            this.disk.capacity = this.disk.used
            this.timeline.after(fault.forMs, () => {
              this.trace('there is room on the disk again')
              this.disk.capacity = Infinity
            })
        }
      })
    }
  }

  /** From now on nothing goes wrong any more; whoever is needed for the rest comes by itself. */
  becomeCalm(): void {
    this.calm = true
    this.trace('faults have stopped')
    this.#dark = false
    this.internet.calm()
    this.disk.calm()
    this.disk.capacity = Infinity
    for (const app of this.#apps.values()) app.life.end()
    // Somebody logs in, and the daemon runs. Half of the apps are opened soon, the others have to be launched; in the end
    // each is opened, for it may be one that is never launched.
    this.timeline.after(1000, () => this.#ensureDaemon())
    const late = this.#random.fork('calm')
    this.#plan.apps.forEach((_, index) => {
      this.timeline.after(late.chance(0.5) ? 2000 : 2 * 3_600_000, () => this.startApp(index))
    })
  }

  // ---------------------------------------------------------------- apps

  startApp(index: number, ticket?: string): RunningApp | undefined {
    if (this.#dark || (ticket === undefined && [...this.#apps.values()].some((app) => app.index === index)))
      return undefined
    const pid = this.#nextPid++
    const life = this.#life(`app ${pid}`, 1_000_000)
    const plan = this.#plan.apps[index]!
    this.trace(`app ${pid} (${plan.session}) ${ticket === undefined ? 'is started' : 'is launched'}`)
    const note = (what: string): void => this.trace(`app ${pid}: ${what}`)
    const twin = new AppTwin({
      plan,
      memory: this.#memories[index]!,
      life,
      pid,
      connect: () => this.#connect(life),
      secret: this.#secret,
      files: this.disk.fileSystem(life),
      random: this.#random.fork(`app ${pid}`),
      command: plan.command,
      calm: this.calm,
      digestOf: (url) => this.internet.digestOf(url),
      ...(ticket !== undefined && { ticket }),
      exit: (code) => this.#appEnds(pid, { code, signal: undefined }),
      observe: {
        accepted: (task, number) => {
          note(`has task ${number}: ${task.slice(-6)}`)
          this.#tell((watch) => watch.accepted?.(task))
        },
        refused: (number, error) => note(`was refused task ${number}: ${error.code} ${error.message}`),
        handed: (event) => {
          note(`gets ${event.kind} ${event.sequence}${event.redelivered ? ' again' : ''}`)
          this.#tell((watch) => watch.handed?.({ ...event, pid }))
        },
        returned: (event) => this.#tell((watch) => watch.returned?.({ ...event, pid })),
        note,
        failure: (where, error) => this.#fail('no unexpected failure in an app', `${where}: ${stackOf(error)}`),
      },
    })
    const app: RunningApp = { index, pid, life, twin }
    this.#apps.set(pid, app)
    life.onEnd(() => this.#appEnds(pid, { code: undefined, signal: 'SIGKILL' }))
    void twin.run()
    return app
  }

  #appEnds(pid: number, exit: Exit): void {
    const app = this.#apps.get(pid)
    if (app === undefined) return
    this.#apps.delete(pid)
    this.trace(`app ${pid} ends (${exit.signal ?? `code ${exit.code}`})`)
    app.life.end()
    this.#tell((watch) => watch.appEnded?.(pid))
    this.#exits.get(pid)?.(exit)
  }

  readonly #exits = new Map<number, (exit: Exit) => void>()

  #launcher(life: Life): Launcher {
    return {
      start: (request) =>
        life.call('launcher.start', () => {
          this.#launches++
          if (this.#fault('launch fails', this.#launches))
            throw new LonghaulError('LAUNCH_FAILED', `${request.command} could not be started (simulated).`)
          const index = this.#plan.apps.findIndex(({ command }) => command === request.command)
          const text = request.env[launchVariable]
          if (index < 0 || text === undefined) throw new Error(`nobody registered ${request.command}`)
          const { sessions } = JSON.parse(text) as LaunchTicket
          const pid = this.#nextPid
          this.#tell((watch) => watch.launched?.({ pid, command: request.command, sessions }))
          const app = this.startApp(index, text)!
          const ended = new Promise<Exit>((resolve) => {
            this.#exits.set(pid, (exit) => life.later(1, () => resolve(exit)))
          })
          return {
            pid,
            ended,
            ask: () => life.later(5, () => app.twin.asked()),
            kill: () => life.later(1, () => this.#appEnds(pid, { code: undefined, signal: 'SIGKILL' })),
          }
        }),
    }
  }

  // ---------------------------------------------------------------- the daemon

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
          breaks: this.calm ? undefined : this.#plan.breaks.find(({ connection }) => connection === number),
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

  #connections = 0

  #ensureDaemon(): void {
    if (this.#daemon !== undefined || this.#starting || this.#dark) return
    this.#starting = true
    this.timeline.after(this.#random.fork(`start ${this.#starts}`).int(20, 300), () => {
      this.#starting = false
      if (this.#daemon !== undefined || this.#dark) return
      this.#starts++
      if (this.#fault('daemon does not start', this.#starts)) {
        this.trace('the daemon does not start')
        return
      }
      this.#startDaemon()
    })
  }

  #startDaemon(): void {
    const pid = this.#nextPid++
    const life = this.#life(`daemon ${pid}`, this.#steadyLeadMs)
    this.trace(`daemon ${pid} starts`)
    this.#tell((watch) => watch.daemon?.('starts'))
    const journal = simulatedJournal({
      store: this.store,
      life,
      failure: (commit) =>
        this.calm
          ? undefined
          : this.#plan.journalFailures.find(({ from, times }) => commit >= from && commit < from + times)?.code,
      before: (requests) => this.#tell((watch) => watch.before?.(requests)),
      after: (group) => {
        this.trace(
          `journal: ${group.requests.map(({ name, input }, i) => inWords(name, input, group.answers[i])).join('; ')}`,
        )
        this.#tell((watch) => watch.committed?.(group))
      },
    })
    const daemon: DaemonTwin = new DaemonTwin({
      life,
      pid,
      bootId: `boot ${this.#boot}`,
      journal,
      files: this.disk.fileSystem(life),
      transport: this.internet.transport(life),
      launcher: this.#launcher(life),
      random: this.#random.fork(`daemon ${pid}`),
      secret: this.#secret,
      limits: this.#plan.limits,
      log: this.#log(),
      answered: (caller, verb, params, result) => this.#tell((watch) => watch.answered?.(caller, verb, params, result)),
      gone: (caller) => this.#tell((watch) => watch.gone?.(caller)),
      stopped: () => this.#daemonEnds('stopped in good order'),
    })
    this.#daemon = daemon
    // As in main: what cannot start ends, and says why; whoever needs it starts another.
    daemon.start().catch((error: unknown) => this.#daemonEnds(`it could not start: ${String(error)}`))
  }

  daemonDies(how: string): void {
    this.#daemonEnds(how)
  }

  #daemonEnds(how: string): void {
    const daemon = this.#daemon
    if (daemon === undefined) return
    this.#daemon = undefined
    this.trace(`the daemon ends: ${how}`)
    daemon.life.end()
    this.#tell((watch) => watch.daemon?.('ended'))
  }

  /** Everybody dies, and what was not synced is lost by chance. */
  powerCut(darkMs: number): void {
    this.trace('power cut')
    this.#daemonEnds('power cut')
    for (const { pid } of this.#apps.values()) this.#appEnds(pid, { code: undefined, signal: 'power cut' })
    this.disk.powerCut()
    this.#tell((watch) => watch.powerCut?.())
    this.#dark = true
    this.timeline.after(darkMs, () => {
      this.#dark = false
      this.#boot++
      this.#bootedAtMs = this.timeline.now
      // As after a real boot: it goes on from what the journal saved, and time without power does not count.
      const saved = this.store.get<{ steady: number }>('select steady from life order by id desc limit 1')?.steady ?? 0
      this.#steadyLeadMs = saved - this.#bootedAtMs
      this.trace('the machine is on again')
    })
  }

  // ---------------------------------------------------------------- inside

  #life(name: string, steadyLeadMs: number): Life {
    return new Life({
      name,
      timeline: this.timeline,
      random: this.#random.fork(name),
      steadyLeadMs,
      wall: () => this.wall(),
      at: (what, moment) => this.#struck(name, what, moment),
      pace: (what) =>
        this.calm || !name.startsWith('daemon') ? 1 : (this.#plan.slow.find(({ call }) => call === what)?.times ?? 1),
    })
  }

  #usersAct(act: SessionAct, at: string): void {
    this.trace(`users act at ${at}: ${act}`)
    for (const { twin } of this.#apps.values()) twin.acts({ act, atMs: this.timeline.now })
  }

  /** A call of a life is about to have its effect, or has had it. */
  #struck(name: string, what: string, moment: 'before' | 'after'): void {
    if (!name.startsWith('daemon')) return
    for (const call of [what, 'any']) {
      if (moment === 'before') this.#asked.set(call, (this.#asked.get(call) ?? 0) + 1)
      if (this.calm) continue
      const nth = this.#asked.get(call) ?? 0
      for (const fault of this.#plan.faults) {
        if (!('call' in fault) || fault.call !== call || fault.nth !== nth) continue
        if (fault.kind === 'users act') {
          if (moment === 'before') this.#usersAct(fault.act, what)
          continue
        }
        if (fault.moment !== moment) continue
        this.trace(`${fault.kind} ${moment} ${what} (${call} ${nth})`)
        if (fault.kind === 'power cut') this.powerCut(fault.darkMs)
        else this.#daemonEnds(`killed ${moment} ${what}`)
      }
    }
  }

  #fault(kind: 'launch fails' | 'daemon does not start', nth: number): boolean {
    return !this.calm && this.#plan.faults.some((fault) => fault.kind === kind && 'nth' in fault && fault.nth === nth)
  }

  #log(): Log {
    const write = (level: string) => (message: string, fields?: Readonly<Record<string, unknown>>) => {
      this.trace(`log ${level}: ${message} ${fields === undefined ? '' : JSON.stringify(fields, plainErrors)}`)
      if (level === 'error') this.#tell((watch) => watch.logged?.(message, fields ?? {}))
    }
    return { debug: () => {}, info: write('info'), warn: write('warn'), error: write('error') }
  }

  #tell(what: (watch: Watch) => void): void {
    if (this.broken !== undefined) return
    for (const watch of this.#watches) what(watch)
  }

  /** What happened how often: a run in which nothing happens proves nothing. */
  get counts(): Readonly<Record<string, number>> {
    return { ...Object.fromEntries(this.#asked), starts: this.#starts, launches: this.#launches }
  }

  atEnd(): void {
    this.#tell((watch) => watch.atEnd?.())
  }

  #sight(rule: Rule): Sight {
    return {
      plan: this.#plan,
      store: this.store,
      disk: this.disk,
      internet: this.internet,
      nowMs: () => this.timeline.now,
      wallMs: () => this.wall(),
      isCalm: () => this.calm,
      broken: (what) => this.#fail(rule.name, what),
    }
  }

  #fail(rule: string, what: string): void {
    if (this.broken !== undefined) return
    this.broken = { rule, what, atMs: Math.round(this.timeline.now) }
    this.trace(`BROKEN: ${rule}: ${what}`)
  }

  close(): void {
    this.store.database.close()
  }
}

/** Stacks differ from run to run. */
function plainErrors(_: string, value: unknown): unknown {
  if (value instanceof Error) return value.message
  return typeof value === 'string' ? value.split('\n', 1)[0] : value
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error)
}

/** A command in few words, for the trace. */
function inWords(name: string, input: unknown, answer: unknown): string {
  const { task, id, session, fence, sequences, ranges, end } = input as Record<string, unknown>
  const words = [
    name,
    typeof task === 'string' ? task.slice(-6) : typeof id === 'string' ? id.slice(-6) : '',
    session === undefined ? '' : `session ${JSON.stringify(session)}`,
    fence === undefined ? '' : `fence ${JSON.stringify(fence)}`,
    sequences === undefined ? '' : `events ${JSON.stringify(sequences)}`,
    ranges === undefined ? '' : JSON.stringify(ranges),
    end === undefined ? '' : (end as { kind: string }).kind,
  ]
  const found = (answer as { ok?: { found?: string } | null; error?: unknown } | undefined) ?? {}
  if (found.error !== undefined) words.push(`refused (${(found.error as Error).message.slice(0, 60)})`)
  else if (found.ok?.found !== undefined) words.push(`-> ${found.ok.found}`)
  return words.filter((word) => word !== '').join(' ')
}
