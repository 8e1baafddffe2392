/** What a person set for the daemon as a whole. */
import { changedBandwidth, type DaemonBandwidth, noBandwidthLimit } from '../contract/bandwidth.ts'
import type { CommandInput, CommandOutput } from './journal.ts'
import { parse } from './records.ts'
import type { Store } from './store.ts'
import type { Work } from './work.ts'

export function bandwidth({ store }: Work): CommandOutput<'bandwidth'> {
  return read<DaemonBandwidth>(store, 'bandwidth') ?? noBandwidthLimit
}

export function changeBandwidth(work: Work, input: CommandInput<'changeBandwidth'>): CommandOutput<'changeBandwidth'> {
  const next = changedBandwidth(bandwidth(work), input.change)
  work.store.run('insert or replace into setting values (?, ?)', 'bandwidth', JSON.stringify(next))
  // The next boundary of the timetable is another.
  work.schedule = true
  return next
}

function read<T>(store: Store, name: string): T | undefined {
  const row = store.get<{ body: string }>('select body from setting where name = ?', name)
  return row === undefined ? undefined : parse<T>(row.body)
}
