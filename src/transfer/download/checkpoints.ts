/**
 * Makes what was written count: the bytes are synced, then recorded. It runs beside the bytes, one at a time, each 16 MiB or
 * 5 s after the first byte that is not safe yet. With twice as much not safe the sender waits, however slow the disk and however
 * long the journal takes: a power cut costs no more than that and what is under way in sockets (up to 36 MiB were seen of four
 * connections). Where many connections bring bytes it is less: what the disk has still to take is what everybody's last sync
 * waits for.
 *
 * A crash before the sync, or between it and the record, leaves bytes on the disk that do not count: they are fetched again.
 * A crash after the record leaves them safe. A sync that fails is never repeated, because the system may have dropped what it
 * could not write (fsyncgate): nothing is recorded, the attempt ends, and the next begins at the last record.
 */
import type { ByteRanges, Representation } from '../../contract/bytes.ts'
import { LonghaulError } from '../../contract/errors.ts'
import type { Clock, Timer } from '../../world/clock.ts'
import type { Report } from '../assignment.ts'
import { asError, AttemptFailed, unfenced } from '../endings.ts'
import { requireThere } from '../files/destination.ts'
import type { PartFile } from '../files/part-file.ts'
import { countBytes } from '../ranges.ts'

const mebibyte = 1024 * 1024
/** Of one file, that are to be made safe at once: `ofAll` by the connections there are. */
const each = { most: 16 * mebibyte, least: 4 * mebibyte, ofAll: 512 * mebibyte }
const everyMs = 5000

export interface CheckpointSource {
  readonly part: PartFile
  readonly representation: Representation
  /** Writes what has been taken. */
  flush(): Promise<void>
  /** What is written. */
  ranges(): ByteRanges
  /** How many bring bytes, to all files. */
  connections(): number
}

export class Checkpoints {
  readonly #source: CheckpointSource
  readonly #report: Report
  readonly #clock: Clock
  readonly #broken: () => void
  #recorded: number
  /** Taken since the one under way, or else the last, began. */
  #unsafe = 0
  /** Steady ms at which the first of them came. */
  #unsafeSinceMs = 0
  /** Those that the one under way will make safe. */
  #inFlight = 0
  #timer: Timer | undefined
  #underWay: Promise<void> | undefined
  #failure: Error | undefined
  /** It failed when all that was to count had been written. */
  #lost: Error | undefined
  #closed = false
  #progressed = false

  constructor(
    source: CheckpointSource,
    /** Bytes of it that are recorded already. */
    recorded: number,
    report: Report,
    clock: Clock,
    /** Called when one failed: the bytes that follow would be of no use. */
    broken: () => void,
  ) {
    this.#source = source
    this.#report = report
    this.#clock = clock
    this.#broken = broken
    this.#recorded = recorded
  }

  /** Why one failed; the attempt ends with it. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Whether bytes became safe. */
  get progressed(): boolean {
    return this.#progressed
  }

  /** More bytes were taken. The promise, if there is one, settles when more may come. */
  taken(bytes: number): Promise<void> | undefined {
    if (this.#closed) return undefined
    if (this.#unsafe === 0) this.#unsafeSinceMs = this.#clock.steady()
    this.#unsafe += bytes
    this.#arm()
    return this.#unsafe + this.#inFlight >= 2 * this.#each ? this.#underWay : undefined
  }

  /** The last one of this attempt: whatever could be written counts, also when the rest could not. @throws what it or one before failed by */
  async last(): Promise<void> {
    await this.#end()
    if (this.#lost !== undefined) throw this.#lost
    // A full disk refuses the newest bytes; the older ones are as good as before, also if a checkpoint has found that first.
    await this.#source.flush().catch(() => {})
    await this.#make()
  }

  /** Ends the one under way and makes no more. @throws as `failure` */
  async close(): Promise<void> {
    await this.#end()
    if (this.#failure !== undefined) throw this.#failure
  }

  async #end(): Promise<void> {
    this.#closed = true
    this.#timer?.cancel()
    await this.#underWay
  }

  get #each(): number {
    return Math.max(each.least, Math.min(each.most, each.ofAll / Math.max(1, this.#source.connections())))
  }

  /** Sees to it that what is not safe becomes so. */
  #arm(): void {
    if (this.#unsafe >= this.#each) this.#begin()
    else if (this.#unsafe > 0) this.#timer ??= this.#clock.timer(this.#unsafeSinceMs + everyMs, () => this.#begin())
  }

  #begin(): void {
    this.#timer?.cancel()
    this.#timer = undefined
    // When that one ends, what came meanwhile is seen to.
    if (this.#underWay !== undefined || this.#closed || this.#failure !== undefined) return
    this.#inFlight = this.#unsafe
    this.#unsafe = 0
    this.#underWay = this.#flushAndMake().then(
      () => {
        this.#underWay = undefined
        this.#inFlight = 0
        if (!this.#closed) this.#arm()
      },
      (error: unknown) => {
        this.#underWay = undefined
        this.#failure = asError(error)
        this.#broken()
      },
    )
  }

  async #flushAndMake(): Promise<void> {
    await this.#source.flush()
    await this.#make()
  }

  async #make(): Promise<void> {
    try {
      await this.#syncAndRecord()
    } catch (error) {
      this.#lost = asError(error)
      throw error
    }
  }

  async #syncAndRecord(): Promise<void> {
    const { part, representation } = this.#source
    // Taken before the sync: what is written while it runs may not be covered by it.
    const ranges = this.#source.ranges()
    const safe = countBytes(ranges)
    if (safe === this.#recorded) return
    await part.sync('data')
    if (!(await part.isStillNamed())) {
      unfenced(
        await this.#report.restart('the partial file was removed or replaced by another program', 'bytes changed'),
      )
      throw new AttemptFailed(
        new LonghaulError(
          'CANNOT_WRITE_TO_FILE',
          `The partial file ${part.folder.path}/${part.name} was removed or replaced while it was written to; it starts over.`,
        ),
        { kind: 'changed' },
      )
    }
    unfenced(await this.#report.checkpoint({ part: part.place, identity: part.identity, ranges, representation }))
    this.#recorded = safe
    this.#progressed = true
    // Last, so that the bytes count when the folder comes back.
    await requireThere(part.folder)
  }
}
