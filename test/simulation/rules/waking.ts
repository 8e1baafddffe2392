// Nobody is forgotten: a task that has not ended runs, or may start as soon as there is room, or waits for a person, another
// task or a moment; and that moment is one at which the daemon will look. Held at every commit and after every step, for a
// wake-up that was lost is most often made up for by the next one, and seen only where there is none.
import type { ResolvedConfiguration } from '../../../src/contract/session.ts'
import type { Limits } from '../../../src/scheduler/view.ts'
import type { Store } from '../../../src/journal/store.ts'
import type { DaemonSight } from '../daemon.ts'
import type { Rule } from './rule.ts'

interface Row {
  readonly id: number
  readonly uid: string
  readonly session: number
  readonly running: 'active' | 'publishing' | null
  readonly intent: string | null
  readonly suspends: number
  readonly held: number
  readonly blockers: number
  readonly begin_at: number | null
  readonly wait: string | null
  readonly wait_until: number | null
  readonly deadline_at: number | null
  readonly gate: string
  readonly wake_at: number | null
  readonly origin: string
  /** Of its lane: who is asked first. */
  readonly head: string | null
  readonly reopen_at: number | null
  readonly session_held: number
  /** JSON: an id would not do, they are used again. */
  readonly configuration: string
}

/** Why a task does nothing. Steady ms, but for a date, which is wall ms. */
type Reason =
  | { readonly is: 'runs' | 'person' | 'other tasks' | 'full' | 'none' }
  | { readonly is: 'moment'; readonly atMs: number; /** The origin is crowded until then. */ readonly crowded?: string }
  | { readonly is: 'date'; readonly atMs: number }

interface Task {
  readonly uid: string
  readonly reason: Reason
  /** Since when this is its reason. Timeline ms. */
  readonly sinceMs: number
}

const columns = `t.id, uid, t.session, running, intent, suspends, t.held, blockers, begin_at, wait, wait_until, deadline_at,
  gate, wake_at, lane.origin, reopen_at, (select uid from task where id = head_task) head, s.held session_held, configuration.body configuration`

/** Commands that change no row of a task. */
const harmless: ReadonlySet<string> = new Set([
  'schedule',
  'saveClock',
  'findSession',
  'listSessions',
  'getTask',
  'findTasks',
  'page',
  'counts',
  'taskEnd',
  'explainFacts',
  'idle',
  'owed',
  'paid',
  'takeEvents',
  'queueDidFinishEvents',
  'launchFacts',
  'launchable',
  'launchChanged',
])

/** A timer may be so much late: rows that could not be woken are looked at again a little later. */
const slackMs = 20
/** A date is one of the wall clock, which may jump: it is looked at so often. */
const looksEveryMs = 60_000
/** While the journal is in trouble it is tried again so often, and nothing starts. */
const troubleMs = 1100
/**
 * Of an attempt that was stopped from outside: its files are still open, and the next one of its task waits for that. Who comes behind
 * it does not.
 */
const closingMs = 30_000
/** From the moment that was waited for until something has come of it. */
const graceMs = 2000
const slowGraceMs = 60_000

export const waking: Rule = {
  name: 'every task has a reason and a next wake-up',
  watch: ({ plan, store, daemon, nowMs, wallMs, broken }) => {
    const isSlow = plan.slow.some(({ call }) => call.startsWith('journal.')) || plan.journalFailures.length > 0
    const wallJumps = plan.faults.some(({ kind }) => kind === 'wall jumps')
    const patienceMs = isSlow ? slowGraceMs : graceMs
    const configurations = new Map<string, ResolvedConfiguration>()
    /** As the last commit left them. */
    let tasks: readonly Task[] = []
    /** Attempts that this life began and whose end is not recorded. */
    const attempts = new Set<string>()
    /** Those whose end came from outside, and when. */
    const closing = new Map<string, number>()
    /** Since then this life has been there, and awake, and its journal could be written. */
    let ableSinceMs = 0
    let isFresh = false
    /** Timeline ms: then something is overdue, if nothing has changed. */
    let overdueAtMs = Infinity
    /** Wall ms at the beginning of the timeline; and when that was changed, which may have made dates come at once. */
    let wallZeroMs = wallMs() - nowMs()
    let jumpedAtMs = 0

    const noteJump = (): void => {
      const zeroMs = wallMs() - nowMs()
      if (Math.abs(zeroMs - wallZeroMs) < 1) return
      wallZeroMs = zeroMs
      jumpedAtMs = nowMs()
    }

    const configurationOf = (body: string): ResolvedConfiguration => {
      let found = configurations.get(body)
      if (found === undefined) configurations.set(body, (found = JSON.parse(body) as ResolvedConfiguration))
      return found
    }

    const read = (sight: DaemonSight): void => {
      const rows = store.all<Row>(
        `select ${columns} from task t join session s on s.id = t.session
         join configuration on configuration.id = s.configuration left join lane on lane.id = t.lane
         left join closed on closed.origin = lane.origin where outcome is null and identifier is not null`,
      )
      for (const { uid, running } of rows) if (running === null && attempts.delete(uid)) closing.set(uid, nowMs())
      const load = new Load(rows, plan.limits, isClosing)
      const before = new Map(tasks.map((task) => [task.uid, task]))
      tasks = rows.map((row) => {
        const isFull = (): boolean => load.isFullFor(row, configurationOf(row.configuration))
        const reason = reasonOf(row, sight.steadyMs, {
          isFull,
          crowd: () => load.crowd(row, sight.crowded),
        })
        const wrong = whatIsWrong(row, reason, store)
        if (wrong !== undefined) broken(`${row.uid} ${wrong}`)
        if (row.running !== null && !attempts.has(row.uid))
          broken(`${row.uid} counts as running (${row.running}), and this life of the daemon has no attempt of it`)
        const known = before.get(row.uid)
        const isSame = known !== undefined && known.reason.is === reason.is
        return { uid: row.uid, reason, sinceMs: isSame ? known.sinceMs : nowMs() }
      })
    }

    /** Timeline ms from which it waits for nothing any more; Infinity: it waits. */
    const freeSince = ({ uid, reason, sinceMs }: Task, { steadyMs }: DaemonSight): number => {
      // A try that has begun meanwhile is in its way, and no commit tells of that.
      if (reason.is === 'moment' && reason.crowded !== undefined) return Infinity
      if (reason.is === 'moment') return Math.max(sinceMs, reason.atMs - steadyMs + nowMs())
      if (reason.is === 'date') return Math.max(sinceMs, jumpedAtMs, reason.atMs - wallZeroMs) + looksEveryMs
      return reason.is === 'none' ? Math.max(sinceMs, (closing.get(uid) ?? -Infinity) + closingMs) : Infinity
    }
    const isClosing = (uid: string): boolean => nowMs() - (closing.get(uid) ?? -Infinity) < closingMs

    const lookForOverdue = (sight: DaemonSight): void => {
      noteJump()
      overdueAtMs = Infinity
      for (const task of tasks) {
        const atMs = Math.max(freeSince(task, sight), ableSinceMs) + patienceMs
        if (nowMs() > atMs) {
          const why = task.reason.is === 'none' ? 'nothing is in its way' : `its ${task.reason.is} has come`
          broken(`${task.uid} stands still although ${why} ${Math.round(nowMs() - atMs + patienceMs)} ms ago`)
        }
        overdueAtMs = Math.min(overdueAtMs, atMs)
      }
    }

    /** The daemon waits for nothing but its timers, and for what is under way in attempts. */
    const lookForTimers = ({ steadyMs, nextTimerMs = Infinity, crowded }: DaemonSight): void => {
      if (plan.journalFailures.length > 0 && nextTimerMs <= steadyMs + troubleMs) return
      for (const { uid, reason } of tasks) {
        if (reason.is === 'none' && !isClosing(uid)) broken(`${uid} could start, and the daemon does not look at it`)
        if (reason.is !== 'moment' && reason.is !== 'date') continue
        // While its earlier attempt closes its files, the end of that is what it is looked at for.
        if (
          reason.is === 'moment' &&
          reason.crowded !== undefined &&
          (isClosing(uid) || crowded.get(reason.crowded)?.untilMs !== reason.atMs)
        )
          continue
        // Where the wall clock has jumped, a timer that was set before is right by the clock of then.
        const untilDateMs = wallJumps ? looksEveryMs : Math.min(reason.atMs - wallMs(), looksEveryMs)
        const latestMs = reason.is === 'moment' ? reason.atMs : untilDateMs + steadyMs
        if (nextTimerMs > Math.max(latestMs, steadyMs) + slackMs)
          broken(
            `${uid} waits for a moment in ${Math.round(latestMs - steadyMs)} ms, and ` +
              (nextTimerMs === Infinity
                ? 'no timer is set'
                : `the next timer runs in ${Math.round(nextTimerMs - steadyMs)} ms`),
          )
      }
    }

    return {
      committed: ({ requests, answers }) => {
        if (requests.every(({ name }) => harmless.has(name))) return
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (!('ok' in answer)) return
          const { found } = (answer.ok ?? {}) as { readonly found?: string }
          const { task } = input as { readonly task: string }
          if (name === 'startAttempt' && found === 'started') {
            attempts.add(task)
            closing.delete(task)
          }
          // It closes its files before it says so.
          if ((name === 'endAttempt' || name === 'finish') && found === 'recorded') attempts.delete(task)
        })
        const sight = daemon()
        if (sight === undefined) return
        read(sight)
        isFresh = true
        // One that begins or ends is not yet, or no more, at work.
        if (sight.state === 'ready') lookForOverdue(sight)
        else overdueAtMs = nowMs()
      },
      stepped: () => {
        noteJump()
        if (!isFresh && nowMs() <= overdueAtMs) return
        const sight = daemon()
        if (sight?.state !== 'ready') return
        const isOverdue = nowMs() > overdueAtMs
        const isDue = isFresh && sight.isSettled
        // What the end of an attempt says of a crowd comes after its commit, and changes no row.
        if (isOverdue || (isDue && tasks.some(({ reason }) => reason.is === 'none'))) read(sight)
        if (isOverdue) lookForOverdue(sight)
        if (!isDue) return
        isFresh = false
        lookForTimers(sight)
      },
      refused: () => {
        ableSinceMs = nowMs()
      },
      slept: () => {
        ableSinceMs = nowMs()
      },
      daemon: (what) => {
        tasks = []
        attempts.clear()
        closing.clear()
        isFresh = false
        overdueAtMs = Infinity
        if (what === 'starts') ableSinceMs = nowMs()
      },
    }
  },
}

/** What runs, counted as it is limited. */
class Load {
  readonly #limits: Limits
  readonly #counts = new Map<string, number>()

  /** @param isClosing one whose attempt still has its files and its connection */
  constructor(rows: readonly Row[], limits: Limits, isClosing: (uid: string) => boolean) {
    this.#limits = limits
    for (const { uid, running, session, origin } of rows)
      if (running !== null || isClosing(uid)) {
        const connects = running !== 'publishing' ? [origin, `${session} ${origin}`] : []
        for (const key of ['all', `session ${session}`, ...connects]) this.#counts.set(key, this.#of(key) + 1)
      }
  }

  isFullFor({ session, origin }: Row, own: ResolvedConfiguration): boolean {
    return (
      this.#of('all') >= this.#limits.maximumActiveTasks ||
      this.#of(origin) >= this.#limits.maximumConnectionsPerOrigin ||
      this.#of(`session ${session}`) >= own.maximumActiveTasks ||
      this.#of(`${session} ${origin}`) >= own.maximumConnectionsPerHost
    )
  }

  /** Why none is tried of an origin that refused more than run. What it takes is the daemon's own word. */
  crowd({ origin }: Row, crowded: DaemonSight['crowded']): Reason | undefined {
    const known = crowded.get(origin)
    if (known === undefined || this.#of(origin) < known.most) return undefined
    return known.untilMs === undefined ? { is: 'full' } : { is: 'moment', atMs: known.untilMs, crowded: origin }
  }

  #of(key: string): number {
    return this.#counts.get(key) ?? 0
  }
}

/** From what happened to it, not from what the journal derives of that. */
function reasonOf(
  row: Row,
  steadyMs: number,
  others: { readonly isFull: () => boolean; readonly crowd: () => Reason | undefined },
): Reason {
  const { running, intent, wait, wait_until, deadline_at, reopen_at } = row
  if (running === 'active' && deadline_at !== null) return { is: 'moment', atMs: deadline_at }
  if (running !== null) return { is: 'runs' }
  if (intent === null) {
    if (row.suspends > 0 || row.held !== 0) return { is: 'person' }
    if (row.blockers > 0) return { is: 'other tasks' }
    if (row.begin_at !== null) return { is: 'date', atMs: row.begin_at }
    if (wait !== null) return { is: 'moment', atMs: Math.min(wait_until ?? Infinity, deadline_at ?? Infinity) }
  } else if (wait !== null) return { is: 'moment', atMs: wait_until ?? Infinity }
  if (row.session_held !== 0) return { is: 'person' }
  if (reopen_at !== null && reopen_at > steadyMs) return { is: 'moment', atMs: reopen_at }
  if (others.isFull()) return { is: 'full' }
  return others.crowd() ?? { is: 'none' }
}

const gates: Readonly<Record<Reason['is'], readonly string[]>> = {
  runs: ['active', 'publishing'],
  // The session is held, or its origin closed.
  person: ['suspended', 'held', 'ready'],
  'other tasks': ['dependency'],
  date: ['time'],
  moment: ['backoff', 'disk', 'destination', 'active', 'ready'],
  full: ['ready'],
  none: ['ready'],
}

/** What the journal derives has to fit, for it is what the scheduler goes by. */
function whatIsWrong(row: Row, reason: Reason, store: Store): string | undefined {
  const { gate, wake_at, id } = row
  if (!gates[reason.is].includes(gate)) return `stands at the gate '${gate}', where it has no business: ${reason.is}`
  if (reason.is === 'moment') {
    if (reason.atMs === Infinity) return `waits at the gate '${gate}' for no moment`
    if (gate !== 'ready' && (wake_at === null || wake_at > reason.atMs))
      return `waits at the gate '${gate}' until ${reason.atMs} and is woken ${wake_at === null ? 'never' : `at ${wake_at}`}`
  }
  if (gate === 'dependency') {
    const waits =
      store.get(
        `select 1 from dependency d join task n on n.id = d.needs where d.task = ? and n.outcome is null`,
        id,
      ) ?? store.get(`select 1 from sweep where kind = 'dependents'`)
    if (waits === undefined) return 'waits for other tasks, and all of them have ended'
  }
  if (gate === 'ready') {
    const lane = store.get<{ ready: number; head_task: number | null }>(
      'select ready, head_task from lane where id = (select lane from task where id = ?)',
      id,
    )
    if (lane === undefined || lane.ready === 0 || lane.head_task === null) return 'is ready, and no lane counts it'
  }
  return undefined
}
