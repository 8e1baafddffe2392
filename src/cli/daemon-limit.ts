/** `longhaul daemon limit`: shows or changes the bandwidth limit of all transfers together, and its timetable. */
import type { BandwidthChange } from '../contract/bandwidth.ts'
import { LonghaulError } from '../contract/errors.ts'
import type { Context, Input } from './command.ts'
import { exitCodes } from './exit-codes.ts'
import { hoursOf, rateOf } from './rates.ts'
import { limitNow, timetableLines } from './render/bandwidth.ts'
import { jsonLine } from './render/json-view.ts'
import { sheet } from './render/sheet.ts'

/** @param words behind `daemon limit` @throws INVALID_ARGUMENT */
export async function daemonLimit(words: readonly string[], input: Input, context: Context): Promise<number> {
  const change = changeOf(words, input)
  const link = await context.daemon()
  const status = await link.call('daemon.limit', change === undefined ? {} : { change })
  if (context.json) context.out(jsonLine('daemon.limit', context.wallMs(), { ...status }))
  else if (!context.quiet) {
    context.out(`${limitNow(status, context.words, context.wallMs())}\n`)
    const lines = timetableLines(status, context.words)
    if (lines.length > 0) context.out(sheet(lines, context.output))
  }
  return exitCodes.done
}

function changeOf(words: readonly string[], input: Input): BandwidthChange | undefined {
  const [rate, ...more] = words
  const when = input.value('when')
  if (more.length > 0) throw refused(`longhaul daemon limit takes one rate; '${more[0]!}' is too much.`)
  if (input.has('clear')) {
    if (rate !== undefined || when !== undefined) throw refused('--clear takes everything away; it stands alone.')
    return { kind: 'clear' }
  }
  if (rate === undefined) {
    if (when !== undefined)
      throw refused(`--when says in which hours, but no rate: longhaul daemon limit RATE --when '${when}'.`)
    return undefined
  }
  const bytesPerSecond = rateOf(rate, 'limit')
  if (when === undefined) return { kind: 'limit', bytesPerSecond }
  return { kind: 'window', window: { ...hoursOf(when), ...(bytesPerSecond !== null && { limit: bytesPerSecond }) } }
}

function refused(message: string): LonghaulError {
  return new LonghaulError('INVALID_ARGUMENT', `${message} Nothing was changed.`)
}
