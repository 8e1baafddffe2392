/**
 * One question with what says who asks: cookies and Authorization are put on here, for this one address, and nowhere kept with
 * the request, so that no redirect can carry them away. A 401 that can be answered is answered, twice at most.
 */
import type { CookiePolicy } from '../../contract/session.ts'
import type { RequestFacts, ResponseJson } from '../../contract/task.ts'
import type { HeaderList } from '../../world/transport.ts'
import type { Access } from '../access.ts'
import { AttemptStopped } from '../endings.ts'
import type { Unauthorised } from './authentication.ts'
import type { SiteContext } from './cookies.ts'

interface Answered {
  readonly status: number
  readonly headers: HeaderList
  readonly unauthorised?: Unauthorised
  close(): void
}

export interface Introduction {
  readonly access: Access | undefined
  readonly cookies: CookiePolicy
  /** How the request came about. */
  readonly site: SiteContext
  readonly signal: AbortSignal
}

/** @param put asks with these header fields in place of the request's own */
export async function introduced<A extends Answered>(
  request: RequestFacts,
  { access, cookies, site, signal }: Introduction,
  put: (headers: HeaderList) => Promise<A>,
): Promise<A> {
  if (access === undefined) return put(request.headers)
  const { authentication } = access
  const jar = cookies === 'session' && !has(request.headers, 'cookie')
  let shown = await orStopped(authentication.introduce(request), signal)
  for (let answered = 0; ; answered++) {
    const cookie = jar ? await orStopped(access.cookieFor(request.url, site), signal) : undefined
    const own = shown.by === 'request' ? request.headers : without(request.headers, 'authorization')
    const answer = await put([
      ...own,
      ...(shown.value === undefined ? [] : [['authorization', shown.value] as const]),
      ...(cookie === undefined ? [] : [['cookie', cookie] as const]),
    ])
    try {
      if (cookies === 'session') await access.takeCookies(request.url, answer.headers)
      authentication.told(shown, answer.headers)
      if (answer.status !== 401) return answer
      const next = await orStopped(authentication.answer(request, shown, answer.headers, answered), signal)
      if ('why' in next) return { ...answer, unauthorised: next }
      shown = next
    } catch (error) {
      answer.close()
      throw error
    }
    answer.close()
  }
}

/** What is known has to be read first, which may take as long as the journal cannot be. @throws AttemptStopped */
async function orStopped<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>()
  const stop = (): void => reject(new AttemptStopped())
  if (signal.aborted) stop()
  else signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([promise, work])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}

/** The request as it is recorded and shown: what it was allowed by stays behind. */
export function shownRequest(request: RequestFacts): RequestFacts {
  const { authorization: _made, ...rest } = request
  return { ...rest, headers: request.headers.map(([name, value]) => [name, isSecret(name) ? '***' : value]) }
}

/** The answer as it is recorded and shown: cookies that went into the jar are told by their names. */
export function shownResponse(response: ResponseJson, cookies: CookiePolicy): ResponseJson {
  if (cookies === 'none' || !has(response.headers, 'set-cookie')) return response
  const headers = response.headers.map(([name, value]) =>
    name.toLowerCase() === 'set-cookie'
      ? ([name, value.replace(/^([^=;]*)=[^;]*/, '$1=***')] as const)
      : ([name, value] as const),
  )
  return { ...response, headers }
}

function isSecret(name: string): boolean {
  return /^(?:proxy-)?authorization$|^cookie$/i.test(name)
}

function has(headers: HeaderList, name: string): boolean {
  return headers.some(([each]) => each.toLowerCase() === name)
}

function without(headers: HeaderList, name: string): HeaderList {
  return headers.filter(([each]) => each.toLowerCase() !== name)
}
