// One simulated address: which version it has at which moment, and what befalls each request. It survives every life.
import { gzipSync } from 'node:zlib'
import { type BodyEnd } from '../../src/world/transport.ts'
import {
  type Draft,
  type Question,
  type Range,
  type Shelf,
  date,
  fieldOf,
  honestAnswer,
  partial,
  rangeOf,
  unsatisfiable,
} from './answers.ts'
import { type Ending, type Failed, earlyEnd, endOf, shareSent } from './breaks.ts'
import { contentOf } from './content.ts'
import { falseDigest, isDigestField } from './digest-fields.ts'
import { type Seeded } from './seeded.ts'
import { type Behaviour, type PlacePlan, type ServerPlan } from './server-plan.ts'
import { type Timeline } from './timeline.ts'

/** What the network brings, up to its break. */
export interface Answer {
  readonly status: number
  readonly headers: Draft['headers']
  /** As much of it as is sent. */
  readonly body: Uint8Array
  readonly proof: BodyEnd['proof']
  /** Behind the last chunk. */
  readonly trailers?: Draft['headers']
  /** After those bytes. */
  readonly ends: Ending
  /** Asked before each chunk. */
  readonly bytesPerSecond: () => number
  /** For chunks. */
  readonly random: Seeded
}

/** Servers have a good clock of their own. Ms since 1970 when the timeline shows 0. */
const serversBegin = Date.UTC(2026, 0, 1)
/** What is never whole anywhere: further on than all versions of all places. */
const lieVersion = 200
/** By so much the contents of one place are further on than those of the one before. */
const placeStep = 50
/** And coded ones than plain ones. */
const codedStep = 10_000

export class Server {
  readonly plan: ServerPlan
  readonly #url: string
  readonly #random: Seeded
  readonly #timeline: Timeline
  readonly #contents = new Map<number, Uint8Array>()
  /** When each version came, by number, up to the newest. Timeline ms. */
  readonly #came: number[]
  /** By their keys, see `#keyOf`. */
  readonly #served = new Set<number>()
  #asked = 0
  #led = 0
  #calm = false

  constructor(url: string, plan: ServerPlan, world: { readonly timeline: Timeline; readonly random: Seeded }) {
    this.plan = plan
    this.#url = url
    this.#timeline = world.timeline
    this.#random = world.random.fork(url)
    this.#came = [-plan.ageMs]
  }

  /** All whole contents that it may have, and what they are. */
  get contents(): readonly (readonly [what: string, content: Uint8Array])[] {
    const versions = Array.from({ length: this.#newest + 1 }, (_, version) => version)
    return [undefined, ...this.#places].flatMap((place, number) =>
      place?.bytes === 'same'
        ? []
        : versions.map((version): readonly [string, Uint8Array] => [
            `version ${version}${at(number)}`,
            this.#contentOf(this.#keyOf(version, number)),
          ]),
    )
  }

  /** What the address itself has. @default the newest that will ever be */
  content(version: number = this.#newest): Uint8Array {
    return this.#contentOf(version)
  }

  /** What a correct download may end with. */
  get acceptable(): readonly Uint8Array[] {
    if (this.plan.needsDigest === true) return [this.content()]
    return [...this.#served].map((key) => this.#contentOf(key))
  }

  /**
   * Somebody asks for its address: the number of the place to go to, 0 for none, and what its address ends with. Once it is calm
   * the address leads nowhere else.
   */
  lead(): readonly [place: number, query: string] {
    const { leads = [] } = this.plan
    const number = this.#calm || leads.length === 0 ? 0 : leads[this.#led++ % leads.length]!
    const place = this.#places[number - 1]
    if (place === undefined) return [0, '']
    return [number, place.goodForMs === undefined ? '' : `?until=${this.#timeline.now + place.goodForMs}`]
  }

  calm(): void {
    this.#calm = true
    this.#bring(this.#newest)
  }

  /**
   * One request has arrived, or could not. The second value says it in words.
   * @param by.open answers of it that are under way
   * @param by.place where it has arrived
   */
  ask(
    question: Question,
    { open = 0, place = 0 }: { readonly open?: number; readonly place?: number } = {},
  ): readonly [Answer | Failed | 'silence', string] {
    const { weather, afterwards } = this.plan
    const number = this.#asked++
    const at = afterwards === 'weather again' && weather.length > 0 ? number % weather.length : number
    const behaviour: Behaviour = (this.#calm ? undefined : weather[at]) ?? { kind: 'honest' }
    this.#bring(this.plan.versions.filter(({ atMs }) => atMs <= this.#timeline.now).length)
    const early = earlyEnd(behaviour)
    if (early !== undefined) return [early, behaviour.kind]
    const random = this.#random.fork(String(number))
    if (this.#isPast(question, place)) return this.#answer(question, place, { kind: 'status', status: 403 }, random)
    if (!this.#calm && open >= (this.plan.nature.mostConnections ?? Infinity))
      return this.#answer(question, place, { kind: 'status', status: number % 2 === 0 ? 503 : 429 }, random)
    return this.#answer(question, place, behaviour, random)
  }

  // ------------------------------------------------------------------------------------------------------------- inside

  get #places(): readonly PlacePlan[] {
    return this.plan.places ?? []
  }

  /** A signed address whose time is over. */
  #isPast({ url }: Question, place: number): boolean {
    if (this.#places[place - 1]?.goodForMs === undefined) return false
    return this.#timeline.now > Number(new URL(url).searchParams.get('until') ?? 0)
  }

  get #newest(): number {
    return this.plan.versions.length
  }

  /** From now on it has this version, if it has not come before. */
  #bring(version: number): void {
    for (let next = this.#came.length; next <= Math.min(version, this.#newest); next++) {
      this.#came.push(Math.min(this.plan.versions[next - 1]!.atMs, this.#timeline.now))
    }
  }

  #bringNext(): void {
    this.#bring(this.#came.length)
  }

  /** Of a content; where all places have the same one, of each of them the same. */
  #keyOf(version: number, place: number): number {
    return this.#places[place - 1]?.bytes === 'other' ? place * placeStep + version : version
  }

  #contentOf(key: number): Uint8Array {
    let content = this.#contents.get(key)
    if (content === undefined && key >= codedStep) {
      this.#contents.set(key, (content = gzipSync(this.#contentOf(key - codedStep))))
    } else if (content === undefined) {
      const size = this.plan.versions[(key % placeStep) - 1]?.size ?? this.plan.size
      this.#contents.set(key, (content = contentOf(this.#url, key, size)))
    }
    return content
  }

  #shelf(place: number): Shelf {
    const version = this.#came.length - 1
    const isLabelled = this.#places[place - 1]?.validators === 'own'
    return {
      version,
      place: isLabelled ? `p${place}-` : '',
      content: this.#contentOf(this.#keyOf(version, place)),
      modifiedMs: serversBegin + this.#came[version]! - (isLabelled ? place * 10_000 : 0),
      nowMs: serversBegin + this.#timeline.now,
    }
  }

  #answer(question: Question, place: number, behaviour: Behaviour, random: Seeded): readonly [Answer, string] {
    if (bringsBefore(behaviour, fieldOf(question, 'range'))) this.#bringNext()
    const shelf = this.#shelf(place)
    const draft = this.#draft(question, behaviour, shelf, place)
    if (draft.status === 200 || draft.status === 206 || draft.status === 304)
      this.#served.add(this.#keyOf(shelf.version, place) + (isCoded(draft) ? codedStep : 0))
    if (behaviour.kind === 'changes under the body' || behaviour.kind === 'changes twice') this.#bringNext()
    const answer = this.#send(question, behaviour, draft, random)
    const wait = draft.headers.find(([name]) => name === 'retry-after')?.[1]
    const words = [
      `${draft.status} v${shelf.version}${at(place)}`,
      ...(wait === undefined ? [] : [`Retry-After ${wait}`]),
      ...(draft.status === 206 ? [`from ${draft.from}`] : []),
      `${answer.body.length} bytes`,
      ...(answer.ends === 'well' ? [] : [`then ${answer.ends}`]),
      ...(behaviour.kind === 'honest' ? [] : [`(${behaviour.kind})`]),
    ]
    return [answer, words.join(' ')]
  }

  /** The answer before the connection has its say. */
  #draft(question: Question, behaviour: Behaviour, shelf: Shelf, place: number): Draft {
    const { nature } = this.plan
    const size = shelf.content.length
    const asked = rangeOf(question, size)
    const honest = (range = asked, ifRange = nature.ifRange): Draft =>
      honestAnswer(question, shelf, nature, { asked: range, ifRange })
    const draft = honest()
    const isRange = draft.status === 206
    const labels = draft.headers.filter(([name]) => name !== 'content-range')
    switch (behaviour.kind) {
      case 'status': {
        const { status, retryAfterSeconds: seconds } = behaviour
        const wait: Draft['headers'] = seconds === undefined ? [] : [['retry-after', String(seconds)]]
        return { status, headers: [date(shelf), ...wait], body: Buffer.from('not now, or not at all'), from: 0 }
      }
      case 'error page':
        return { status: 200, headers: [date(shelf)], body: Buffer.from('<html>Something went wrong</html>'), from: 0 }
      case '206 without being asked':
        if (asked !== undefined || draft.status !== 200 || size === 0) return draft
        return partial(shelf, labels, { from: 0, to: Math.ceil(size / 2) })
      case 'ignores range':
        // A condition that failed gives the whole.
        return isRange ? honestAnswer(question, shelf, nature, { asked: undefined, ifRange: 'never true' }) : draft
      case 'range of another version':
        return honest(asked, 'ignores')
      case 'unlabelled range': {
        const range = honest(asked, 'ignores')
        if (range.status !== 206) return range
        return { ...range, headers: range.headers.filter(([name]) => name !== 'etag' && name !== 'last-modified') }
      }
      case '416':
        return isRange ? unsatisfiable(shelf) : draft
      case 'wrong range start':
        if (!isRange || draft.from === 0) return draft
        // As long as what was asked for, so that the length does not give it away.
        return partial(shelf, labels, shifted(draft, -Math.ceil(draft.from / 2)))
      case 'wrong range length':
        if (!isRange || draft.body.length < 2) return draft
        return { ...draft, body: draft.body.subarray(0, Math.ceil(draft.body.length / 2)) }
      case 'mislabelled range': {
        const range = honest(asked, 'ignores')
        if (range.status !== 206 || shelf.version === 0) return range
        const before = { ...shelf, version: shelf.version - 1 }
        return { ...range, headers: honestAnswer(question, before, nature, { asked, ifRange: 'ignores' }).headers }
      }
      case 'shorter range':
        if (!isRange) return draft
        return partial(shelf, labels, { from: draft.from, to: draft.from + Math.ceil(draft.body.length / 2) })
      case 'wrong range total':
        if (!isRange) return draft
        return { ...draft, headers: [...labels, ['content-range', rangeText(draft, size + 1)]] }
      case 'multipart':
        return isRange ? multipart([draft], labels, size) : draft
      case 'several parts':
        return isRange ? multipart(halves(draft), labels, size) : draft
      case 'later range':
        if (!isRange || draft.body.length < 2) return draft
        return partial(shelf, labels, { from: draft.from + Math.ceil(draft.body.length / 2), to: rangeEnd(draft) })
      case 'longer range': {
        if (!isRange) return draft
        const more = contentOf(this.#url, lieVersion, size).subarray(0, Math.ceil(draft.body.length / 2))
        return { ...draft, body: Buffer.concat([draft.body, more]) }
      }
      case '416 of a wrong total':
        if (!isRange) return draft
        return { ...unsatisfiable(shelf), headers: [date(shelf), ['content-range', `bytes */${draft.from}`]] }
      case 'unstated range':
        return { ...draft, headers: labels }
      case 'range in another unit':
        if (!isRange) return draft
        return { ...draft, headers: [...labels, ['content-range', rangeText(draft, size).replace('bytes', 'octets')]] }
      case 'range without a total':
        return isRange ? { ...draft, headers: [...labels, ['content-range', rangeText(draft, '*')]] } : draft
      case 'coded': {
        const content = this.#contentOf(this.#keyOf(shelf.version, place) + codedStep)
        const coding: Draft['headers'] = [['content-encoding', 'gzip']]
        if (isRange) {
          const body = content.subarray(draft.from, rangeEnd(draft))
          return { ...draft, headers: [...draft.headers, ...coding], body }
        }
        if (draft.status !== 200) return draft
        const whole = honestAnswer(question, { ...shelf, content }, nature, { asked: undefined, ifRange: 'never true' })
        return { ...whole, headers: [...whole.headers, ...coding] }
      }
      case 'false digest':
        if (!isRange && draft.status !== 200) return draft
        return {
          ...draft,
          headers: [...draft.headers.filter(([name]) => name !== behaviour.field), falseDigest(behaviour.field)],
        }
      case 'other bytes':
      case 'mixed body': {
        if (draft.body.length === 0) return draft
        const good = 'after' in behaviour ? Math.floor(draft.body.length * behaviour.after) : 0
        const body = Uint8Array.from(draft.body)
        body.set(contentOf(this.#url, lieVersion, size).subarray(draft.from + good, draft.from + body.length), good)
        return { ...draft, body }
      }
      default:
        return draft
    }
  }

  #send(question: Question, behaviour: Behaviour, draft: Draft, random: Seeded): Answer {
    const { nature } = this.plan
    const bodiless = question.method === 'HEAD' || draft.status === 304
    const length = draft.status < 300 || draft.status === 304 ? nature.length : 'content-length'
    const headers = [...draft.headers]
    if (!bodiless || question.method === 'HEAD') {
      if (length === 'content-length') headers.push(['content-length', String(draft.body.length)])
      if (length === 'chunked') headers.push(['transfer-encoding', 'chunked'])
    }
    if (length === 'close' && !bodiless) headers.push(['connection', 'close'])
    const isTrailed = nature.digestTrailer === true && length === 'chunked' && !bodiless
    const isTrailer = ([name]: Draft['headers'][number]): boolean => isTrailed && isDigestField(name)
    const rate = behaviour.kind === 'slow' ? behaviour.bytesPerSecond : nature.bytesPerSecond
    const whole = {
      status: draft.status,
      headers: headers.filter((field) => !isTrailer(field)),
      trailers: headers.filter(isTrailer),
      bytesPerSecond: () => (this.#calm ? Infinity : rate),
      random,
    }
    if (bodiless) return { ...whole, body: new Uint8Array(), proof: 'length', ends: 'well' }
    const proof = ({ 'content-length': 'length', chunked: 'last chunk', close: 'close' } as const)[length]
    const body = draft.body.subarray(0, Math.floor(draft.body.length * shareSent(behaviour, proof)))
    return { ...whole, body, proof, ends: endOf(behaviour, proof, body.length === draft.body.length) }
  }
}

function at(place: number): string {
  return place === 0 ? '' : ` at place ${place}`
}

/** Whether the next version is there before this is answered. */
function bringsBefore({ kind }: Behaviour, range: string | undefined): boolean {
  if (kind === 'range of another version' || kind === 'unlabelled range' || kind === 'mislabelled range')
    return range !== undefined
  return kind === 'changes twice'
}

function shifted({ from, body }: Draft, by: number): Range {
  return { from: from + by, to: from + by + body.length }
}

function isCoded({ headers }: Draft): boolean {
  return headers.some(([name]) => name === 'content-encoding')
}

/** Exclusive. */
function rangeEnd({ from, body }: Draft): number {
  return from + body.length
}

function rangeText(range: Draft, total: number | '*'): string {
  return `bytes ${range.from}-${rangeEnd(range) - 1}/${total}`
}

function halves(draft: Draft): readonly Draft[] {
  const { from, body } = draft
  const half = Math.ceil(body.length / 2)
  const later = { ...draft, from: from + half, body: body.subarray(half) }
  return later.body.length === 0 ? [draft] : [{ ...draft, body: body.subarray(0, half) }, later]
}

function multipart(parts: readonly Draft[], labels: Draft['headers'], size: number): Draft {
  const pieces = parts.flatMap((part) => [
    `--part\r\nContent-Type: application/octet-stream\r\nContent-Range: ${rangeText(part, size)}\r\n\r\n`,
    part.body,
    '\r\n',
  ])
  return {
    status: 206,
    headers: [
      ...labels.filter(([name]) => name !== 'content-type'),
      ['content-type', 'multipart/byteranges; boundary=part'],
    ],
    body: Buffer.concat([...pieces, '--part--\r\n'].map((piece) => Buffer.from(piece))),
    from: parts[0]!.from,
  }
}
