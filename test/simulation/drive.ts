// Lets virtual time pass while a test waits for something.
import type { Timeline } from './timeline.ts'

/** Steps until the promise settles. @throws when nothing is set to happen any more and it has not */
export async function settleOn<T>(timeline: Timeline, promise: Promise<T>): Promise<T> {
  let settled = false
  const note = (): void => {
    settled = true
  }
  promise.then(note, note)
  // It may need no time at all.
  await new Promise((resolve) => setImmediate(resolve))
  while (!settled)
    if (!(await timeline.step(Infinity))) throw new Error('it has not settled, and nothing is set to happen any more')
  return promise
}
