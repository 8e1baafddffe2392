// A task that has a deadline does not work on beyond it, however often it or the daemon begins anew. The time counts while the
// task runs or waits for another try, not while it is suspended or in a queue.
import type { CommandInput, CommandOutput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

interface Row {
  readonly uid: string
  readonly gate: string
  readonly intent: string | null
  readonly deadline: number | null
}

/** Ms that the end may come late: the machine slept, the daemon was away, an attempt had to be stopped. */
const slackMs = 90_000
/** Ms by which a new attempt may come late; more where the journal is slow, for a moment is told to it before it commits it. */
const startSlackMs = 5000
const slowStartSlackMs = 60_000
/** Of the time that runs, a power cut forgets what was not saved. */
const lostByPowerCutMs = 65_000
const counting = new Set(['active', 'backoff'])

export const deadlines: Rule = {
  name: 'a deadline is kept',
  watch: ({ plan, store, nowMs, broken }) => {
    /** Ms spent, and where the task was last seen; it had spent `beforeMs` when it came there. */
    const spent = new Map<string, { ms: number; gate: string; seenMs: number; beforeMs: number }>()
    /** When a task was first seen beyond its deadline. */
    const overAt = new Map<string, number>()
    let alive = false
    /** What power cuts took of the time that was spent; of a sleep just before, all of it. */
    let forgottenMs = 0
    const sleptMs = plan.faults.reduce((sum, fault) => sum + (fault.kind === 'machine sleeps' ? fault.forMs : 0), 0)
    const mayStartLateMs = plan.slow.some(({ call }) => call.startsWith('journal.')) ? slowStartSlackMs : startSlackMs
    /** The least by which the moment that a command was told lay behind its commit, in the life that runs. */
    let leastLagMs = Infinity
    /** How long ago the moment was that a command of this commit was told: the machine may have slept in between. */
    const staleMs = (requests: readonly { readonly name: string; readonly input: unknown }[]): number => {
      let stale = 0
      for (const { name, input } of requests) {
        const { at } = input as { readonly at?: { readonly steadyMs: number } }
        if (at === undefined) continue
        const lagMs = nowMs() - at.steadyMs
        leastLagMs = Math.min(leastLagMs, lagMs)
        if (name === 'wakeDue' || name === 'change') stale = Math.max(stale, lagMs - leastLagMs)
      }
      return stale
    }
    /** @param agoMs how long ago the moment was at which tasks that wait no more were woken, or were stopped by a person */
    const account = (agoMs = 0): void => {
      const rows = store.all<Row>(
        `select uid, gate, intent, json_extract(options, '$.policy.timeoutIntervalForResourceMs') deadline
         from task join task_text on task_text.task = task.id
         where json_extract(options, '$.policy.timeoutIntervalForResourceMs') is not null`,
      )
      for (const { uid, gate, intent, deadline } of rows) {
        const task = spent.get(uid) ?? { ms: 0, gate: '', seenMs: nowMs(), beforeMs: 0 }
        const endedBefore = (task.gate === 'backoff' && gate === 'ready') || gate === 'held' || gate === 'suspended'
        if (alive && counting.has(task.gate)) {
          task.ms += nowMs() - task.seenMs
          // Part of it may have been counted at commits in between.
          if (endedBefore) task.ms = Math.max(task.beforeMs, task.ms - agoMs)
        }
        spent.set(uid, { ms: task.ms, gate, seenMs: nowMs(), beforeMs: gate === task.gate ? task.beforeMs : task.ms })
        // Nobody works while there is no daemon, whatever the row says.
        if (!alive || gate !== 'active' || intent !== null || task.ms <= deadline! + forgottenMs) continue
        if (!overAt.has(uid)) overAt.set(uid, nowMs())
        if (nowMs() - overAt.get(uid)! > slackMs)
          broken(`${uid} still runs after ${Math.round(task.ms / 1000)} s although it has ${deadline! / 1000} s`)
      }
    }
    return {
      committed: ({ requests, answers }) => {
        account(staleMs(requests))
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (name !== 'startAttempt' || !('ok' in answer)) return
          const { found } = answer.ok as CommandOutput<'startAttempt'>
          if (found !== 'started') return
          const { task } = input as CommandInput<'startAttempt'>
          const { deadline, intent } = store.get<Pick<Row, 'deadline' | 'intent'>>(
            `select intent, json_extract(options, '$.policy.timeoutIntervalForResourceMs') deadline
             from task join task_text on task_text.task = task.id where uid = ?`,
            task,
          )!
          const ms = spent.get(task)?.ms ?? 0
          if (deadline !== null && intent === null && ms > deadline + mayStartLateMs + forgottenMs)
            broken(`${task} is tried again after ${Math.round(ms / 1000)} s although it has ${deadline / 1000} s`)
        })
      },
      // Nobody could end it meanwhile.
      slept: () => overAt.clear(),
      powerCut: () => {
        forgottenMs += lostByPowerCutMs + sleptMs
      },
      daemon: (what) => {
        account()
        overAt.clear()
        leastLagMs = Infinity
        alive = what === 'starts'
      },
    }
  },
}
