/** The daemon's own bandwidth limit, for all sessions together, and its weekly timetable. */

/** Some hours of some days, by the local wall clock. */
export interface BandwidthWindow {
  /** On which days it begins: 0 Monday to 6 Sunday, ascending, each once. */
  readonly days: readonly number[]
  /** Minute of the day, 0–1439. */
  readonly from: number
  /** Exclusive, 1–1440; not after `from`: on the next day. */
  readonly to: number
  /** Bytes per second; absent: no limit in these hours. */
  readonly limit?: number
}

export interface DaemonBandwidth {
  /** Bytes per second, outside the windows; absent: none. */
  readonly limit?: number
  /** Where two overlap, the later one in the list holds. */
  readonly windows: readonly BandwidthWindow[]
}

/** One thing that a person changes. */
export type BandwidthChange =
  /** Outside the windows; null: none. */
  | { readonly kind: 'limit'; readonly bytesPerSecond: number | null }
  /** One more, or in the place of one for the same hours. */
  | { readonly kind: 'window'; readonly window: BandwidthWindow }
  /** Neither limit nor windows. */
  | { readonly kind: 'clear' }

export interface BandwidthStatus extends DaemonBandwidth {
  /** What holds now, in bytes per second; absent: no limit. */
  readonly now?: number
  /** Wall ms at which the timetable changes that; absent: never. */
  readonly changesAtMs?: number
}

/** As many as a week has hours. */
const mostWindows = 168

export const noBandwidthLimit: DaemonBandwidth = { windows: [] }

/** Pure. */
export function changedBandwidth(bandwidth: DaemonBandwidth, change: BandwidthChange): DaemonBandwidth {
  switch (change.kind) {
    case 'clear':
      return noBandwidthLimit
    case 'limit': {
      const { windows } = bandwidth
      return change.bytesPerSecond === null ? { windows } : { windows, limit: change.bytesPerSecond }
    }
    case 'window': {
      const { window } = change
      const others = bandwidth.windows.filter((other) => hoursOf(other) !== hoursOf(window))
      return { ...bandwidth, windows: [...others, window].slice(-mostWindows) }
    }
  }
}

function hoursOf({ days, from, to }: BandwidthWindow): string {
  return `${days.join()} ${from} ${to}`
}
