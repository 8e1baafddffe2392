/** What Linux tells of a process that runs: time, memory, how often it was woken. Reads /proc. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'

/** USER_HZ: 100 on every Linux that Node runs on. */
const tickMs = 10

/** User and system time of all its threads, and of its children that have ended. */
export function cpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) * tickMs
}

export function rssBytes(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmRSS') * 1024
}

/** The highest since {@link resetPeak}. */
export function peakRssBytes(pid: number): number {
  return field(`/proc/${pid}/status`, 'VmHWM') * 1024
}

export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5')
}

/** How often one of its threads went to sleep and was woken again, by the name of the thread. */
export function wakeUps(pid: number): ReadonlyMap<string, number> {
  const counts = new Map<string, number>()
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    const status = `/proc/${pid}/task/${thread}/status`
    const name = /^Name:\s+(.*)$/m.exec(readFileSync(status, 'utf8'))?.[1] ?? '?'
    counts.set(name, (counts.get(name) ?? 0) + field(status, 'voluntary_ctxt_switches'))
  }
  return counts
}

/** Sends the signal and waits until it has gone. */
export async function end(pid: number, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  try {
    process.kill(pid, signal)
  } catch {
    return
  }
  while (isThere(pid)) await pause(10)
}

function isThere(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false
  // In a container nobody may take note of its end.
  return !/ [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
}

function field(file: string, name: string): number {
  return Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(readFileSync(file, 'utf8'))?.[1] ?? 0)
}
