import type { Clock } from '../../../src/world/clock.ts'

/** A clock that leaps over time, instead of a test that waits for it. */
export function leapingClock(clock: Clock): { readonly clock: Clock; readonly leap: (ms: number) => void } {
  let leapt = 0
  return {
    clock: {
      steady: () => clock.steady() + leapt,
      wall: () => clock.wall(),
      sleep: (ms, signal) => clock.sleep(ms, signal),
      timer: (at, run) => clock.timer(at - leapt, run),
    },
    leap: (ms) => {
      leapt += ms
    },
  }
}
