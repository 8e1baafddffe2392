/** What a {@link FaultServer} keeps of each request. */

export interface ReceivedRequest {
  /** From 1, over all paths. */
  readonly number: number
  readonly method: string
  /** Path and query. */
  readonly path: string
  /** Names in lower case; of repeated ones the last. */
  readonly headers: Readonly<Record<string, string>>
  /** As they came. */
  readonly rawHeaders: readonly (readonly [string, string])[]
  /** From 1; equal for requests on one connection. */
  readonly connection: number
  /** Bytes of the body that the system took from us so far. */
  readonly bytesSent: number
  /** Of the answer; undefined before it begins, and for one that is no HTTP. */
  readonly status: number | undefined
  /** Whether the answer was written to its planned end, or the client went away before. */
  readonly ended: 'no' | 'as planned' | 'client left'
}

/** What went on for one path. */
export interface PathTraffic {
  readonly requests: number
  /** Answers under way at this moment, each on a connection of its own. */
  readonly atOnce: number
  readonly mostAtOnce: number
  /** Bytes of bodies that left, over all requests. */
  readonly bytesSent: number
  /** Values of Range, in order, of the requests that had one. */
  readonly ranges: readonly string[]
  /** Requests that were turned away because as many as the file takes at once were under way. */
  readonly turnedAway: number
}

export type RequestRecord = { -readonly [F in keyof ReceivedRequest]: ReceivedRequest[F] }

/** @param head without its empty line */
export function recordOf(head: string, number: number, connection: number): RequestRecord {
  const [first = '', ...lines] = head.split('\r\n')
  const [method = '', path = ''] = first.split(' ')
  const rawHeaders = lines.map((line) => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()] as const
  })
  const headers = Object.fromEntries(rawHeaders.map(([name, value]) => [name.toLowerCase(), value]))
  return { number, method, path, headers, rawHeaders, connection, bytesSent: 0, status: undefined, ended: 'no' }
}
