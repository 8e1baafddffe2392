/**
 * The digests of one download: those that the user expects and those that the server announces. They are computed behind the
 * bytes while these still come, so that little is left to do after the last; a new attempt reads what is kept again. Nothing
 * is read where nothing is expected or announced.
 *
 * What a server says of which bytes (RFC 9530):
 * - `Repr-Digest` is of the whole representation, also in a 206. A content coding belongs to the representation, and a coded
 *   body is stored as it comes, so that it is of the bytes in our file in every case.
 * - `Content-Digest` is of the content of its own message: in a 200 the same bytes. In a 206 it is of that range alone and is
 *   ignored: it would cost a second reading of each range, and what it could find the digest of the whole finds as well.
 * Both may come in the trailer. Of several algorithms in one field the strongest is verified; each field has to hold.
 */
import type { Representation } from '../../contract/bytes.ts'
import {
  type DigestAlgorithm,
  digestOfText,
  digestText,
  type ExpectedDigest,
  strongestDigest,
} from '../../contract/digests.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { maskUrl, type ResponseJson } from '../../contract/task.ts'
import type { Following } from '../../world/hasher.ts'
import type { HeaderList } from '../../world/transport.ts'
import { AttemptFailed, AttemptStopped } from '../endings.ts'
import type { PartFile } from '../files/part-file.ts'
import { digestField } from '../http/digest-field.ts'
import { type Attempt, restart } from './attempt.ts'
import { isBodiless } from './representation.ts'

interface Claim extends ExpectedDigest {
  readonly by: 'user' | 'server'
}

export interface Received {
  /** Of the whole file. */
  readonly bytes: number
  readonly trailers: HeaderList
  /** Its bytes came in more than one answer, so that a wrong digest may be the fault of joining them. */
  readonly joined: boolean
}

/** Whoever makes one finishes or stops it before the part file is closed. */
export class Verification {
  readonly #attempt: Attempt
  readonly #part: PartFile
  readonly #response: ResponseJson
  readonly #claims: readonly Claim[]
  /** Of answers that came later. */
  readonly #heard: Claim[] = []
  readonly #following: Following | undefined

  constructor(attempt: Attempt, part: PartFile, response: ResponseJson, representation: Representation) {
    this.#attempt = attempt
    this.#part = part
    this.#response = response
    const expected = attempt.assignment.expectedDigests.map((digest): Claim => ({ ...digest, by: 'user' }))
    // What was announced when the first bytes came holds for all of them, also where a later answer is silent.
    const before = representation.digest === undefined ? undefined : digestOfText(representation.digest)
    this.#claims = [
      ...expected,
      ...(before === undefined ? [] : [{ ...before, by: 'server' } as const]),
      ...announced(response.headers, response.status),
    ]
    const algorithms = algorithmsOf(this.#claims)
    this.#following = algorithms.length === 0 ? undefined : attempt.world.hasher.follow(part.file, algorithms)
  }

  /** The bytes [0, to) are written, and this attempt writes none of them again. */
  advance(to: number): void {
    this.#following?.advance(to)
  }

  /** The head or the trailer of one answer among several. What it says of its content is of its range alone. */
  heard(fields: HeaderList): void {
    this.#heard.push(...announced(fields, 206))
  }

  /** Whether `finish` has anything to compute. */
  isWanted(trailers: HeaderList): boolean {
    return this.#claims.length + this.#heard.length > 0 || announced(trailers, this.#response.status).length > 0
  }

  /** 'sha-256:HEX', the strongest digest that was verified, if any. @throws AttemptFailed DIGEST_MISMATCH, AttemptStopped */
  async finish(received: Received): Promise<string | undefined> {
    const claims = [...this.#claims, ...this.#heard, ...announced(received.trailers, this.#response.status)]
    const strongest = strongestDigest(claims)
    if (strongest === undefined) return undefined
    const digests = await this.#compute(received.bytes, algorithmsOf(claims))
    const wrong = claims.find(({ algorithm, hex }) => digests.get(algorithm) !== hex)
    if (wrong === undefined) return digestText(strongest)
    // They would be wrong the next time as well.
    await restart(this.#attempt, 'what arrived did not have the digest that was expected', 'bytes changed')
    await this.#part.discard()
    throw new AttemptFailed(
      new LonghaulError(
        'DIGEST_MISMATCH',
        `${maskUrl(this.#response.url)} gave ${received.bytes} bytes with ${wrong.algorithm} ${digests.get(wrong.algorithm)}, but ${wrong.hex} was ${
          wrong.by === 'server' ? 'announced by the server' : 'expected'
        }. They were thrown away.`,
      ),
      { kind: 'digest', joined: received.joined },
    )
  }

  /** Harmless after the end. */
  stop(): void {
    this.#following?.stop()
  }

  async #compute(bytes: number, wanted: readonly DigestAlgorithm[]): Promise<ReadonlyMap<DigestAlgorithm, string>> {
    const { world, signal } = this.#attempt
    const followed = algorithmsOf(this.#claims)
    // Announced in a trailer only, or by a further answer: nobody could know of it before.
    const late = wanted.filter((algorithm) => !followed.includes(algorithm))
    const lateFollowing = late.length === 0 ? undefined : world.hasher.follow(this.#part.file, late)
    try {
      const [early, rest] = await Promise.all([
        this.#following?.finish(bytes, signal),
        lateFollowing?.finish(bytes, signal),
      ])
      return new Map([...(early ?? []), ...(rest ?? [])])
    } catch (error) {
      if (signal.aborted) throw new AttemptStopped()
      throw error
    } finally {
      lateFollowing?.stop()
    }
  }
}

/** Where a server announces another file than the user expects, none of its bytes are of use. @throws AttemptFailed */
export function refuseOtherFile(expected: readonly ExpectedDigest[], response: ResponseJson): void {
  for (const { algorithm, hex } of announced(response.headers, response.status)) {
    const wanted = expected.find((digest) => digest.algorithm === algorithm)
    if (wanted !== undefined && wanted.hex !== hex)
      throw new AttemptFailed(
        new LonghaulError(
          'DIGEST_MISMATCH',
          `${maskUrl(response.url)} announces a file with ${algorithm} ${hex}, but ${wanted.hex} was expected. Nothing of it was fetched.`,
        ),
        { kind: 'digest', joined: false },
      )
  }
}

function announced(headers: HeaderList, status: number): readonly Claim[] {
  if (isBodiless(status)) return []
  const fields = status === 206 ? (['repr-digest'] as const) : (['repr-digest', 'content-digest'] as const)
  return fields.flatMap((name): Claim[] => {
    const digest = digestField(headers, name)
    return digest === undefined ? [] : [{ ...digest, by: 'server' }]
  })
}

function algorithmsOf(claims: readonly Claim[]): readonly DigestAlgorithm[] {
  return [...new Set(claims.map(({ algorithm }) => algorithm))]
}
