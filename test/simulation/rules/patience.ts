// Servers are left in peace: one that asked to be left alone for so long is, and one that fails is asked more and more rarely.
import type { CommandInput, CommandOutput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

/**
 * With delays drawn from 0 to 1, 2, 4, … s the twelfth failure in a row comes so soon once in 10¹² times; with delays that do
 * not grow it always does.
 */
const hasty = { failures: 12, withinMs: 20_000 }

export const patience: Rule = {
  name: 'servers are left in peace',
  watch: ({ store, internet, nowMs, broken }) => {
    /** By task: no attempt before this moment. */
    const askedUntil = new Map<string, number>()
    /** By task: when its last attempts failed, without a byte that became safe between them. */
    const failedAt = new Map<string, number[]>()
    /** Left alone for an hour, as the daemon ended each time that they ran: somebody may take that risk. */
    const parked = new Set<string>()
    /** By task: when its attempt began. */
    const startedAt = new Map<string, number>()

    /** The least that an answer of this address asked for since then: which task got which is not told. */
    const askedSince = (url: string | undefined, sinceMs: number): number => {
      const untils = internet.log
        .filter((request) => request.url === url && request.atMs >= sinceMs)
        .map(({ atMs, answer }) => atMs + Number(/Retry-After (\d+)/.exec(answer)?.[1] ?? 0) * 1000)
      return untils.length === 0 ? 0 : Math.min(...untils)
    }
    const urlOf = (task: string): string | undefined => {
      const text = store.get<{ request: string }>(
        'select coalesce(current_request, request) request from task_text join task on task.id = task_text.task where uid = ?',
        task,
      )
      return text === undefined ? undefined : (JSON.parse(text.request) as { url: string }).url
    }

    /** Somebody asks for haste, for these tasks only. What a server asked for stays, but for one that was parked. */
    const hurried = ({ targets, change }: CommandInput<'change'>): void => {
      if (change.kind !== 'tryNow' && change.kind !== 'request') return
      const ids = 'ids' in targets ? targets.ids : [...failedAt.keys(), ...parked]
      for (const id of ids) {
        failedAt.delete(id)
        if (parked.delete(id)) askedUntil.delete(id)
      }
    }

    return {
      committed: ({ requests, answers }) => {
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (!('ok' in answer)) return
          const { found } = (answer.ok ?? {}) as { readonly found?: string }
          const { task } = input as { readonly task: string }
          if (name === 'openLife') for (const each of (answer.ok as CommandOutput<'openLife'>).parked) parked.add(each)
          if (name === 'startAttempt' && found === 'started') {
            startedAt.set(task, nowMs())
            parked.delete(task)
            const until = askedUntil.get(task) ?? 0
            if (nowMs() < until)
              broken(
                `${task} asks ${urlOf(task)} again ${Math.round((until - nowMs()) / 1000)} s before the server said that it may`,
              )
          }
          if (name === 'checkpoint') failedAt.delete(task)
          if (name === 'endAttempt' && found === 'recorded') {
            const { end } = input as CommandInput<'endAttempt'>
            if (end.kind !== 'retry') return
            if (end.cause.code === 'HTTP_STATUS')
              askedUntil.set(task, askedSince(urlOf(task), startedAt.get(task) ?? 0))
            const times = [...(failedAt.get(task) ?? []), nowMs()].slice(-hasty.failures)
            failedAt.set(task, times)
            if (times.length === hasty.failures && nowMs() - times[0]! < hasty.withinMs)
              broken(`${task} failed ${hasty.failures} times in ${Math.round((nowMs() - times[0]!) / 1000)} s`)
          }
          if (name === 'networkChanged') failedAt.clear()
          if (name === 'change') hurried(input as CommandInput<'change'>)
        })
      },
    }
  },
}
