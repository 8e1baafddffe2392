/** Between the two times: durations run on `steady()`, people and servers name wall time. Both in ms. */
import type { Moment } from '../journal/journal.ts'
import type { Clock } from '../world/clock.ts'

/** Whole ms, rounded down: what is due at a whole ms is due when its timer has run. */
export function now(clock: Clock): Moment {
  return { steadyMs: Math.floor(clock.steady()), wallMs: Math.floor(clock.wall()) }
}

export function toWall(at: Moment, steadyMs: number): number {
  return at.wallMs + (steadyMs - at.steadyMs)
}

export function toSteady(at: Moment, wallMs: number): number {
  return at.steadyMs + (wallMs - at.wallMs)
}
