/**
 * One launch, from its start to its end:
 *
 *     starting -> started -> attached <-> detached -> over
 *                                   \-> overdue: asked to end, killed 5 s later -> over
 *
 * It is over when nothing of it is attached and its process has ended, or the app was handed to its user. Where an owner came
 * by itself for every session, what was launched is left alone; until it has ended, or the time limit has passed, no other one
 * is launched beside it. The time limit starts again at each sign of work; when it ends, only a child of this daemon that was
 * not reaped is signalled: a pid that is another's by now is never struck.
 *
 * An adopted launch was started by an earlier life of the daemon: its app is nobody's child here. It is waited for, briefly,
 * and recognised by its token; it is never signalled.
 */
import type { SessionId } from '../journal/journal.ts'
import type { Clock, Timer } from '../world/clock.ts'
import type { Exit, LaunchedApp } from '../world/launcher.ts'

/** Between SIGTERM and SIGKILL. */
const askedMs = 5000
/** How long an app of an earlier life has to connect again; it tries at once. */
const adoptionMs = 30_000

export interface Member {
  readonly session: SessionId
  readonly identifier: string
  /** The app owns it now. */
  attached: boolean
  opened: boolean
  /** Events acknowledged in this launch. */
  acknowledged: number
  /** The app took `didFinishEvents`, and nothing of the session is blocked. */
  finished: boolean
  /** The app called its completion handler. */
  completed: boolean
  /** An owner came by itself; the launch has nothing to do with this session any more. */
  left: boolean
}

export interface LaunchOptions {
  readonly clock: Clock
  readonly token: string
  readonly adopted: boolean
  /** Called once. */
  readonly over: (launch: Launch) => void
}

export class Launch {
  readonly token: string
  readonly adopted: boolean
  readonly members: Map<SessionId, Member> = new Map()
  readonly #options: LaunchOptions
  #limitMs = 0
  #app: LaunchedApp | undefined
  #exit: Exit | undefined
  #problem: string | undefined
  #foreground = false
  #overdue = false
  #over = false
  #timer: Timer | undefined

  constructor(options: LaunchOptions) {
    this.#options = options
    this.token = options.token
    this.adopted = options.adopted
    if (this.adopted) this.#arm(adoptionMs)
  }

  get pid(): number | undefined {
    return this.#app?.pid
  }

  get exit(): Exit | undefined {
    return this.#exit
  }

  get overdue(): boolean {
    return this.#overdue
  }

  get isOver(): boolean {
    return this.#over
  }

  /** An owner came by itself for every session. */
  get isLeft(): boolean {
    return [...this.members.values()].every((member) => member.left)
  }

  /** Whether the daemon has to stay for it. */
  get keeps(): boolean {
    return !this.#over && !this.#foreground
  }

  add(session: SessionId, identifier: string, limitMs: number): Member {
    const found = this.members.get(session)
    if (found !== undefined) return found
    this.#limitMs = Math.max(this.#limitMs, limitMs)
    const member: Member = {
      session,
      identifier,
      attached: false,
      opened: false,
      acknowledged: 0,
      finished: false,
      completed: false,
      left: false,
    }
    this.members.set(session, member)
    return member
  }

  started(app: LaunchedApp): void {
    this.#app = app
    void app.ended.then((exit) => {
      this.#exit = exit
      this.#look()
    })
    if (this.#over) return
    this.#touch()
  }

  /** It could not be started. */
  failed(problem: string): void {
    this.#problem = problem
    this.#finish()
  }

  attached(member: Member): void {
    member.attached = true
    member.opened = true
    this.#touch()
  }

  detached(member: Member): void {
    member.attached = false
    this.#look()
  }

  acknowledged(member: Member, count: number, finished: boolean): void {
    member.acknowledged += count
    member.finished = finished
    this.#touch()
  }

  completed(member: Member): void {
    member.completed = true
    // Of an earlier life's app that is no sign yet that it takes its events.
    if (!this.adopted || member.opened) this.#touch()
    this.#look()
  }

  left(member: Member): void {
    member.left = true
    member.attached = false
    this.#look()
  }

  stillWorking(foreground: boolean): void {
    if (foreground) this.#foreground = true
    this.#touch()
  }

  /** The daemon ends; the app is left alone. */
  stop(): void {
    this.#over = true
    this.#timer?.cancel()
  }

  /** Why this member's launch came to nothing, in words for `explain`. */
  problemOf(member: Member): string {
    if (this.#problem !== undefined) return this.#problem
    if (this.adopted) return 'the daemon was restarted while the app ran, and the app did not take all its events'
    if (this.#overdue) return `the app gave no sign of work for ${Math.round(this.#limitMs / 1000)} s and was ended`
    if (!member.opened) return 'the app ended without opening the session'
    return 'the app ended before it had taken all its events'
  }

  #touch(): void {
    if (this.#over || this.#overdue) return
    if (this.#foreground) this.#timer?.cancel()
    else this.#arm(this.#limitMs)
  }

  #arm(ms: number): void {
    const { clock } = this.#options
    this.#timer?.cancel()
    this.#timer = clock.timer(clock.steady() + ms, () => this.#limitEnded())
  }

  #limitEnded(): void {
    // Nobody waits for anything from it.
    if (this.isLeft) return this.#finish()
    this.#overdue = true
    const app = this.#app
    if (app === undefined || this.#exit !== undefined) return this.#look()
    const { clock } = this.#options
    app.ask()
    this.#timer = clock.timer(clock.steady() + askedMs, () => {
      if (this.#exit === undefined) app.kill()
    })
  }

  #look(): void {
    const members = [...this.members.values()]
    if (members.some((member) => member.attached)) return
    // An app may say that it is done before it opens its session. Over by that word alone, it would not be recognised when it opens, and
    // a second copy would start.
    const settled = members.every((member) => member.left || (member.completed && member.opened))
    const over =
      this.#foreground || this.#exit !== undefined || (this.adopted && (this.#overdue || (settled && !this.isLeft)))
    if (over) this.#finish()
  }

  #finish(): void {
    if (this.#over) return
    this.#over = true
    this.#timer?.cancel()
    this.#options.over(this)
  }
}
