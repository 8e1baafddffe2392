/**
 * What each verb may be asked with. A bad value is refused here, by its name, before anything happens; fields that are not
 * known are left out, for a client of a newer minor version may send them.
 */
import { z } from 'zod'
import type { BandwidthChange } from '../contract/bandwidth.ts'
import { digestAlgorithms, digestBytes } from '../contract/digests.ts'
import { type ErrorCode, LonghaulError } from '../contract/errors.ts'
import type { ExplicitConfiguration, LaunchCommand, RetryJson, StatusRule, TlsOptions } from '../contract/session.ts'
import type { Destination, NewTask, TaskFilter, TaskPolicy } from '../contract/task.ts'
import type { Change, Params, Targets, Verb } from '../contract/verbs.ts'
import { credential, origin } from './credentials.ts'
import {
  bytesPerSecond,
  count,
  dateMs,
  durationMs,
  environment,
  fence,
  fileName,
  flag,
  folder,
  headers,
  identifier,
  json,
  list,
  method,
  proxy,
  sequence,
  sessionHeaders,
  taskId,
  text,
  timeoutMs,
  url,
} from './fields.ts'

// ---------------------------------------------------------------- policies

const retry: z.ZodType<RetryJson> = z.object({
  maximumAttempts: count(1).exactOptional(),
  initialDelayMs: durationMs,
  maximumDelayMs: durationMs,
})

const status = count(100, 999)
const statusRules: z.ZodType<readonly StatusRule[] | 'any'> = z.union([
  z.literal('any'),
  list(z.union([status, z.object({ from: status, to: status })]), 1000),
])

const secretReference = z.object({
  from: z.literal('file', "must be 'file': other places for secrets are not in this version"),
  name: folder,
})
const pin = z.string().regex(/^sha256\/[A-Za-z0-9+/]{43}=$/, 'is not sha256/ and a SHA-256 in Base64')
const tlsVersion = z.enum(['TLSv1.2', 'TLSv1.3'])
const tls: z.ZodType<TlsOptions> = z.object({
  minimumVersion: tlsVersion.exactOptional(),
  maximumVersion: tlsVersion.exactOptional(),
  ca: list(text(256 * 1024), 256).exactOptional(),
  clientCertificate: secretReference
    .extend({ key: secretReference.exactOptional(), passphrase: secretReference.exactOptional() })
    .exactOptional(),
  // None would mean that every server is right.
  pins: list(pin, 64)
    .refine((pins) => pins.length > 0, 'names no pin')
    .exactOptional(),
})

const configuration: z.ZodType<ExplicitConfiguration> = z.object({
  sendsLaunchEvents: flag.exactOptional(),
  timeoutIntervalForRequestMs: timeoutMs.exactOptional(),
  timeoutIntervalForResourceMs: timeoutMs.exactOptional(),
  maximumConnectionsPerHost: count(1, 1000).exactOptional(),
  maximumActiveTasks: count(1, 100_000).exactOptional(),
  maximumSegmentsPerTask: count(1, 1000).exactOptional(),
  httpAdditionalHeaders: sessionHeaders.exactOptional(),
  discretionary: flag.exactOptional(),
  allowsExpensiveNetworkAccess: flag.exactOptional(),
  allowsConstrainedNetworkAccess: flag.exactOptional(),
  retry: retry.exactOptional(),
  acceptableStatusCodes: statusRules.exactOptional(),
  tls: tls.exactOptional(),
  proxy: proxy.exactOptional(),
  cookies: z.enum(['session', 'none']).exactOptional(),
  launchTimeLimitMs: timeoutMs.exactOptional(),
  bandwidthLimit: z.union([bytesPerSecond, z.literal('none')]).exactOptional(),
})

const launch: z.ZodType<LaunchCommand> = z.object({
  command: folder,
  args: list(text(128 * 1024), 10_000).exactOptional(),
  cwd: folder.exactOptional(),
  umask: z.int().min(0).max(0o777).exactOptional(),
  env: environment.exactOptional(),
})

// ---------------------------------------------------------------- tasks

const authorization = z.literal('from address')

const destination: z.ZodType<Destination> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('file'), folder, name: fileName }),
  z.object({ kind: z.literal('folder'), folder }),
  z.object({ kind: z.literal('spool') }),
])

const policy: z.ZodType<TaskPolicy> = z.object({
  timeoutIntervalForRequestMs: timeoutMs.exactOptional(),
  timeoutIntervalForResourceMs: timeoutMs.exactOptional(),
  retry: retry.exactOptional(),
  acceptableStatusCodes: statusRules.exactOptional(),
  tls: tls.exactOptional(),
  proxy: proxy.exactOptional(),
  keepHeadersAcrossOrigins: list(text(256), 256).exactOptional(),
  allowPrivateRedirects: flag.exactOptional(),
  maximumSegments: count(1, 1000).exactOptional(),
  bandwidthLimit: bytesPerSecond.exactOptional(),
})

const newTask: z.ZodType<NewTask> = z.object({
  id: taskId,
  kind: z.literal('download', 'must be download: uploads are not in this version'),
  request: z.object({ url, method, headers, authorization: authorization.exactOptional() }),
  destination,
  ifExists: z.enum(['replace', 'keepBoth', 'fail', 'skip', 'revalidate']),
  umask: count(0, 0o777),
  description: text(16 * 1024).exactOptional(),
  metadata: json.exactOptional(),
  tags: list(text(1024), 256).exactOptional(),
  key: text(4096).exactOptional(),
  priority: z.number().min(0, 'must be 0–1').max(1, 'must be 0–1'),
  earliestBeginMs: dateMs.exactOptional(),
  after: list(taskId, 1000).exactOptional(),
  expectedDigests: list(
    z
      .object({ algorithm: z.enum(digestAlgorithms), hex: z.string().regex(/^[0-9a-f]*$/, 'is not lower-case hex') })
      .refine(
        ({ algorithm, hex }) => hex.length === digestBytes[algorithm] * 2,
        'has another length than its algorithm',
      ),
    16,
  ).exactOptional(),
  expectedLength: count(0).exactOptional(),
  policy,
  start: flag,
  again: flag.exactOptional(),
  giveUpAfterMs: durationMs.exactOptional(),
})

const filter: z.ZodType<TaskFilter> = z.object({
  ids: list(text(256), 10_000).exactOptional(),
  group: z.enum(['suspended', 'held', 'queued', 'waiting', 'active', 'completed']).exactOptional(),
  tag: text(1024).exactOptional(),
  host: text(1024).exactOptional(),
  match: text(4096).exactOptional(),
  outcome: z.enum(['succeeded', 'failed', 'cancelled']).exactOptional(),
})

const targets: z.ZodType<Targets> = z.union([
  z.object({ ids: list(taskId, 10_000) }),
  z.object({ session: identifier.exactOptional(), filter }),
])

const change: z.ZodType<Change> = z.discriminatedUnion('kind', [
  z.object({ kind: z.enum(['resume', 'suspend', 'hold', 'release', 'cancel', 'tryNow']) }),
  z.object({ kind: z.literal('bandwidthLimit'), bytesPerSecond: bytesPerSecond.nullable() }),
  z.object({ kind: z.literal('priority'), priority: z.number().min(0, 'must be 0–1').max(1, 'must be 0–1') }),
  z.object({
    kind: z.literal('request'),
    url: url.exactOptional(),
    headers: headers.exactOptional(),
    authorization: authorization.exactOptional(),
    restart: flag,
  }),
])

// ---------------------------------------------------------------- the daemon

const bandwidthChange: z.ZodType<BandwidthChange> = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('limit'), bytesPerSecond: bytesPerSecond.nullable() }),
  z.object({
    kind: z.literal('window'),
    window: z.object({
      days: list(count(0, 6), 7).refine(
        (days) => days.length > 0 && days.every((day, index) => index === 0 || day > days[index - 1]!),
        'must be days from 0 to 6, ascending, each once',
      ),
      from: count(0, 1439),
      to: count(1, 1440),
      limit: bytesPerSecond.exactOptional(),
    }),
  }),
  z.object({ kind: z.literal('clear') }),
])

// ---------------------------------------------------------------- verbs

const nothing = z.object({})
const ofSession = z.object({ identifier })
const ofEvent = z.object({ session: identifier, fence, sequence })

const checks = {
  'session.open': z.object({
    identifier,
    configuration,
    strictConfiguration: flag,
    launch: launch.nullable().exactOptional(),
    launchWhen: z.object({ atLeast: count(1).exactOptional(), afterMs: durationMs.exactOptional() }).exactOptional(),
    launchEnvironment: environment.exactOptional(),
    own: z
      .object({
        methods: list(text(128), 256),
        takeover: flag,
        fence: fence.exactOptional(),
        launchToken: text(256).exactOptional(),
        finishSeen: z.boolean().exactOptional(),
      })
      .exactOptional(),
  }),
  'session.activate': z.object({ identifier, fence }),
  'session.close': z.object({ identifier, fence: fence.exactOptional() }),
  'session.finish': z.object({ identifier, how: z.enum(['finish', 'cancel']) }),
  'session.drop': ofSession,
  'session.hold': z.object({ identifier, held: flag }),
  'session.setCredential': z.object({ identifier, origin, credential: credential.nullable() }),
  'session.counts': z.object({ identifier: identifier.exactOptional(), filter: filter.exactOptional() }),
  'session.list': nothing,
  'session.launchCompleted': z.object({ identifier, launchToken: text(256) }),
  'session.stillWorking': z.object({ identifier, foreground: flag }),
  'task.add': z.object({ session: identifier, tasks: list(newTask, 1000) }),
  'task.enqueue': z.object({
    session: identifier,
    tasks: list(newTask, 1000),
    follows: z.object({ chain: z.int().min(0), position: z.int().min(0) }).exactOptional(),
  }),
  'task.get': z.union([z.object({ id: text(256) }), z.object({ session: identifier, taskIdentifier: count(0) })]),
  'task.find': z.object({ text: text(4096) }),
  'task.page': z.object({
    session: identifier.exactOptional(),
    filter,
    completed: flag,
    sinceMs: dateMs.exactOptional(),
    cursor: text(1024).exactOptional(),
    limit: count(1, 1000),
  }),
  'task.change': z.object({ targets, change }),
  'task.retry': z.object({
    id: taskId,
    newId: taskId,
    url: url.exactOptional(),
    headers: headers.exactOptional(),
    authorization: authorization.exactOptional(),
    destination: destination.exactOptional(),
  }),
  'task.explain': z.object({ id: taskId }),
  'task.wait': z.object({ id: taskId }),
  'event.acknowledge': z.object({ session: identifier, fence, sequences: list(sequence, 10_000) }),
  'event.refuse': ofEvent.extend({ reason: text(16 * 1024) }),
  'event.slow': ofEvent.extend({ running: flag }),
  'watch.start': z.object({
    watch: count(0),
    ids: list(taskId, 10_000).exactOptional(),
    session: identifier.exactOptional(),
    intervalMs: durationMs,
  }),
  'watch.stop': z.object({ watch: count(0) }),
  'daemon.status': nothing,
  'daemon.limit': z.object({ change: bandwidthChange.exactOptional() }),
  'daemon.stop': nothing,
} satisfies { readonly [V in Verb]: z.ZodType<Params<V>> }

export const verbs: readonly Verb[] = Object.keys(checks) as Verb[]

/**
 * The parameters of a verb, checked, without fields that are not known.
 * @throws INVALID_ARGUMENT, BAD_URL or UNSUPPORTED_URL naming the field; `index` is the row of `task.add`
 */
export function checkParams<V extends Verb>(verb: V, params: unknown): Params<V> {
  const result = (checks[verb] as unknown as z.ZodType<Params<V>>).safeParse(params)
  if (result.success) return result.data
  const { path, message, code } = firstIssue(result.error.issues)
  const index =
    (verb === 'task.add' || verb === 'task.enqueue') && path[0] === 'tasks' && typeof path[1] === 'number'
      ? path[1]
      : undefined
  throw new LonghaulError(code, `${placeOf(verb, path)}: ${message}. Nothing was changed.`, { index })
}

interface Problem {
  readonly path: readonly PropertyKey[]
  readonly message: string
  readonly code: ErrorCode
}

/** Of alternatives that all fail, the one that got furthest says most. */
function firstIssue(issues: readonly z.core.$ZodIssue[], before: readonly PropertyKey[] = []): Problem {
  const issue = issues[0]!
  const path = [...before, ...issue.path]
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    const inner = issue.errors.map((each) => firstIssue(each, path))
    return inner.reduce((best, each) => (each.path.length > best.path.length ? each : best))
  }
  const given: unknown = issue.code === 'custom' ? issue.params?.['code'] : undefined
  const code = given === 'BAD_URL' || given === 'UNSUPPORTED_URL' ? given : 'INVALID_ARGUMENT'
  return { path, message: issue.message, code }
}

function placeOf(verb: Verb, path: readonly PropertyKey[]): string {
  const place = path.reduce<string>(
    (text, step) =>
      typeof step === 'number' ? `${text}[${step}]` : text === '' ? String(step) : `${text}.${String(step)}`,
    '',
  )
  return place === '' ? verb : place
}
