// Who runs on the machine beside the daemon: apps that a person starts, apps that the daemon launches, and their ends.
import type { LaunchHandler } from '../../src/client/launched.ts'
import type { App } from '../../src/client/this-app.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import { type LaunchTicket, launchVariable } from '../../src/contract/launch.ts'
import type { Channel } from '../../src/world/channel.ts'
import type { Exit, Launcher } from '../../src/world/launcher.ts'
import type { SessionAct } from './app-plan.ts'
import { simulatedProcess } from './app-process.ts'
import { AppMemory, AppTwin } from './app.ts'
import type { Chronicle } from './chronicle.ts'
import type { Disk } from './disk.ts'
import type { Internet } from './internet.ts'
import type { Life } from './life.ts'
import type { PlannedApp } from './plan.ts'
import type { Seeded } from './seeded.ts'
import { stackOf } from './words.ts'

export interface AppsOptions {
  readonly plans: readonly PlannedApp[]
  readonly chronicle: Chronicle
  readonly disk: Disk
  readonly random: Seeded
  readonly secret: Uint8Array
  readonly digestOf: Internet['digestOf']
  /** A new process on the machine. */
  readonly makeLife: (name: string) => Life
  readonly nextPid: () => number
  /** An app's way to the daemon. */
  readonly connect: (app: Life) => Promise<Channel>
  /** Whether this launch, counted from 1, is one that fails. */
  readonly launchFails: (nth: number) => boolean
}

/** A process. Plans with one command are one program: it opens the sessions of all of them. */
interface RunningApp {
  readonly pid: number
  readonly life: Life
  readonly twins: Map<number, AppTwin>
}

export class Apps {
  readonly #options: AppsOptions
  readonly #running = new Map<number, RunningApp>()
  /** What an app's user would remember, over its lives. */
  readonly #memories: readonly AppMemory[]
  /** Of those that the daemon launched. */
  readonly #ended = new Map<number, (exit: Exit) => void>()
  #launches = 0
  /** Faults have stopped: from now on apps go well. */
  calm = false

  constructor(options: AppsOptions) {
    this.#options = options
    this.#memories = options.plans.map(() => new AppMemory())
  }

  get launches(): number {
    return this.#launches
  }

  /** A person starts it, unless it runs. */
  open(index: number): void {
    if (![...this.#running.values()].some(({ twins }) => twins.has(index))) this.#start(index, undefined)
  }

  /** A person starts it, whether it runs or not. */
  openAgain(index: number): void {
    if (this.#options.plans[index] !== undefined) this.#start(index, undefined)
  }

  /** Every user does the same at once, where they can. */
  act(act: SessionAct, atMs: number): void {
    for (const { twins } of this.#running.values()) for (const twin of twins.values()) twin.acts({ act, atMs })
  }

  endAll(signal: string): void {
    for (const { pid } of this.#running.values()) this.#end(pid, { code: undefined, signal })
  }

  /** As the daemon of this life sees it. */
  launcher(life: Life): Launcher {
    const { plans, launchFails } = this.#options
    return {
      start: (request) =>
        life.call('launcher.start', () => {
          this.#launches++
          if (launchFails(this.#launches))
            throw new LonghaulError('LAUNCH_FAILED', `${request.command} could not be started (simulated).`)
          const index = plans.findIndex(({ command }) => command === request.command)
          const text = request.env[launchVariable]
          if (index < 0 || text === undefined) throw new Error(`nobody registered ${request.command}`)
          const { sessions } = JSON.parse(text) as LaunchTicket
          const { pid, twins } = this.#start(index, { text, sessions, command: request.command })
          const ended = new Promise<Exit>((resolve) => {
            this.#ended.set(pid, (exit) => life.later(1, () => resolve(exit)))
          })
          return {
            pid,
            ended,
            // Whoever of them obeys ends the process.
            ask: () => life.later(5, () => twins.forEach((twin) => twin.asked())),
            kill: () => life.later(1, () => this.#end(pid, { code: undefined, signal: 'SIGKILL' })),
          }
        }),
    }
  }

  #start(index: number, launch: Launching | undefined): RunningApp {
    const { plans, chronicle, disk, random, secret, makeLife, nextPid, connect } = this.#options
    const pid = nextPid()
    if (launch !== undefined) chronicle.tell((watch) => watch.launched?.({ pid, ...launch }))
    const life = makeLife(`app ${pid}`)
    const indexes = [...plans.keys()].filter((each) => {
      const { command, session } = plans[each]!
      if (each !== index && (command === undefined || command !== plans[index]!.command)) return false
      return launch === undefined || launch.sessions.includes(session)
    })
    const names = indexes.map((each) => plans[each]!.session).join(', ')
    chronicle.trace(`app ${pid} (${names}) ${launch === undefined ? 'is started' : 'is launched'}`)
    const app = simulatedProcess({
      life,
      pid,
      connect: () => connect(life),
      secret,
      files: disk.fileSystem(life),
      random: random.fork(`app ${pid}`),
      ...(launch !== undefined && { ticket: launch.text }),
      warned: (code) => chronicle.trace(`app ${pid}: is warned: ${code}`),
      idle: () => this.#end(pid, { code: 0, signal: undefined }),
    })
    const handlers = new Map<string, LaunchHandler>()
    const process: Process = {
      pid,
      life,
      app,
      ...(launch !== undefined && { ticket: launch.text }),
      handleLaunch: (session, handler) => {
        handlers.set(session, handler)
        if (handlers.size > 1) return true
        return app.launched.handle(async (identifier, done) => handlers.get(identifier)?.(identifier, done))
      },
    }
    const twins = new Map(indexes.map((each) => [each, this.#twin(each, process, indexes.length > 1)]))
    const running: RunningApp = { pid, life, twins }
    this.#running.set(pid, running)
    life.onEnd(() => this.#end(pid, { code: undefined, signal: 'SIGKILL' }))
    for (const twin of twins.values()) void twin.run()
    return running
  }

  /** @param isOneOfSeveral then it says which */
  #twin(index: number, { pid, life, app, ticket, handleLaunch }: Process, isOneOfSeveral: boolean): AppTwin {
    const { plans, chronicle, disk, random, secret, digestOf, connect } = this.#options
    const plan = plans[index]!
    const who = isOneOfSeveral ? `app ${pid} (${plan.session})` : `app ${pid}`
    const note = (what: string): void => chronicle.trace(`${who}: ${what}`)
    return new AppTwin({
      plan,
      memory: this.#memories[index]!,
      life,
      pid,
      app,
      handleLaunch: (handler) => handleLaunch(plan.session, handler),
      connect: () => connect(life),
      secret,
      files: disk.fileSystem(life),
      random: random.fork(isOneOfSeveral ? `app ${pid} ${index}` : `app ${pid}`),
      command: plan.command,
      calm: this.calm,
      digestOf,
      ...(ticket !== undefined && { ticket }),
      exit: (code) => this.#end(pid, { code, signal: undefined }),
      observe: {
        accepted: (task, number) => {
          note(`has task ${number}: ${task.slice(-6)}`)
          chronicle.tell((watch) => watch.accepted?.(task))
        },
        refused: (number, error) => note(`was refused task ${number}: ${error.code} ${error.message}`),
        handed: (event) => {
          note(`gets ${event.kind} ${event.sequence}${event.redelivered ? ' again' : ''}`)
          chronicle.tell((watch) => watch.handed?.({ ...event, pid }))
        },
        returned: (event) => chronicle.tell((watch) => watch.returned?.({ ...event, pid })),
        over: (event) => chronicle.tell((watch) => watch.over?.({ ...event, pid })),
        note,
        failure: (where, error) => chronicle.fail('no unexpected failure in an app', `${where}: ${stackOf(error)}`),
      },
    })
  }

  #end(pid: number, exit: Exit): void {
    const { chronicle } = this.#options
    const app = this.#running.get(pid)
    if (app === undefined) return
    this.#running.delete(pid)
    chronicle.trace(`app ${pid} ends (${exit.signal ?? `code ${exit.code}`})`)
    app.life.end()
    chronicle.tell((watch) => watch.appEnded?.(pid))
    this.#ended.get(pid)?.(exit)
  }
}

interface Process {
  readonly pid: number
  readonly life: Life
  readonly app: App
  readonly ticket?: string
  readonly handleLaunch: (session: string, handler: LaunchHandler) => boolean
}

interface Launching {
  /** Of the ticket, as it stands in the environment. */
  readonly text: string
  readonly sessions: readonly string[]
  readonly command: string
}
