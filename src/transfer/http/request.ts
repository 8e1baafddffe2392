/**
 * One question to its final answer: redirects followed, the stall timer running, stopped when the attempt is stopped.
 * What ends it early is `guard`.
 */
import { LonghaulError } from '../../contract/errors.ts'
import type { ProxyJson } from '../../contract/proxy.ts'
import type { CookiePolicy, TlsOptions } from '../../contract/session.ts'
import { maskUrl, type RequestFacts, type ResponseJson } from '../../contract/task.ts'
import type { Clock } from '../../world/clock.ts'
import {
  type BodyEnd,
  type BodySink,
  type Exchange,
  type HeaderList,
  type Outgoing,
  type Transport,
} from '../../world/transport.ts'
import type { Access } from '../access.ts'
import { AttemptFailed } from '../endings.ts'
import type { Measures } from '../measures.ts'
import type { Throttle } from '../rates/throttle.ts'
import { suggestedFilename } from '../files/names.ts'
import type { Unauthorised } from './authentication.ts'
import { isSameSite, type SiteContext } from './cookies.ts'
import { wantedDigests } from './digest-field.ts'
import { Guard, guarded, throttled } from './guard.ts'
import { introduced, shownRequest, shownResponse } from './introduced.ts'
import { isPrivateAddress, ledBack, maximumRedirects, redirected, redirectTarget, refusePrivate } from './redirect.ts'
import type { RedirectRules } from './redirect.ts'

export interface RequestPolicy extends RedirectRules {
  readonly stallMs: number
  readonly cookies: CookiePolicy
  readonly tls: TlsOptions
  readonly proxy: ProxyJson
  /** As `Outgoing.checkAddress`. */
  readonly checkAddress?: (address: string) => void
  /** As `Outgoing.wants`. */
  readonly wants?: (status: number) => boolean
}

export interface RequestWorld {
  readonly transport: Transport
  readonly clock: Clock
  readonly measures: Measures
  readonly throttle?: Throttle
  /** Without it no cookie is sent or taken, and no challenge answered. */
  readonly access?: Access
}

/** A final answer whose body has not been read. Whoever holds it reads it to its end or closes it. */
export interface Answer {
  readonly response: ResponseJson
  readonly status: number
  readonly headers: HeaderList
  /** Why a 401 was not answered. */
  readonly unauthorised?: Unauthorised
  /** Once only. @throws AttemptFailed STALLED, AttemptStopped, NetworkFailure, what the sink threw */
  receive(sink: BodySink): Promise<BodyEnd>
  /** As {@link Exchange.arrived}. */
  arrived(told: () => void): void
  close(): void
  /**
   * Asks the same of a place to which the address led before, under the rules that hold for a redirect to there; also after
   * `close`. @throws as `ask`
   */
  askInstead(place: string): Promise<Answer>
}

/** A question on its way: what is asked next, and what the way so far leaves it. */
interface Hop {
  readonly request: RequestFacts
  readonly policy: RequestPolicy
  readonly site: SiteContext
  /** Redirects that led here. */
  readonly redirects: number
  /** Who led here. */
  readonly by?: { readonly url: string; readonly remoteAddress: string | undefined }
}

/** @throws AttemptFailed, AttemptStopped, NetworkFailure */
export async function ask(
  request: RequestFacts,
  policy: RequestPolicy,
  world: RequestWorld,
  signal: AbortSignal,
): Promise<Answer> {
  return follow({ request: withDefaults(request), policy, site: 'strict', redirects: 0 }, world, signal)
}

async function follow(begun: Hop, world: RequestWorld, signal: AbortSignal): Promise<Answer> {
  const { policy } = begun
  let begunAt: string | undefined
  for (let hop = begun; ;) {
    const { request, site, by, policy: here } = hop
    const who = { access: world.access, cookies: policy.cookies, site, signal }
    const answer = await introduced(request, who, (headers) => askOnce(request, headers, here, world, signal))
    const remoteAddress = answer.facts.proxied ? undefined : answer.facts.remoteAddress
    if (hop === begun) begunAt = remoteAddress
    try {
      if (by !== undefined && remoteAddress !== undefined && isPrivateAddress(remoteAddress))
        refusePrivate(by.url, by.remoteAddress, maskUrl(request.url), policy)
      const location = redirectTarget(answer)
      if (location === undefined) {
        const askInstead = async (place: string): Promise<Answer> =>
          follow(hopBack(begun, begunAt, place), world, signal)
        return { ...answer, askInstead }
      }
      if (hop.redirects === maximumRedirects)
        throw new AttemptFailed(
          new LonghaulError(
            'TOO_MANY_REDIRECTS',
            `${maskUrl(begun.request.url)} redirected more than ${maximumRedirects} times, last to ${maskUrl(request.url)}.`,
          ),
          { kind: 'final' },
        )
      hop = hopTo(redirected(request, answer.status, location, remoteAddress, policy), hop, remoteAddress)
    } catch (error) {
      answer.close()
      throw error
    }
    // Its body is of no use, and reading it would let a server keep us busy.
    answer.close()
    world.measures.redirected()
  }
}

function hopTo(request: RequestFacts, from: Hop, remoteAddress: string | undefined): Hop {
  const by = { url: from.request.url, remoteAddress }
  const to = maskUrl(request.url)
  // A public name may lead to a private address. That is not even connected to, unless by a proxy.
  const checkAddress = (address: string): void => {
    if (isPrivateAddress(address)) refusePrivate(by.url, by.remoteAddress, to, from.policy)
  }
  const policy = { ...from.policy, checkAddress }
  const sameOrigin = new URL(request.url).origin === new URL(by.url).origin
  const strict = from.site === 'strict' && isSameSite(by.url, request.url)
  return {
    request,
    policy: sameOrigin ? policy : nameless(policy),
    site: strict ? 'strict' : ledSite(request),
    redirects: from.redirects + 1,
    by,
  }
}

/** To where redirects led before: as to another origin, even if it is none. */
function hopBack(from: Hop, remoteAddress: string | undefined, place: string): Hop {
  const request = ledBack(from.request, place, remoteAddress, from.policy)
  const hop = hopTo(request, from, remoteAddress)
  return { ...hop, policy: nameless(hop.policy), site: ledSite(request) }
}

/** How a request came about that another site led to. */
function ledSite({ method }: RequestFacts): SiteContext {
  return method === 'GET' || method === 'HEAD' ? 'lax' : 'none'
}

/** To another origin the client does not tell who it is, by header or by certificate. */
function nameless(policy: RequestPolicy): RequestPolicy {
  const { clientCertificate: _ours, ...tls } = policy.tls
  return { ...policy, tls }
}

type RawAnswer = Omit<Answer, 'askInstead'> & { readonly facts: Exchange['facts'] }

async function askOnce(
  request: RequestFacts,
  /** In place of the request's own: what says who asks is sent and not recorded. */
  headers: HeaderList,
  policy: RequestPolicy,
  world: RequestWorld,
  signal: AbortSignal,
): Promise<RawAnswer> {
  const guard = new Guard(world.clock, policy.stallMs, maskUrl(request.url), signal)
  let exchange: Exchange
  try {
    const asked = { ...outgoing({ ...request, headers }, policy), heard: () => guard.heard() }
    const opening = world.transport.open(asked, guard.signal)
    // One that opens after we gave up has nobody else to close it.
    opening.then(
      (late) => guard.over && late.close(),
      () => undefined,
    )
    exchange = await guard.race(opening)
  } catch (error) {
    guard.end()
    throw error
  }
  const bare = { url: request.url, status: exchange.head.status, headers: exchange.head.headers }
  const response = shownResponse({ ...bare, suggestedFilename: suggestedFilename(bare) }, policy.cookies)
  const transaction = world.measures.transaction(shownRequest(request), response, exchange)
  const close = (): void => {
    guard.end()
    exchange.close()
    transaction.ended(world.clock.wall())
  }
  guard.onBreak(close)
  return {
    response,
    status: exchange.head.status,
    headers: exchange.head.headers,
    facts: exchange.facts,
    receive: async (sink) => {
      guard.heard()
      try {
        return await guard.race(exchange.receive(guarded(throttled(sink, guard, world.throttle), guard, transaction)))
      } finally {
        close()
      }
    },
    arrived: (told) => exchange.arrived?.(told),
    close,
  }
}

/**
 * What we send when the request does not say otherwise. A coded body could never be joined, so none is asked for. A digest is
 * asked for always: whatever else proves the bytes, nothing finds out more, and a server that does not know it ignores it.
 */
const defaults: HeaderList = [
  ['accept', '*/*'],
  ['accept-encoding', 'identity'],
  ['user-agent', 'longhaul'],
  ['want-repr-digest', wantedDigests],
]

function withDefaults(request: RequestFacts): RequestFacts {
  const url = new URL(request.url)
  const given = new Set(request.headers.map(([name]) => name.toLowerCase()))
  const headers = [...request.headers, ...defaults.filter(([name]) => !given.has(name))]
  const own = url.username !== '' && !given.has('authorization')
  if (own) {
    const credentials = `${decoded(url.username)}:${decoded(url.password)}`
    headers.push(['authorization', `Basic ${Buffer.from(credentials).toString('base64')}`])
  }
  url.username = ''
  url.password = ''
  return { ...request, url: url.href, headers, ...(own && { authorization: 'from address' }) }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function outgoing(request: RequestFacts, { tls, proxy, checkAddress, wants }: RequestPolicy): Outgoing {
  const { ca, minimumVersion, maximumVersion, clientCertificate, pins } = tls
  return {
    ...request,
    proxy,
    ...(checkAddress !== undefined && { checkAddress }),
    ...(wants !== undefined && { wants }),
    tls: {
      ...(ca !== undefined && { ca }),
      ...(minimumVersion !== undefined && { minimumVersion }),
      ...(maximumVersion !== undefined && { maximumVersion }),
      ...(clientCertificate !== undefined && { clientCertificate }),
      ...(pins !== undefined && { pins }),
    },
  }
}
