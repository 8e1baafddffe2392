/** Time as a seam: nothing above `platform/` reads a clock or sets a timer but through this. */

export interface Timer {
  /** May be called twice, and after it ran. */
  cancel(): void
}

export interface Clock {
  /** Ms that count on over sleep and over restarts of the daemon, and never jump. All stored durations are on it. */
  steady(): number
  /** Ms since 1970 by the wall clock; may jump. Only for dates that people or servers name. */
  wall(): number
  /** Rejects with `signal.reason` when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** Runs once when `steady()` has reached `at`. */
  timer(at: number, run: () => void): Timer
}

export interface Random {
  /** 0 <= x < 1. */
  fraction(): number
  bytes(count: number): Uint8Array
}
