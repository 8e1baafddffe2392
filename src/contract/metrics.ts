/** What was measured of a task (Apple's `URLSessionTaskMetrics`): wall ms in the plain form, dates in the public one. */
import type { RequestFacts, ResponseJson } from './task.ts'

/** Each time is absent where that phase did not happen. */
type Phases<T, Suffix extends string> = { readonly [K in `fetchStart${Suffix}`]: T } & {
  readonly [K in `${Exclude<PhaseName, 'fetchStart'>}${Suffix}`]?: T
}
const phaseNames = [
  'fetchStart',
  'domainLookupStart',
  'domainLookupEnd',
  'connectStart',
  'secureConnectionStart',
  'secureConnectionEnd',
  'connectEnd',
  'requestStart',
  'requestEnd',
  'responseStart',
  'responseEnd',
] as const
type PhaseName = (typeof phaseNames)[number]

/** One request and its answer, but for the times. */
export interface TransactionFacts {
  readonly request: RequestFacts
  readonly response?: ResponseJson
  readonly protocol: 'http/1.1' | 'h2'
  /** The connection had served another request before. */
  readonly reused: boolean
  readonly proxied: boolean
  readonly headerBytesSent: number
  readonly bodyBytesSent: number
  readonly headerBytesReceived: number
  readonly bodyBytesReceived: number
  readonly localAddress?: string
  readonly remoteAddress?: string
  readonly tlsVersion?: string
  readonly tlsCipher?: string
}

export type TransactionJson = TransactionFacts & Phases<number, 'Ms'>
export type TransactionMetrics = TransactionFacts & Phases<Date, ''>

export interface TaskMetricsJson {
  readonly startMs: number
  readonly endMs: number
  readonly redirectCount: number
  readonly attempts: number
  readonly transactions: readonly TransactionJson[]
}

export interface TaskMetrics {
  readonly taskInterval: { readonly start: Date; readonly end: Date }
  readonly redirectCount: number
  readonly attempts: number
  readonly transactions: readonly TransactionMetrics[]
}

export function metricsFromJson(json: TaskMetricsJson): TaskMetrics {
  return {
    taskInterval: { start: new Date(json.startMs), end: new Date(json.endMs) },
    redirectCount: json.redirectCount,
    attempts: json.attempts,
    transactions: json.transactions.map(transactionFromJson),
  }
}

function transactionFromJson(json: TransactionJson): TransactionMetrics {
  const fields = new Map<string, unknown>(Object.entries(json))
  for (const name of phaseNames) {
    const ms = json[`${name}Ms`]
    fields.delete(`${name}Ms`)
    if (ms !== undefined) fields.set(name, new Date(ms))
  }
  return Object.fromEntries(fields) as unknown as TransactionMetrics
}
