/**
 * The real {@link Clock} and {@link Random}.
 *
 * `steady()` has to count sleep, survive restarts of the daemon and never jump, and Node offers no such clock: hrtime has the
 * resolution but stands still while the machine sleeps (Linux), the system's uptime counts sleep but in steps of 10 ms or
 * more, the wall clock counts sleep but is set by people. So hrtime is followed from an anchor on the uptime, and the anchor
 * is corrected forwards when the uptime has run ahead of it: looked at whenever the wall clock has moved differently from
 * hrtime (cheap, and true right after a sleep) and once a second besides. What one life of the daemon counted is handed to
 * the next as a {@link ClockMark}. Tried on Linux only; on macOS hrtime itself counts sleep, on Windows uptime does.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { uptime } from 'node:os'
import type { Clock, Random, Timer } from '../world/clock.ts'

/** One reading of all sources, in ms. */
export interface ClockSources {
  /** Fine, never backwards, may stand still during sleep. */
  fine(): number
  /** Since the machine was started, sleep counted; coarse. */
  uptime(): number
  wall(): number
}

/** What a life of the daemon leaves to the next one; plain data for the journal. */
export interface ClockMark {
  readonly steadyMs: number
  readonly uptimeMs: number
  /** Changes with each start of the machine; empty where it cannot be known. */
  readonly bootId: string
}

export interface ClockOptions {
  /** What the last life saved. Without it `steady()` begins at the uptime of the machine. */
  readonly after?: ClockMark
  /** Whether a timer alone keeps the process alive. @default true */
  readonly keepAlive?: boolean
  /** For tests. @default the machine */
  readonly sources?: ClockSources
  /** For tests. @default the boot id of the machine */
  readonly bootId?: string
}

export interface RealClock extends Clock {
  mark(): ClockMark
}

/**
 * The system's timers stand still during sleep, so what is due later is looked at on each full minute: on the same one for all that
 * wait, which wakes a daemon once and not once for each.
 */
const lookEveryMs = 60_000
const correctionMs = 500
const checkEveryMs = 1000

export function createClock(options: ClockOptions = {}): RealClock {
  return new SteadyClock(options)
}

const poolBytes = 4096
/** Drawn from the system in one go: an id takes ten of them, and a call for each cost more than all else about it. */
let pool: Buffer = Buffer.alloc(0)

function takeRandom(count: number): Uint8Array {
  if (count > poolBytes / 16) return randomBytes(count)
  if (pool.length < count) pool = randomBytes(poolBytes)
  const taken = Uint8Array.from(pool.subarray(0, count))
  // What was given is nowhere else any more.
  pool.fill(0, 0, count)
  pool = pool.subarray(count)
  return taken
}

export const random: Random = {
  fraction: () => Math.random(),
  bytes: takeRandom,
}

/** Tells one start of the machine from another; empty where the system does not say (macOS, Windows). */
export function readBootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return ''
  }
}

const machine: ClockSources = {
  fine: () => performance.now(),
  uptime: () => uptime() * 1000,
  wall: () => Date.now(),
}

class SteadyClock implements RealClock {
  readonly #sources: ClockSources
  readonly #keepAlive: boolean
  readonly #bootId: string
  /** steady = fine + lead. */
  #lead: number
  /** uptime + ahead = steady, at the anchor. */
  readonly #ahead: number
  #checkedAt: number
  #wallLead: number
  #last = 0

  constructor(options: ClockOptions) {
    this.#sources = options.sources ?? machine
    this.#keepAlive = options.keepAlive ?? true
    this.#bootId = options.bootId ?? readBootId()
    const up = this.#sources.uptime()
    const fine = this.#sources.fine()
    this.#ahead = aheadOfUptime(options.after, this.#bootId, up)
    this.#lead = up + this.#ahead - fine
    this.#checkedAt = fine
    this.#wallLead = this.#sources.wall() - fine
    this.#last = up + this.#ahead
  }

  steady(): number {
    const fine = this.#sources.fine()
    const wallLead = this.#sources.wall() - fine
    if (fine - this.#checkedAt >= checkEveryMs || Math.abs(wallLead - this.#wallLead) >= correctionMs) {
      this.#checkedAt = fine
      this.#wallLead = wallLead
      const behind = this.#sources.uptime() + this.#ahead - (fine + this.#lead)
      // Only forwards. Less than that is the coarseness of the uptime; backwards is a restored virtual machine.
      if (behind >= correctionMs) this.#lead += behind
    }
    this.#last = Math.max(this.#last, fine + this.#lead)
    return this.#last
  }

  wall(): number {
    return this.#sources.wall()
  }

  mark(): ClockMark {
    return { steadyMs: this.steady(), uptimeMs: this.#sources.uptime(), bootId: this.#bootId }
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    if (signal?.aborted) {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the caller's own reason, whatever it is
      reject(signal.reason)
      return promise
    }
    const onAbort = (): void => {
      timer.cancel()
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the caller's own reason, whatever it is
      reject(signal?.reason)
    }
    const timer = this.timer(this.steady() + ms, () => {
      signal?.removeEventListener('abort', onAbort)
      resolve()
    })
    signal?.addEventListener('abort', onAbort, { once: true })
    return promise
  }

  timer(at: number, run: () => void): Timer {
    let handle: NodeJS.Timeout | undefined
    const arm = (): void => {
      const steady = this.steady()
      const left = Math.ceil(at - steady)
      const toMinute = Math.ceil(lookEveryMs - (steady % lookEveryMs))
      handle = setTimeout(check, Math.max(0, Math.min(left, toMinute)))
      if (!this.#keepAlive) handle.unref()
    }
    // The system's timers may fire a little early by our count, and long waits are cut in pieces.
    const check = (): void => {
      if (this.steady() < at) arm()
      else run()
    }
    arm()
    return { cancel: () => clearTimeout(handle) }
  }
}

/** How far `steady` is ahead of the uptime: within one boot as before; after a new one it goes on where it was saved. */
function aheadOfUptime(after: ClockMark | undefined, bootId: string, up: number): number {
  if (after === undefined) return 0
  // Boots cannot be told apart: go on where it was saved. Time during which no daemon ran may be lost, none is added.
  if (bootId === '') return after.steadyMs - up
  const sameBoot = after.bootId === bootId && up >= after.uptimeMs
  return sameBoot ? after.steadyMs - after.uptimeMs : after.steadyMs
}
