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

/** Of a task. */
export const transactionsKept = 100
/** Characters of addresses and heads that these may have together. They go to the app in one message, which has room for 1 MiB. */
export const transactionsText: number = 256 * 1024

/** The newest ones, as many as are kept and have room together. */
export function newestTransactions(all: readonly TransactionJson[]): readonly TransactionJson[] {
  let first = all.length
  let text = 0
  while (first > 0 && all.length - first < transactionsKept) {
    text += textOf(all[first - 1]!)
    if (text > transactionsText) break
    first--
  }
  return all.slice(first)
}

/** Characters of addresses and heads. */
export function textOf({ request, response }: Pick<TransactionFacts, 'request' | 'response'>): number {
  let text = request.url.length + (response?.url.length ?? 0)
  for (const headers of [request.headers, response?.headers ?? []])
    for (const [name, value] of headers) text += name.length + value.length
  return text
}

export interface TaskMetricsJson {
  readonly startMs: number
  readonly endMs: number
  readonly redirectCount: number
  readonly attempts: number
  /** Older ones first; see {@link newestTransactions}. */
  readonly transactions: readonly TransactionJson[]
}

export interface TaskMetrics {
  readonly taskInterval: { readonly start: Date; readonly end: Date }
  readonly redirectCount: number
  readonly attempts: number
  /** The newest 100 of all attempts, oldest first; fewer where their heads are very large. */
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
