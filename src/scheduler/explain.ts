/** Why a task waits, by the rules that `plan` goes by, and what can be done about it. Codes and values; clients make sentences. */
import type { BlockerCode, RemedyAction } from '../contract/explanation.ts'
import { type Phase, phaseOf } from '../contract/words.ts'
import { reasonsToWait } from './rules.ts'
import type { Reason, TaskFacts, View } from './view.ts'

export interface Explained {
  readonly phase: Phase
  readonly reasons: readonly Reason[]
  /** Steady ms; absent: nothing but a person, the app or another task can wake it, or it does not wait. */
  readonly nextWakeUpMs?: number
  readonly remedies: readonly RemedyAction[]
}

/** @param task with its gate */
export function explain(task: TaskFacts, view: View): Explained {
  const gate = task.gate ?? 'ready'
  const phase = phaseOf(gate)
  // What runs or has ended waits for nothing.
  const reasons = gate === 'active' || gate === 'publishing' || gate === 'done' ? [] : reasonsToWait(task, view)
  const nextWakeUpMs = wakeUpOf(reasons)
  return {
    phase,
    reasons,
    ...(nextWakeUpMs !== undefined && { nextWakeUpMs }),
    remedies: gate === 'done' ? [] : remediesFor(reasons.map((reason) => reason.code)),
  }
}

/** It can start when the last of its reasons has ended; one that no time ends keeps it for good. */
function wakeUpOf(reasons: readonly Reason[]): number | undefined {
  let last: number | undefined
  for (const { code, untilMs } of reasons) {
    if (untilMs !== undefined) last = Math.max(last ?? 0, untilMs)
    else if (code === 'suspended' || code === 'held' || code === 'sessionHeld') return undefined
  }
  return last
}

const remedyOf: Partial<Record<BlockerCode, RemedyAction>> = {
  suspended: 'resume',
  held: 'release',
  sessionHeld: 'release',
  backoff: 'tryNow',
  crashLoop: 'tryNow',
  disk: 'freeSpace',
  destination: 'reconnect',
  challenge: 'answer',
  newRequest: 'updateRequest',
}

/** Each once, in the order of the reasons; cancelling is always possible and never the first thing to offer. */
export function remediesFor(codes: readonly BlockerCode[]): readonly RemedyAction[] {
  const found = new Set<RemedyAction>()
  for (const code of codes) {
    const remedy = remedyOf[code]
    if (remedy !== undefined) found.add(remedy)
    // Both end by themselves; whoever has brought it back need not wait for the next look.
    if (code === 'disk' || code === 'destination') found.add('tryNow')
  }
  found.add('cancel')
  return [...found]
}
