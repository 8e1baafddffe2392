// What one simulated address is like and what befalls its requests, as plain data: a plan is made from a seed, printed,
// stored, and made smaller by taking parts out. To add a behaviour: a member here, its chance below, its answer in server.ts.
import { type Seeded } from './seeded.ts'

/** A share of the body, 0 to 1: so much of it is sent before something happens. */
type Share = number

/** What befalls one request. Where it makes no sense (a range was not asked for) the answer is an honest one. */
export type Behaviour =
  | { readonly kind: 'honest' }
  | { readonly kind: 'slow'; readonly bytesPerSecond: number }
  // The connection.
  | {
      readonly kind: 'refuses connection' | 'cannot find host' | 'no network' | 'hangs before head' | 'cut before head'
    }
  /** `cut` is a reset, `short` a close in good order; a body without a length cannot be told to be short. */
  | { readonly kind: 'cut' | 'short' | 'stall'; readonly after: Share }
  // The protocol. In the body, if it comes in chunks.
  | { readonly kind: 'malformed'; readonly after?: Share }
  | { readonly kind: 'excess' }
  // The server.
  | { readonly kind: 'status'; readonly status: ErrorStatus; readonly retryAfterSeconds?: number }
  | { readonly kind: '206 without being asked' }
  /** The next version comes while this answer, of the old one, is on its way; it is cut. */
  | { readonly kind: 'changes under the body'; readonly after: Share }
  /** The same, and the old one came in the same second: Last-Modified does not tell them apart. */
  | { readonly kind: 'changes twice'; readonly after: Share }
  // Ranges, where one was asked for.
  | {
      readonly kind: 'wrong range start' | 'wrong range total' | 'shorter range' | 'ignores range' | '416' | 'multipart'
    }
  /** Content-Range says more than is given, or less, and Content-Length says what is given. In chunks only counting shows it. */
  | { readonly kind: 'wrong range length' | 'longer range' }
  | { readonly kind: 'later range' | 'several parts' | '416 of a wrong total' }
  /** Content-Range is missing, counts something else than bytes, or leaves the total open. */
  | { readonly kind: 'unstated range' | 'range in another unit' | 'range without a total' }
  // The representation.
  /** Coded though nobody asked for it; a range is one of the coded bytes and bears the numbers of the plain ones. */
  | { readonly kind: 'coded' }
  /** A strong digest of other bytes, where `digestTrailer` says; the bytes are right. Whoever checks it has to throw them away. */
  | { readonly kind: 'false digest'; readonly field: 'repr-digest' | 'content-digest' }
  /** The next version comes and If-Range is ignored: 206 with other bytes than those that the client has, truly labelled. */
  | { readonly kind: 'range of another version' }
  /** The same, without a label. */
  | { readonly kind: 'unlabelled range' }
  // Lies that nobody can see through without a digest: only in plans with `needsDigest`.
  | { readonly kind: 'other bytes' | 'error page' }
  /** The next version comes, and the range of it bears the label of the one that the client has. */
  | { readonly kind: 'mislabelled range' }
  | { readonly kind: 'mixed body'; readonly after: Share }

export type ErrorStatus = 403 | 404 | 408 | 429 | 500 | 502 | 503

export interface ServerNature {
  readonly validators: 'strong etag' | 'weak etag' | 'last-modified' | 'etag and last-modified' | 'none'
  readonly ranges: boolean
  /** How the end of a body is told. */
  readonly length: 'content-length' | 'chunked' | 'close'
  /** `ignores`: gives the range all the same, truly labelled. `never true`: gives the whole. */
  readonly ifRange: 'honours' | 'ignores' | 'never true'
  /** Sends Repr-Digest and Content-Digest, see `digest-fields`. */
  readonly digestHeader: boolean
  /** Sends its digests in the trailer, where the body comes in chunks. */
  readonly digestTrailer?: boolean
  /** So many answers at once; whoever asks for one more is refused. @default any number */
  readonly mostConnections?: number
  /** How many redirects lead to it. */
  readonly redirects: number
  /** When nothing befalls a request. */
  readonly bytesPerSecond: number
}

/** Somewhere else that an address may lead to: a mirror, or what the link means from now on. */
export interface PlacePlan {
  /** `other`: just as many, and other ones at every position. */
  readonly bytes: 'same' | 'other'
  /** `alike`: those of the address itself, whatever the bytes. So it is with two files of one size and one time. */
  readonly validators: 'alike' | 'own'
  /** A signed address: so long after it was given, it is refused. @default never */
  readonly goodForMs?: number
}

export interface ServerPlan {
  /** Of the first version. */
  readonly size: number
  /** How old the first version is when the simulation begins, in ms. */
  readonly ageMs: number
  /** Further versions and the moments of the timeline when they come, in order; a behaviour may bring one earlier. */
  readonly versions: readonly { readonly atMs: number; /** @default that of the first */ readonly size?: number }[]
  readonly nature: ServerNature
  /** For the first request, the second, and so on. Redirects do not count. */
  readonly weather: readonly Behaviour[]
  readonly afterwards: 'honest' | 'weather again'
  /** Numbered from 1. */
  readonly places?: readonly PlacePlan[]
  /** To which of them each request for the address is led, in turn and then from the start again; 0: it is answered there. */
  readonly leads?: readonly number[]
  /** Its lies can only be told by the digest of the newest version: whoever asks must expect it. */
  readonly needsDigest?: boolean
}

export function makeServerPlan(random: Seeded): ServerPlan {
  const size = makeSize(random)
  const needsDigest = random.chance(0.12)
  const elsewhere = random.fork('places')
  const versions = Array.from({ length: random.chance(0.4) ? 0 : random.int(1, 4) }, () => ({
    atMs: random.scale(500, 600_000),
    // Of equal size they are harder to tell apart.
    ...(random.chance(0.2) && { size: makeSize(random) }),
  })).toSorted((a, b) => a.atMs - b.atMs)
  const nature: ServerNature = {
    validators: random.weighted({
      'strong etag': 5,
      'etag and last-modified': 3,
      'last-modified': 3,
      'weak etag': 2,
      none: 1,
    }),
    ranges: random.chance(0.9),
    length: random.weighted({ 'content-length': 7, chunked: 2, close: 1 }),
    ifRange: random.weighted({ honours: 7, ignores: 2, 'never true': 1 }),
    digestHeader: random.chance(0.15),
    redirects: random.chance(0.8) ? 0 : random.int(1, 3),
    bytesPerSecond: rate(random, size, 60),
  }
  return {
    size,
    ageMs: random.chance(0.8) ? random.scale(60_000, 1_000_000_000) : random.int(0, 60_000),
    versions,
    nature,
    weather: makeWeather(random, { size, nature, needsDigest, changes: versions.length }),
    afterwards: random.chance(0.85) ? 'honest' : 'weather again',
    ...(elsewhere.chance(0.1) && makePlaces(elsewhere)),
    ...(needsDigest && { needsDigest }),
  }
}

/** Most of them are told from the address by nothing but the redirect. */
export function makePlaces(random: Seeded): Required<Pick<ServerPlan, 'places' | 'leads'>> {
  const places = Array.from({ length: random.int(1, 3) }, (): PlacePlan => ({
    bytes: random.chance(0.8) ? 'other' : 'same',
    validators: random.chance(0.8) ? 'alike' : 'own',
    // Less than until the next attempt, or more.
    ...(random.chance(0.5) && { goodForMs: random.scale(1000, 60_000) }),
  }))
  return { places, leads: Array.from({ length: random.int(1, 6) }, () => random.int(0, places.length)) }
}

interface Context {
  readonly size: number
  readonly nature: ServerNature
  readonly needsDigest: boolean
  /** How many versions are to come. */
  readonly changes: number
}

function makeWeather(random: Seeded, context: Context): readonly Behaviour[] {
  const any = (): Behaviour =>
    context.needsDigest && random.chance(0.3) ? makeLie(random) : makeBehaviour(random, context)
  const several = (most: number): readonly Behaviour[] => Array.from({ length: random.scale(1, most) }, any)
  switch (random.weighted({ none: 2, any: 3, 'trouble with the rest': 5 })) {
    case 'none':
      return []
    case 'any':
      return several(8)
    case 'trouble with the rest':
      // First something to go on from, then what goes wrong with going on; by chance alone the two rarely meet.
      return [
        // Several tasks may ask the same address.
        ...Array.from({ length: random.int(1, 3) }, () => [
          makeBreak(random, context),
          makeRangeTrouble(random, context),
        ]),
        random.chance(0.5) ? several(4) : [],
      ].flat()
  }
}

function makeSize(random: Seeded): number {
  const most = random.weighted({ '0': 1, '1': 1, '100': 3, '5000': 7, '50000': 6, '204800': 3 })
  return most === '0' ? 0 : random.scale(1, Number(most))
}

/** Such that the body takes up to so many seconds. */
function rate(random: Seeded, size: number, mostSeconds: number): number {
  return Math.ceil(Math.max(50, size / (mostSeconds * random.fraction() + 0.001)))
}

/** What liars.ts makes. */
type RareKind =
  | 'longer range'
  | 'later range'
  | 'several parts'
  | '416 of a wrong total'
  | 'unstated range'
  | 'range in another unit'
  | 'range without a total'
  | 'coded'
  | 'false digest'

/** What is left to chance; the others are arranged (meetings.ts), or lies. */
type UsualKind = Exclude<
  Behaviour['kind'],
  'other bytes' | 'error page' | 'mixed body' | 'mislabelled range' | 'wrong range length' | RareKind
>

function makeBehaviour(random: Seeded, { size, nature, needsDigest }: Context): Behaviour {
  const kind = random.weighted<UsualKind>({
    honest: 25,
    slow: 12,
    cut: 25,
    short: 10,
    stall: 8,
    'refuses connection': 4,
    'cannot find host': 2,
    'no network': 2,
    'hangs before head': 3,
    'cut before head': 3,
    malformed: 2,
    excess: 2,
    status: 12,
    '206 without being asked': 3,
    'changes under the body': 10,
    'changes twice': 3,
    'wrong range start': 4,
    'wrong range total': 3,
    'shorter range': 3,
    'ignores range': 4,
    '416': 2,
    multipart: 2,
    'range of another version': 8,
    'unlabelled range': 2,
  })
  switch (kind) {
    case 'slow':
      return { kind, bytesPerSecond: rate(random, size, 120) }
    case 'short':
      // A body without a length that ends too early is a lie that only a digest shows.
      return { kind: nature.length === 'close' && !needsDigest ? 'cut' : 'short', after: random.fraction() }
    case 'cut':
    case 'stall':
    case 'changes under the body':
    case 'changes twice':
      return { kind, after: random.fraction() }
    case 'malformed':
      return random.chance(0.5) ? { kind } : { kind, after: random.fraction() }
    case 'status': {
      const status = random.pick<ErrorStatus>([500, 500, 502, 503, 503, 503, 429, 429, 408, 404, 403])
      return { kind, status, ...(random.chance(0.4) && { retryAfterSeconds: random.int(0, 1) * random.scale(1, 900) }) }
    }
    default:
      return { kind }
  }
}

/** Leaves something to go on from. */
function makeBreak(random: Seeded, { nature, changes }: Context): Behaviour {
  // Where dates are all there is, it is the break that a client has to fear.
  const twice = nature.validators === 'last-modified' ? 12 : 2
  const kind = random.weighted({
    cut: 4,
    stall: 1,
    'changes under the body': changes > 0 ? 3 : 0,
    'changes twice': changes > 1 ? twice : 0,
  })
  return { kind, after: 0.1 + 0.9 * random.fraction() }
}

function makeRangeTrouble(random: Seeded, { changes }: Context): Behaviour {
  const kind = random.weighted({
    honest: 4,
    cut: 3,
    'range of another version': changes > 0 ? 10 : 0,
    'unlabelled range': changes > 0 ? 5 : 0,
    'wrong range start': 4,
    'wrong range total': 2,
    'shorter range': 2,
    'ignores range': 2,
    '416': 1,
    multipart: 1,
  })
  return kind === 'cut' ? { kind, after: random.fraction() } : { kind }
}

function makeLie(random: Seeded): Behaviour {
  const kind = random.weighted({ 'other bytes': 3, 'mixed body': 2, 'error page': 1 })
  return kind === 'mixed body' ? { kind, after: random.fraction() } : { kind }
}
