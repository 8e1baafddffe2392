// One life of an app: the real client in a process that is not, doing what its plan says. It remembers nothing of its earlier
// lives but what it finds by asking; tasks with a key it simply adds again.
import type { BackgroundSession as Session } from '../../src/client/session.ts'
import { BackgroundSession } from '../../src/client/session.ts'
import type { LaunchHandler } from '../../src/client/launched.ts'
import type { App } from '../../src/client/this-app.ts'
import { isLonghaulError, type LonghaulError } from '../../src/contract/errors.ts'
import { actOn, actOnSession, resumeWholly } from './app-acts.ts'
import { type AppEvent, forever, simulatedDelegate } from './app-delegate.ts'
import { AppMemory } from './app-memory.ts'
import type { Act, AppPlan, LaunchedPlan } from './app-plan.ts'
import { type ProcessOptions, simulatedProcess } from './app-process.ts'
import { AppTasks } from './app-tasks.ts'
import type { Internet } from './internet.ts'

export { AppMemory }
export type { AppEvent }

/** Told everything that a rule may have to know, at once. */
export interface AppObserver {
  /** The promise of a new task was kept: it has to survive. */
  accepted(task: string, index: number): void
  refused(index: number, error: LonghaulError): void
  /** A delegate is about to be called. */
  handed(event: AppEvent): void
  /** It ended well: the acknowledgement may follow from now on. */
  returned(event: AppEvent): void
  /** It ended, well or not. */
  over?(event: AppEvent): void
  note(what: string): void
  /** Anything that the library must not do. */
  failure(where: string, error: unknown): void
}

export interface AppOptions extends Omit<ProcessOptions, 'warned' | 'idle'> {
  readonly plan: AppPlan
  /** The process that it is in, with others. @default one of its own */
  readonly app?: App
  /** In a process of several, each handles the launch for its own session. */
  readonly handleLaunch?: (handler: LaunchHandler) => boolean
  /** Of all lives of this app. @default one that begins here */
  readonly memory?: AppMemory
  /** What it registers as its launch command. @default it is never launched */
  readonly command?: string | undefined
  /** Everything goes well in this life, and it stays. @default false */
  readonly calm?: boolean
  /** The digest that a task of this address may expect. */
  readonly digestOf: Internet['digestOf']
  readonly observe: AppObserver
  /** It ends by itself. Its life has to be ended by that. */
  readonly exit: (code: number) => void
}

export class AppTwin {
  readonly #options: AppOptions
  readonly #plan: AppPlan
  readonly #memory: AppMemory
  readonly #calm: boolean
  readonly #app: App
  readonly #tasks: AppTasks
  #session: Session<number> | undefined
  #opening = false
  /** Callbacks. */
  readonly #callbacks = { running: 0, handed: 0, last: false }
  #acts = 0

  constructor(options: AppOptions) {
    this.#options = options
    this.#plan = options.plan
    this.#memory = options.memory ?? new AppMemory()
    this.#calm = options.calm ?? false
    this.#app =
      options.app ??
      simulatedProcess({
        ...options,
        warned: (code) => this.#note(`is warned: ${code}`),
        idle: () => this.#exit(0),
      })
    const { observe } = options
    this.#tasks = new AppTasks({
      ...options,
      memory: this.#memory,
      calm: this.#calm,
      session: () => this.#session,
      at: (moment, run) => this.#at(moment, run),
      accepted: (task, index) => observe.accepted(task, index),
      refused: (index, error) => observe.refused(index, error),
      note: (what) => this.#note(what),
      judge: (...given) => this.#judge(...given),
      fail: (where, error) => this.#fail(where, error),
    })
  }

  /** Resolves when it has begun; it never rejects. */
  async run(): Promise<void> {
    const release = this.#app.world.keepAlive.hold()
    try {
      if (this.#options.ticket !== undefined) await this.#launched(release)
      else await this.#started()
    } catch (error) {
      this.#judge('the program', error)
    }
  }

  /** SIGTERM. */
  asked(): void {
    if (!this.#plan.ignoresTerm || this.#calm) this.#exit(143)
    else this.#note('ignores that it was asked to end')
  }

  // ---------------------------------------------------------------- a person starts it

  async #started(): Promise<void> {
    for (const act of this.#calm ? [] : this.#plan.acts) this.#at(act.atMs, () => this.#do(act))
    await this.#own()
    await this.#tasks.addAll()
    if (this.#calm) await this.#letGo()
  }

  /** Opens and activates, for as long as it takes. */
  async #own(how: { readonly takeover?: boolean } = {}): Promise<Session<number> | undefined> {
    if (this.#opening) return undefined
    this.#opening = true
    const { clock } = this.#options.life
    let { takeover = false } = how
    let owns = true
    try {
      for (;;) {
        try {
          const before = this.#session
          const session = await this.#open(this.#plan.session, { takeover, owns })
          this.#session = session
          // What it took over from in the same process, or what was lost before.
          await before?.close()
          if (owns) await session.activate()
          this.#note(owns ? 'owns its session' : 'is a controller of its session')
          return session
        } catch (error) {
          this.#judge('open', error)
          const inUse = isLonghaulError(error, 'SESSION_IN_USE')
          if (inUse && !this.#calm && this.#plan.whenInUse === 'is a controller') owns = false
          else if (inUse && !this.#calm && this.#plan.whenInUse === 'takes over' && !takeover) takeover = true
          else await clock.sleep(3000)
        }
      }
    } finally {
      this.#opening = false
    }
  }

  #open(identifier: string, how: { readonly takeover: boolean; readonly owns: boolean }): Promise<Session<number>> {
    const { plan, command, life, random, observe } = this.#options
    const { timeoutIntervalForRequest, launchTimeLimit, ...configuration } = plan.configuration
    const { atLeast, after } = plan.launchWhen ?? {}
    const delegate = simulatedDelegate({
      session: identifier,
      plan,
      memory: this.#memory,
      life,
      random: random.fork('delegate'),
      calm: this.#calm,
      handed: (event) => {
        this.#callbacks.handed++
        this.#callbacks.running++
        this.#callbacks.last ||= event.kind === 'didFinishEvents'
        observe.handed(event)
      },
      over: (event) => {
        this.#callbacks.running--
        observe.over?.(event)
      },
      returned: (event) => observe.returned(event),
      lost: (error) => this.#lost(error),
      closeSession: () => this.#close(),
      die: () => this.#exit(134),
      failure: (where, error) => this.#fail(where, error),
    })
    return BackgroundSession.openIn<number>(this.#app, {
      identifier,
      configuration: {
        ...configuration,
        ...(timeoutIntervalForRequest !== undefined && { timeoutIntervalForRequest: `${timeoutIntervalForRequest}ms` }),
        ...(launchTimeLimit !== undefined && { launchTimeLimit: `${launchTimeLimit}ms` }),
      },
      ...(command !== undefined && { launch: { command, cwd: '/' } }),
      ...(plan.launchWhen !== undefined && {
        launchWhen: { atLeast, ...(after !== undefined && { after: `${after}ms` }) },
      }),
      ...(how.owns && { delegate, delegateConcurrency: plan.delegate.concurrency, takeover: how.takeover }),
    })
  }

  #lost(error: Error): void {
    this.#note(`is the owner no more: ${(error as LonghaulError).code}`)
    this.#judge('didLoseOwnership', error)
    // Of what others decided it makes the best; from anything else it recovers.
    if (isLonghaulError(error, 'SESSION_TAKEN_OVER') || isLonghaulError(error, 'SESSION_INVALIDATED')) return
    this.#options.life.later(2000, () => void this.#own())
  }

  async #close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await session?.close()
  }

  // ---------------------------------------------------------------- what a person does with it

  /** Its user does something at a moment that no clock names. */
  acts(act: Act): void {
    if (!this.#options.life.dead && !this.#calm) void this.#do(act)
  }

  async #do(act: Act): Promise<void> {
    const what = 'task' in act ? `${act.act} of its task ${act.task}` : act.act
    try {
      this.#note(`${what}: ${('task' in act ? await this.#doToTask(act) : await this.#doToSession(act)) ?? 'done'}`)
    } catch (error) {
      this.#note(`${what}: ${String((error as LonghaulError).code)}`)
      // What has ended cannot be retried twice, what was closed is closed, and so on.
      this.#judge(what, error, ['INVALID_ARGUMENT'])
    }
  }

  async #doToTask({ task: index, act }: Extract<Act, { readonly task: number }>): Promise<string> {
    const id = this.#memory.ids.get(index)
    const task = id === undefined ? undefined : await this.#session?.task(id)
    if (task === undefined) return 'it has none'
    if (act !== 'retry') return actOn(task, act, ++this.#acts)
    this.#memory.retried.add(task.id)
    const next = await task.retry()
    this.#memory.ids.set(index, next.id)
    this.#options.observe.accepted(next.id, index)
    return `is ${next.id.slice(-6)} now`
  }

  async #doToSession({ act }: Exclude<Act, { readonly task: number }>): Promise<string | undefined> {
    const session = this.#session
    if (act === 'die') return this.#exit(137)
    if (act === 'exit') {
      await this.#close()
      return this.#exit(0)
    }
    if (act === 'take over' || (act === 'open again' && session === undefined)) {
      await this.#own({ takeover: act === 'take over' })
      return undefined
    }
    if (act === 'open again' || session === undefined) return `it has ${session === undefined ? 'no' : 'a'} session`
    if (act === 'close') {
      await this.#close()
      return undefined
    }
    if (act === 'finish and invalidate' || act === 'cancel and invalidate') {
      // Its tasks go with it, and its keys.
      this.#memory.keys.clear()
      this.#memory.invalidates = true
    }
    return actOnSession(session, act)
  }

  /** The end of every pause that somebody has asked for, most of the time. */
  async #letGo(): Promise<void> {
    const { random, life } = this.#options
    if (random.chance(0.2)) return
    for (;;) {
      const session = this.#session
      try {
        await session?.release()
        if (session !== undefined)
          for await (const { id } of session.tasks({ group: 'suspended' })) await resumeWholly(await session.task(id))
        return
      } catch (error) {
        this.#judge('the end of pauses', error, ['INVALID_ARGUMENT'])
        await life.clock.sleep(2000)
      }
    }
  }

  // ---------------------------------------------------------------- the daemon starts it

  async #launched(release: () => void): Promise<void> {
    const how = this.#calm ? 'stays' : (this.#plan.launched[this.#memory.launches++] ?? 'well')
    this.#note(`what it does about its launch: ${how}`)
    if (how === 'never opens') return
    if (how === 'exits early') {
      this.#options.life.later(20, () => this.#exit(1))
      return
    }
    if (how === 'has no handler') {
      await this.#own()
      return release()
    }
    const { handleLaunch = (handler) => this.#app.launched.handle(handler) } = this.#options
    const isLaunched = handleLaunch(async (identifier, completionHandler) => {
      try {
        await this.#handleLaunch(identifier, completionHandler, how)
      } catch (error) {
        // Its user may have closed the session meanwhile.
        this.#judge('the launch', error, ['INVALID_ARGUMENT'])
        this.#exit(1)
      }
      if (how !== 'stays') release()
    })
    if (!isLaunched) this.#fail('the launch', new Error('there was a ticket, and the library found none'))
  }

  async #handleLaunch(identifier: string, completionHandler: () => void, how: LaunchedPlan): Promise<void> {
    const { clock } = this.#options.life
    if (how === 'completes first') completionHandler()
    if (how === 'opens another') {
      const other = await this.#open(`${identifier}.other`, { takeover: false, owns: true })
      await other.activate()
      await clock.sleep(1000)
      await other.close()
      return completionHandler()
    }
    const session = await this.#own()
    if (session?.role !== 'owner') {
      await this.#close()
      if (how !== 'completes first') completionHandler()
      return
    }
    if (how === 'works long')
      for (let i = 0; i < 3; i++) {
        await clock.sleep((this.#plan.configuration.launchTimeLimit ?? 300_000) * 0.7)
        session.stillWorking()
      }
    await this.#seesTheLastEvent(session)
    this.#note('has seen the last event of its launch')
    if (how === 'never completes') await forever()
    if (how !== 'completes first') completionHandler()
    if (how === 'completes twice') this.#completeAgain(completionHandler)
    if (how !== 'stays') return this.#close()
    await this.#tasks.addAll()
    if (this.#calm) await this.#letGo()
  }

  /** It must come soon after everything else has been dealt with, or somebody says that it will not. */
  async #seesTheLastEvent(session: Session<number>): Promise<void> {
    const { clock } = this.#options.life
    const link = this.#app.linkTo(undefined)
    let isOver = false
    const watch = async (): Promise<void> => {
      const callbacks = this.#callbacks
      // When it has come, all that is left is for the app not to throw.
      for (let quiet = 0, handed = -1; !isOver && !callbacks.last; quiet++) {
        if (callbacks.running > 0 || callbacks.handed !== handed || !link.attached) quiet = 0
        handed = callbacks.handed
        if (quiet === 30) return this.#fail('the launch', new Error('its last event does not come'))
        await clock.sleep(5000)
      }
    }
    void watch()
    try {
      await session.eventsFinished()
    } finally {
      isOver = true
    }
  }

  #completeAgain(completionHandler: () => void): void {
    try {
      completionHandler()
    } catch (error) {
      if (isLonghaulError(error, 'COMPLETION_HANDLER_REUSED')) return
    }
    this.#fail('the completion handler', new Error('it could be called twice'))
  }

  // ---------------------------------------------------------------- inside

  #at(moment: number, run: () => Promise<void>): void {
    const { life } = this.#options
    const { now } = life.timeline
    if (moment >= now) life.later(moment - now, () => void run())
  }

  #exit(code: number): undefined {
    if (!this.#options.life.dead) this.#options.exit(code)
    return undefined
  }

  #note(what: string): void {
    if (!this.#options.life.dead) this.#options.observe.note(what)
  }

  /** Everything that the library throws is typed, and of these some must not come at that place. */
  #judge(where: string, error: unknown, allowed: readonly string[] = []): void {
    const isTyped = isLonghaulError(error)
    const isFault = !isTyped || error.message.includes('fault inside Longhaul')
    const never = ['PROTOCOL_MISMATCH', 'NOT_MAIN_THREAD', 'COMPLETION_HANDLER_REUSED', 'INVALID_ARGUMENT']
    if (isFault || (never.includes(error.code) && !allowed.includes(error.code))) this.#fail(where, error)
  }

  #fail(where: string, error: unknown): void {
    if (!this.#options.life.dead) this.#options.observe.failure(where, error)
  }
}
