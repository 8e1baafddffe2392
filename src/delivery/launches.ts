/**
 * Launching apps: for each command quiet -> due -> waiting (back-off) -> a {@link Launch} -> quiet.
 *
 * One launch at a time for the same command; sessions that are due together share it. Whether a session wants its app is
 * derived from the journal at every change (`look`), never latched. What a restart must not forget is stored with the
 * session: failures in a row, not before when, and the token of a launch under way.
 *
 * An owner that comes by itself ends all of it for its session, from whatever state, and the back-off with it.
 *
 * It is long because it is that one machine, each state a section; what needs no state is in `launch-rule`.
 */
import type { BlockerJson } from '../contract/explanation.ts'
import { asLonghaulError } from '../contract/errors.ts'
import type { Journal, LaunchFacts, LaunchState, Moment, SessionFacts, SessionId } from '../journal/journal.ts'
import type { Clock, Random, Timer } from '../world/clock.ts'
import type { Launcher } from '../world/launcher.ts'
import type { Log } from '../world/log.ts'
import { Launch, type Member } from './launch.ts'
import { commandKey, judgeEnd, judgeLaunch, launchEnvironment, type Verdict } from './launch-rule.ts'

/** Ms after which something is tried again that the journal refused. */
const retryMs = 1000
/**
 * How long an owner has to connect again after the daemon was restarted, so that its app is not started a second time beside it. Its
 * client tries at once, and starts the daemon itself; one that has tried in vain for longer may come later than that.
 */
const returnMs = 5000

export interface LaunchesOptions {
  readonly journal: Pick<Journal, 'launchFacts' | 'launchable' | 'launchChanged'>
  readonly launcher: Launcher
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  /** The daemon's own listed environment. */
  readonly environment: Readonly<Record<string, string>>
  readonly home: string
  /** Owned, or about to be. */
  readonly isTaken: (session: SessionId) => boolean
}

interface Wanting {
  readonly facts: LaunchFacts
  /** Steady ms. */
  readonly atMs: number
}

/** What is known of one launch command. */
interface Command {
  readonly key: string
  readonly wanting: Map<SessionId, Wanting>
  timer?: Timer
  /** Due; it starts at the end of this turn, so that sessions that became due together share it. */
  gathering?: boolean
  /** Under way, or over and not yet recorded. */
  launch?: Launch
}

export class Launches {
  readonly #options: LaunchesOptions
  readonly #commands = new Map<string, Command>()
  /** Launches under way, by the session. A session is in one at most. */
  readonly #members = new Map<SessionId, { readonly launch: Launch; readonly member: Member }>()
  readonly #verdicts = new Map<SessionId, Verdict>()
  /** Being looked at; true: something changed meanwhile. */
  readonly #looking = new Map<SessionId, boolean>()
  readonly #retries = new Set<Timer>()
  /** Steady ms before which nobody is launched: the owner may come back. */
  readonly #returning = new Map<SessionId, number>()
  #stopped = false

  constructor(options: LaunchesOptions) {
    this.#options = options
  }

  /** @param owned had an owner when the daemon before this one ended; its client connects again at once, if it lives */
  async start(owned: readonly SessionId[]): Promise<void> {
    const until = this.#options.clock.steady() + returnMs
    for (const session of owned) this.#returning.set(session, until)
    for (const session of await this.#options.journal.launchable({})) this.look(session)
  }

  stop(): void {
    this.#stopped = true
    for (const timer of this.#retries) timer.cancel()
    for (const { timer, launch } of this.#commands.values()) {
      timer?.cancel()
      launch?.stop()
    }
  }

  /** Events, tasks, owner or launch command of the session changed. */
  look(session: SessionId): void {
    if (this.#stopped) return
    if (this.#options.isTaken(session)) return this.#unwant(session)
    if (this.#looking.has(session)) {
      this.#looking.set(session, true)
      return
    }
    void this.#lookNow(session)
  }

  /** Whether `token` is of a launch under way that this session belongs to, also of one that an earlier life started. */
  async recognise(session: SessionFacts, token: string): Promise<boolean> {
    const found = this.#members.get(session.id)
    if (found !== undefined) return found.launch.token === token && !found.launch.isOver
    const facts = await this.#options.journal.launchFacts({ session: session.id })
    return facts?.state.current?.token === token && this.#adopt(facts)
  }

  /** The launched app owns the session. */
  attached(session: SessionId): void {
    const found = this.#members.get(session)
    found?.launch.attached(found.member)
  }

  /** Somebody owns the session who was not launched for it. */
  ownerAppeared(session: SessionId): void {
    this.#unwant(session)
    const found = this.#members.get(session)
    if (found !== undefined) {
      this.#members.delete(session)
      found.launch.left(found.member)
    }
    void this.#reset(session)
  }

  ownerLeft(session: SessionId): void {
    const found = this.#members.get(session)
    if (found !== undefined) found.launch.detached(found.member)
    this.look(session)
  }

  acknowledged(session: SessionId, count: number, finished: boolean): void {
    const found = this.#members.get(session)
    found?.launch.acknowledged(found.member, count, finished)
  }

  completed(session: SessionId, token: string): void {
    const found = this.#members.get(session)
    // A late word of a launch that is over changes nothing.
    if (found !== undefined && found.launch.token === token) found.launch.completed(found.member)
  }

  stillWorking(session: SessionId, foreground: boolean): void {
    this.#members.get(session)?.launch.stillWorking(foreground)
  }

  blockers(session: SessionId): readonly BlockerJson[] {
    const launch = this.#members.get(session)?.launch
    if (launch !== undefined && !launch.isOver) {
      const pid = launch.pid === undefined ? '' : ` (process ${launch.pid})`
      return [{ code: 'launchWait', of: `its app${pid}, which was launched` }]
    }
    const verdict = this.#verdicts.get(session)
    const untilMs = this.nextLaunchMs(session)
    if (untilMs !== undefined) {
      const of = verdict?.kind === 'wanted' ? verdict.afterFailure : undefined
      return [{ code: 'launchWait', untilMs, ...(of !== undefined && { of }) }]
    }
    if (verdict?.kind !== 'blocked') return []
    return verdict.by
      .filter(({ gate }) => gate === 'held' || gate === 'suspended' || gate === 'time')
      .map(({ id, gate }) => ({ code: 'launchWait', of: `${id}, which ${standing[gate]}` }))
  }

  /** Wall ms. */
  nextLaunchMs(session: SessionId): number | undefined {
    const { clock } = this.#options
    for (const { wanting } of this.#commands.values()) {
      const wanted = wanting.get(session)
      if (wanted !== undefined) return clock.wall() + Math.max(0, wanted.atMs - clock.steady())
    }
    return undefined
  }

  keptBy(): readonly string[] {
    const reasons: string[] = []
    for (const { wanting, launch } of this.#commands.values()) {
      if (launch?.keeps === true) reasons.push(`a launched app${launch.pid === undefined ? '' : ` (${launch.pid})`}`)
      for (const { facts } of wanting.values()) reasons.push(`a launch for '${facts.session.identifier}'`)
    }
    return reasons
  }

  // -------------------------------------------------------------- quiet, due, waiting

  async #lookNow(session: SessionId): Promise<void> {
    try {
      do {
        this.#looking.set(session, false)
        const facts = await this.#options.journal.launchFacts({ session })
        if (this.#stopped) return
        this.#judge(session, facts)
      } while (this.#looking.get(session) === true)
    } catch (error) {
      this.#options.log.warn('a launch could not be decided; tried again', { session, error })
      this.#later(() => this.look(session))
    } finally {
      this.#looking.delete(session)
    }
  }

  #judge(session: SessionId, facts: LaunchFacts | undefined): void {
    if (facts === undefined || this.#options.isTaken(session)) return this.#unwant(session)
    // Looked at again when that launch is over.
    if (this.#members.has(session)) return
    if (facts.state.current !== undefined && this.#adopt(facts)) return this.#unwant(session)
    const verdict = judgeLaunch(facts, this.#now())
    if (verdict.kind !== 'wanted' || facts.session.launch === undefined) {
      this.#unwant(session)
      this.#verdicts.set(session, verdict)
      return
    }
    const key = commandKey(facts.session.launch)
    // The stored command may have changed since it was wanted last.
    this.#unwant(session, key)
    this.#verdicts.set(session, verdict)
    const command = this.#command(key)
    command.wanting.set(session, { facts, atMs: Math.max(verdict.atMs, this.#returning.get(session) ?? 0) })
    this.#advance(command)
  }

  #unwant(session: SessionId, except?: string): void {
    this.#verdicts.delete(session)
    for (const command of this.#commands.values()) {
      if (command.key !== except && command.wanting.delete(session)) this.#advance(command)
    }
  }

  #advance(command: Command): void {
    command.timer?.cancel()
    if (this.#stopped || command.launch !== undefined) return
    if (command.wanting.size === 0) {
      this.#commands.delete(command.key)
      return
    }
    const { clock } = this.#options
    const next = Math.min(...[...command.wanting.values()].map(({ atMs }) => atMs))
    if (next > clock.steady()) {
      command.timer = clock.timer(next, () => this.#advance(command))
      return
    }
    if (command.gathering === true) return
    command.gathering = true
    // The looks that one event caused are answered by one commit, hence in one turn.
    queueMicrotask(() => this.#begin(command))
  }

  #begin(command: Command): void {
    command.gathering = false
    if (this.#stopped || command.launch !== undefined) return
    const now = this.#options.clock.steady()
    const due = [...command.wanting.values()].filter(({ atMs }) => atMs <= now).map(({ facts }) => facts)
    if (due.length > 0) void this.#launch(command, due)
    else this.#advance(command)
  }

  #command(key: string): Command {
    const found = this.#commands.get(key)
    if (found !== undefined) return found
    const made: Command = { key, wanting: new Map() }
    this.#commands.set(key, made)
    return made
  }

  // -------------------------------------------------------------- a launch

  async #launch(command: Command, due: readonly LaunchFacts[]): Promise<void> {
    const { journal, launcher, random, log, isTaken } = this.#options
    const launch = this.#makeLaunch(command, { token: Buffer.from(random.bytes(16)).toString('hex'), adopted: false })
    for (const { session } of due) {
      command.wanting.delete(session.id)
      this.#join(launch, session)
    }
    try {
      // Recorded before the start: after a crash in between, the next life waits for an app that never came, for half a
      // minute; recorded after it, it would start a second copy beside one that it does not know.
      await Promise.all(
        due.map(({ session, state }) =>
          journal.launchChanged({ session: session.id, state: { ...state, current: { token: launch.token } } }),
        ),
      )
      if (this.#stopped) return
      for (const { id } of due.map(({ session }) => session)) if (isTaken(id)) this.ownerAppeared(id)
      if (launch.isLeft) return launch.failed('the app was started by its user')
      // A session that its user has opened meanwhile would only be refused to the app.
      const stillDue = due.filter(({ session }) => launch.members.get(session.id)?.left !== true)
      const app = await launcher.start(this.#request(launch, stillDue))
      if (this.#stopped) return
      launch.started(app)
      log.info('an app was launched', { pid: app.pid, sessions: [...launch.members.values()].map((m) => m.identifier) })
    } catch (error) {
      launch.failed(asLonghaulError(error, 'LAUNCH_FAILED').message)
    }
  }

  #request(launch: Launch, due: readonly LaunchFacts[]): Parameters<Launcher['start']>[0] {
    const { environment, home } = this.#options
    const sessions = due.map(({ session }) => session)
    const command = sessions[0]!.launch!
    const owner = sessions.findLast(({ launchEnvironment: given }) => given !== undefined)?.launchEnvironment
    const ticket = { token: launch.token, sessions: sessions.map(({ identifier }) => identifier) }
    return {
      command: command.command,
      args: command.args ?? [],
      cwd: command.cwd ?? home,
      umask: command.umask,
      env: launchEnvironment({ listed: environment, owner, command, home }, ticket),
    }
  }

  #makeLaunch(command: Command, how: { readonly token: string; readonly adopted: boolean }): Launch {
    const launch = new Launch({
      ...how,
      clock: this.#options.clock,
      over: () => void this.#conclude(command, launch),
    })
    command.launch = launch
    return launch
  }

  #join(launch: Launch, session: SessionFacts): void {
    const member = launch.add(session.id, session.identifier, session.configuration.launchTimeLimitMs)
    this.#members.set(session.id, { launch, member })
  }

  /** A launch that an earlier life of the daemon started. False: it cannot be one any more. */
  #adopt(facts: LaunchFacts): boolean {
    const { session, state } = facts
    if (this.#members.has(session.id)) return this.#members.get(session.id)?.launch.token === state.current?.token
    if (state.current === undefined || session.launch === undefined) return false
    const command = this.#command(commandKey(session.launch))
    if (command.launch !== undefined && command.launch.token !== state.current.token) return false
    if (command.launch?.isOver === true) return false
    command.timer?.cancel()
    this.#join(command.launch ?? this.#makeLaunch(command, { token: state.current.token, adopted: true }), session)
    return true
  }

  /** Records how it went, then looks at its sessions again. */
  async #conclude(command: Command, launch: Launch): Promise<void> {
    const { journal, log } = this.#options
    try {
      for (const member of launch.members.values()) {
        if (member.left) continue
        const facts = await journal.launchFacts({ session: member.session })
        if (this.#stopped) return
        if (facts === undefined || member.left) continue
        const state = judgeEnd(launch, member, facts, this.#now())
        if (state.failures > 0)
          log.warn('a launch came to nothing', { session: member.identifier, failures: state.failures, ...state.last })
        await journal.launchChanged({ session: member.session, state })
      }
    } catch (error) {
      log.warn('the end of a launch could not be recorded; tried again', { error })
      this.#later(() => void this.#conclude(command, launch))
      return
    }
    if (this.#stopped) return
    delete command.launch
    for (const { session } of launch.members.values()) {
      if (this.#members.get(session)?.launch === launch) this.#members.delete(session)
      this.look(session)
    }
    this.#advance(command)
  }

  /** The user started the app: whatever went wrong before is over. */
  async #reset(session: SessionId): Promise<void> {
    const { journal, log } = this.#options
    try {
      const facts = await journal.launchFacts({ session })
      if (facts === undefined || this.#stopped) return
      const { failures, notBeforeMs, current, last } = facts.state
      if (failures === 0 && notBeforeMs === 0 && current === undefined) return
      const state: LaunchState = { failures: 0, notBeforeMs: 0, ...(last !== undefined && { last }) }
      await journal.launchChanged({ session, state })
    } catch (error) {
      log.warn('the back-off of a launch was not reset', { session, error })
    }
  }

  #later(run: () => void): void {
    const { clock } = this.#options
    const timer = clock.timer(clock.steady() + retryMs, () => {
      this.#retries.delete(timer)
      run()
    })
    this.#retries.add(timer)
  }

  #now(): Moment {
    const { clock } = this.#options
    return { steadyMs: clock.steady(), wallMs: clock.wall() }
  }
}

const standing: Readonly<Record<string, string>> = {
  held: 'is held',
  suspended: 'is suspended',
  time: 'has not reached its earliestBeginDate',
}
