/** The flags that `get` and `add` share, and what they mean as options of a task. */
import { join } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import type { ProxyChoice } from '../contract/proxy.ts'
import type { DownloadOptions, HeaderPairs, IfExists } from '../contract/task.ts'
import type { DurationLike } from '../contract/units.ts'
import type { Context, Flag, Input } from './command.ts'
import { durationOf, msOf, ofTransfers } from './durations.ts'
import { headerOf } from './header.ts'
import { rateOf } from './rates.ts'
import { tlsFlags, tlsOf } from './tls-flags.ts'

/** Tasks of the command line live in this session. */
export const cliSession = 'cli'

export const downloadFlags: readonly Flag[] = [
  {
    name: 'output',
    short: 'o',
    value: 'FILE',
    help: 'the file; an existing one is replaced when the new one is whole',
  },
  { name: 'directory', short: 'd', value: 'DIR', help: 'the folder; the server names the file (default: this folder)' },
  { name: 'remote-name', short: 'O', help: "the server's name, in this folder (the default)" },
  { name: 'input', short: 'i', value: 'LIST', many: true, help: 'a file with an address a line; - for standard input' },
  {
    name: 'digest',
    value: 'DIGEST',
    many: true,
    help: 'what the file must have: sha-256:HEX, sha256-BASE64 or sha-256=:BASE64: (also sha-512, sha-1, md5, crc32)',
  },
  { name: 'header', short: 'H', value: "'NAME: VALUE'", many: true, help: 'a request header' },
  { name: 'user-agent', value: 'TEXT', help: 'the User-Agent header' },
  { name: 'referer', value: 'URL', help: 'the Referer header' },
  {
    name: 'user',
    short: 'u',
    value: 'USER:PASSWORD',
    help: 'for Basic or Digest (stays in your shell history)',
  },
  ...tlsFlags,
  {
    name: 'proxy',
    value: 'URL|none|system',
    help: "go by way of this proxy: http://, https:// or socks5://; default: what the daemon's environment says",
  },
  {
    name: 'proxy-bypass',
    value: 'LIST',
    many: true,
    help: 'hosts and nets that --proxy is not for: example.com,10.0.0.0/8',
  },
  { name: 'priority', value: 'low|normal|high', help: 'order among queued tasks, also a number from 0 to 1' },
  { name: 'at', value: 'WHEN', help: 'not before: 23:00, +2h, or an ISO date' },
  { name: 'after', value: 'TASK', many: true, help: 'not before this task has succeeded' },
  { name: 'deadline', value: 'DURATION', help: "fail after this long (default '7d')" },
  { name: 'stall', value: 'DURATION', help: "end an attempt after this long without a byte (default '60s')" },
  {
    name: 'segments',
    value: 'N',
    help: "connections on one file where the server can, 1 to 64 (default: the session's, 4)",
  },
  {
    name: 'max-attempts',
    value: 'N',
    help: 'at most N tries that fail; waiting for a disk or a folder is none (default: until the deadline)',
  },
  { name: 'limit-rate', value: 'RATE', help: 'at most so many bytes a second: 2MB/s, 500k; none for no limit' },
  { name: 'force', help: 'replace an existing file even where the server names it' },
  { name: 'keep-both', help: 'keep an existing file; the new one gets (1) before its extension' },
  {
    name: 'skip-existing',
    help: 'succeed at once where the file exists; with --digest, only if that is the digest of it (links are not followed)',
  },
  { name: 'session', value: 'NAME', help: `the session to add to (default '${cliSession}')` },
]

/** @throws INVALID_ARGUMENT; FILE_DOES_NOT_EXIST for a `--ca` that cannot be read */
export async function optionsOf(
  input: Input,
  context: Context,
): Promise<DownloadOptions<undefined> & { readonly to: string }> {
  const ifExists = ifExistsOf(input)
  const tls = await tlsOf(input, context)
  const digests = input.values('digest').map((digest) => digest.replace(/^(sha-?\d+|md5)=(?!:)/i, '$1:'))
  const [priority, at] = [input.value('priority'), input.value('at')]
  const attempts = attemptsOf(input.value('max-attempts'))
  const proxy = proxyOf(input)
  const segments = segmentsOf(input.value('segments'))
  const limit = limitOf(input)
  const [deadline, stall] = [intervalOf(input, 'deadline'), intervalOf(input, 'stall')]
  return {
    to: targetOf(input),
    ...(ifExists !== undefined && { ifExists }),
    ...(digests.length > 0 && { expectedDigest: digests }),
    ...(tls !== undefined && { tls }),
    ...(proxy !== undefined && { proxy }),
    ...(priority !== undefined && { priority: priorityOf(priority) }),
    ...(at !== undefined && { earliestBeginDate: whenOf(at, context.wallMs()) }),
    ...(deadline !== undefined && { timeoutIntervalForResource: deadline }),
    ...(stall !== undefined && { timeoutIntervalForRequest: stall }),
    ...(segments !== undefined && { maximumSegments: segments }),
    ...(typeof limit === 'number' && { bandwidthLimit: limit }),
    ...(attempts !== undefined && { retry: { maximumAttempts: attempts } }),
  }
}

/** Bytes per second; null: none; undefined: not said. @throws INVALID_ARGUMENT */
export function limitOf(input: Input): number | null | undefined {
  const rate = input.value('limit-rate')
  return rate === undefined ? undefined : rateOf(rate, '--limit-rate')
}

/** @throws INVALID_ARGUMENT */
export function headersOf(input: Input): HeaderPairs {
  const pairs = input.values('header').map(headerOf)
  const agent = input.value('user-agent')
  const referer = input.value('referer')
  const user = input.value('user')
  if (agent !== undefined) pairs.push(['User-Agent', agent])
  if (referer !== undefined) pairs.push(['Referer', referer])
  if (user !== undefined) pairs.push(['Authorization', `Basic ${Buffer.from(user, 'utf8').toString('base64')}`])
  return pairs
}

function targetOf(input: Input): string {
  const given = input.value('output')
  // `b/.` is a folder also where there is none yet.
  const output = given !== undefined && /(?:^|\/)\.\.?$/.test(given) ? `${given}/` : given
  const directory = input.value('directory')
  if (output === undefined) return `${directory ?? '.'}/`
  if (directory === undefined) return output
  if (given?.includes('/')) throw refused('-o with a path and -d both say where the file goes. Use one of them.')
  return join(directory, output)
}

function ifExistsOf(input: Input): IfExists | undefined {
  const meanings = { force: 'replace', 'keep-both': 'keepBoth', 'skip-existing': 'skip' } as const
  const given = (Object.keys(meanings) as (keyof typeof meanings)[]).filter((flag) => input.has(flag))
  if (given.length > 1) throw refused(`${given.map((flag) => `--${flag}`).join(' and ')} exclude each other.`)
  return given[0] === undefined ? undefined : meanings[given[0]]
}

function proxyOf(input: Input): ProxyChoice | undefined {
  const url = input.value('proxy')
  const bypass = input.values('proxy-bypass').flatMap((list) => list.split(/[\s,]+/).filter((entry) => entry !== ''))
  if (bypass.length > 0 && (url === undefined || url === 'none' || url === 'system'))
    throw refused('--proxy-bypass says what a proxy is not for, so it wants --proxy URL.')
  return url === undefined || url === 'none' || url === 'system' ? url : { url, bypass }
}

function intervalOf(input: Input, flag: 'deadline' | 'stall'): DurationLike | undefined {
  const value = input.value(flag)
  return value === undefined ? undefined : { milliseconds: durationOf(value, `--${flag}`, ofTransfers) }
}

function attemptsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(text)) throw refused(`--max-attempts ${text}: write a whole number from 1 to 999999999.`)
  return Number(text)
}

function segmentsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d?$/.test(text) || Number(text) > 64) throw refused(`--segments ${text}: write a number from 1 to 64.`)
  return Number(text)
}

function priorityOf(word: string): number {
  const named = ({ low: 0.25, normal: 0.5, high: 0.75 } as Readonly<Record<string, number>>)[word]
  const found = named ?? Number(word)
  if (!(found >= 0 && found <= 1)) throw refused(`--priority ${word}: write low, normal, high or a number from 0 to 1.`)
  return found
}

/** `23:00` is the next time the clock shows it; `+2h` from now; else a date. */
function whenOf(word: string, wallMs: number): Date {
  const clock = /^(\d{1,2}):(\d{2})$/.exec(word)
  if (clock !== null && Number(clock[1]) < 24 && Number(clock[2]) < 60) {
    const when = new Date(wallMs)
    when.setHours(Number(clock[1]), Number(clock[2]), 0, 0)
    if (when.getTime() <= wallMs) when.setDate(when.getDate() + 1)
    return when
  }
  const isFromNow = word.startsWith('+')
  const when = new Date(isFromNow ? wallMs + (msOf(word.slice(1)) ?? Number.NaN) : word)
  if (!(isFromNow || /^\d{4}-/.test(word)) || Number.isNaN(when.getTime()))
    throw refused(`--at ${word}: write 23:00, +2h or an ISO date such as 2026-12-24T18:00.`)
  return when
}

function refused(message: string): LonghaulError {
  return new LonghaulError('INVALID_ARGUMENT', `${message} Nothing was started.`)
}
