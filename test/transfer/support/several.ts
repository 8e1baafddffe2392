/**
 * A file that comes over several connections, without a wait: the first answers stand still until the one that a test is about
 * has been asked for, and then go on. Pieces are small, so the file is too.
 */
import { setImmediate } from 'node:timers/promises'
import type { FileOptions, Step } from '../../../src/testing/index.ts'
import { ok, stallAfter } from '../../../src/testing/index.ts'
import type { Outcome } from '../../../src/transfer/assignment.ts'
import type { PieceSizes } from '../../../src/transfer/download/pieces.ts'
import { type Bench, expectKind, type Wishes } from './bench.ts'
import { leapingClock } from './leaping-clock.ts'

const kibibyte = 1024
export const severalBytes: number = 1536 * kibibyte
/** What each of the first answers gives before it stands still. */
export const firstBytes: number = 64 * kibibyte
export const smallPieces: PieceSizes = {
  worthJoining: 256 * kibibyte,
  smallestPiece: 256 * kibibyte,
  largestPiece: 1024 * kibibyte,
  smallestSplit: 128 * kibibyte,
  smallestHalf: 16 * kibibyte,
}
export const filePath = '/several.bin'

/** Where in the course of a download a server does what a test is about. */
export const moments = [
  'the second connection',
  'the third connection',
  'the first gap of a resume',
  'a later gap of a resume',
] as const
export type Moment = (typeof moments)[number]

export interface Told {
  readonly file?: Partial<FileOptions>
  /** What the server does at that moment with a range. */
  readonly step: Step
  /** How often it does so, if it is asked. @default 1 */
  readonly times?: number
  readonly wishes?: Wishes
}

/** Attempts as the retry policy makes them, until one ends the task; its outcome. */
export async function downloadTold(bench: Bench, moment: Moment, told: Told): Promise<Outcome> {
  let bends = 0
  const step: Step = (request) => {
    // Whole answers are always good ones: what is bent is the answer to a range.
    if (request.headers['range'] === undefined) return ok()
    bends++
    return typeof told.step === 'function' ? told.step(request) : told.step
  }
  const outcome = await downloadAt(bench, moment, { ...told, step })
  if (bends === 0) throw new Error(`nothing was asked at ${moment}`)
  return outcome
}

async function downloadAt(bench: Bench, moment: Moment, told: Told): Promise<Outcome> {
  const { step, times = 1, file } = told
  const lies = Array.from({ length: times }, () => step)
  const url = bench.server.file(filePath, { size: severalBytes, etag: '"v1"', seed: 'first', ...file })
  bench.sizes = smallPieces
  const wishes: Wishes = { ...told.wishes, policy: { maximumSegments: 4, stallMs: 1000, ...told.wishes?.policy } }
  const stalled = stallAfter(firstBytes)
  if (moment === 'the second connection') {
    bench.server.change(filePath, { script: [stalled, ...lies] })
    const running = bench.run(url, wishes)
    await answered(bench)
    bench.server.release()
    return toTheEnd(bench, url, wishes, await running)
  }
  bench.server.change(filePath, { script: [stalled, stalled, ...(moment === 'the third connection' ? lies : [])] })
  // Only a rate that lasts brings a third connection: this clock leaps over the time that it takes.
  const { clock, leap } = leapingClock(bench.world.clock)
  const running = bench.run(url, wishes, { world: { clock } })
  await bench.handedOver(2 * firstBytes)
  await setImmediate()
  if (moment === 'the third connection') {
    leap(200)
    bench.server.release()
    return toTheEnd(bench, url, wishes, await running)
  }
  bench.server.resetAll()
  expectKind(await running, 'failed')
  const { length } = bench.part?.ranges ?? []
  if (length !== 2) throw new Error(`there should be two ranges with a gap between them, not ${length}`)
  const good = moment === 'a later gap of a resume' ? [{}] : []
  bench.server.change(filePath, { script: [...good, ...lies] })
  return toTheEnd(bench, url, { ...wishes, policy: { ...wishes.policy, maximumSegments: 1 } })
}

/** Resolves when the first answer stands still and the second request has its answer, or as much of it as it gets. */
async function answered(bench: Bench): Promise<void> {
  const [first, second] = [await bench.server.received(1), await bench.server.received(2)]
  const isDone = (): boolean => first.bytesSent >= firstBytes && (second.bytesSent > 0 || second.ended !== 'no')
  await bench.server.until(isDone, 'the first answer and one to the second request')
  // The server says what it has sent before it stands still.
  await setImmediate()
}

async function toTheEnd(bench: Bench, url: string, wishes: Wishes, first?: Outcome): Promise<Outcome> {
  let outcome = first ?? (await bench.run(url, wishes))
  for (let attempts = 1; attempts < 8; attempts++) {
    if (outcome.kind !== 'failed') return outcome
    const { kind } = outcome.failure
    if (kind !== 'network' && (kind !== 'malformed' || attempts > 1)) return outcome
    outcome = await bench.run(url, wishes)
  }
  return outcome
}
