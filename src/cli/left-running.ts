import type { Words } from './render/words.ts'

/** More tasks than these are not named one by one. */
export const named = 4

/** The last words of a display that was left: that the work goes on, and what one can do. */
export function leftRunning(codes: readonly string[], words: Words): string {
  const tasks = codes.length > named ? '' : codes.join(' ')
  const watch = `longhaul watch ${tasks}`.trimEnd()
  const cancel = `longhaul cancel ${tasks === '' ? 'TASK…' : tasks}`
  return `${words.leftRunning(codes.length)}\n  ${words.comeBack}  ${watch}   ${words.end}  ${cancel}\n`
}
