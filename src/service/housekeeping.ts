/**
 * What nobody waits for: files that are owed are unlinked, what is old is forgotten, the clock is saved. It runs after
 * something has happened and, while the daemon has work, now and then; an idle daemon is not woken for it.
 */
import { join } from 'node:path'
import type { Journal, OwedFile } from '../journal/journal.ts'
import type { Clock } from '../world/clock.ts'
import type { FileSystem, Folder } from '../world/file-system.ts'
import type { Log } from '../world/log.ts'
import { now } from './moment.ts'
import { goneWith, isMissing, whereIs } from './owed-file.ts'

/** A power cut sets the clock back by no more than this: while attempts run, and while tasks only wait. */
const saveClockEveryMs = 60_000
const saveRestingClockEveryMs = 600_000
const sweepEveryMs = 3_600_000
const owedAtOnce = 100
/** A file whose disk is away, or that could not be unlinked, is looked at again for so long; then it is left to whoever has it. */
const owedForMs = 90 * 86_400_000
const diskAway = 'the disk that they are on is away'

export interface HousekeepingParts {
  readonly clock: Clock
  readonly files: FileSystem
  readonly journal: Journal
  readonly log: Log
  /** Whether a running attempt has named this file as its own. */
  writes(folder: string, name: string): boolean
}

export class Housekeeping {
  readonly #parts: HousekeepingParts
  #savedMs: number
  #sweptMs = -Infinity
  #wanted = false
  #working: Promise<void> | undefined
  #stopped = false
  /** Could not be unlinked (no permission, too many open files), or their disk is away: looked at again at the next sweep. */
  readonly #stuck = new Set<number>()
  /** An attempt that still runs named these files: looked at again when it has closed them. */
  readonly #inUse = new Set<number>()
  /**
   * Paths of attempts that have ended since it was asked what is owed: one may have counted its bytes last, so that its file is owed no
   * longer.
   */
  readonly #left = new Set<string>()
  /** Looks and unlinks that are under way, by path. */
  readonly #unlinking = new Map<string, Promise<void>>()

  constructor(parts: HousekeepingParts) {
    this.#parts = parts
    this.#savedMs = parts.clock.steady()
  }

  /** Files are owed. */
  nudge(): void {
    if (this.#stopped) return
    this.#wanted = true
    this.#working ??= this.#work()
  }

  /**
   * An attempt has closed its files. One that was cancelled before any of its bytes counted leaves a part that only now may go.
   * @param part the one that it wrote
   */
  released(part?: { readonly folder: string; readonly name: string }): void {
    if (part !== undefined && this.#working !== undefined) this.#left.add(join(part.folder, part.name))
    if (this.#inUse.size > 0) this.nudge()
  }

  /** A session is gone: its rows and files are given up now, not at the next sweep. */
  sweep(): void {
    this.#sweptMs = -Infinity
    this.nudge()
  }

  /** After each turn of the loop, and each minute while something runs or is due. */
  turned({ busy, runs }: { readonly busy: boolean; readonly runs: boolean }): void {
    const { clock, journal } = this.#parts
    const steady = clock.steady()
    if (steady - this.#sweptMs >= sweepEveryMs) this.nudge()
    const every = runs ? saveClockEveryMs : saveRestingClockEveryMs
    if (!busy || this.#stopped || steady - this.#savedMs < every) return
    this.#savedMs = steady
    journal.saveClock({ at: now(clock), cleanEnd: false }).catch((error: unknown) => this.#failed(error))
  }

  /**
   * Resolves when nothing is about to be unlinked at this path. An attempt that has named it as its own waits for this before it
   * makes the file: else an unlink that was decided for an older file of that name could meet the new one.
   */
  async leaves(folder: string, name: string): Promise<void> {
    await this.#unlinking.get(join(folder, name))
  }

  /** Resolves when what was begun is done. */
  async idle(): Promise<void> {
    await this.#working
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#working
  }

  async #work(): Promise<void> {
    try {
      while (this.#wanted && !this.#stopped) {
        this.#wanted = false
        const { clock } = this.#parts
        if (clock.steady() - this.#sweptMs >= sweepEveryMs) {
          this.#sweptMs = clock.steady()
          this.#stuck.clear()
          await this.#retire()
        }
        await this.#pay()
      }
    } catch (error) {
      this.#failed(error)
    } finally {
      this.#working = undefined
    }
  }

  #failed(error: unknown): void {
    // Nothing is lost: what is owed stays so, and is looked at again after the next commit that owes, or the next sweep.
    if (!this.#stopped) this.#parts.log.warn('housekeeping was put off', { error: String(error) })
  }

  async #retire(): Promise<void> {
    const { journal, clock } = this.#parts
    let more = true
    while (more && !this.#stopped) more = (await journal.retire({ at: now(clock) })).more
  }

  async #pay(): Promise<void> {
    const { journal, clock } = this.#parts
    this.#inUse.clear()
    while (!this.#stopped) {
      const limit = owedAtOnce + this.#stuck.size + this.#inUse.size
      this.#left.clear()
      const owed = await journal.owed({ limit, at: now(clock) })
      const todo = owed.filter(({ id }) => !this.#stuck.has(id) && !this.#inUse.has(id))
      if (todo.length === 0) return
      const paid: number[] = []
      for (const [folder, files] of Map.groupBy(todo, (file) => file.folder))
        paid.push(...(await this.#unlink(folder, files)))
      // The folders are synced: a crash before this commit finds nothing to unlink and pays again.
      if (paid.length > 0) await journal.paid({ ids: paid })
    }
  }

  /** Ids of those that are gone for good, were never ours, or have been looked for long enough. */
  async #unlink(path: string, owed: readonly OwedFile[]): Promise<readonly number[]> {
    // Before the folder is looked at: an attempt that was cancelled a moment ago may be about to make its part. A newer one that
    // takes the name for good takes the row away as well.
    const files = owed.filter((file) => !this.#waitsForAttempt(file))
    if (files.length === 0) return []
    let folder: Folder
    try {
      folder = await this.#parts.files.folder(path)
    } catch (error) {
      if (!isMissing(error)) return this.#putOff(stuckBy(String(error), files))
      const gone = await goneWith(path, files, this.#parts.files)
      const away = files.filter((file) => !gone.includes(file))
      return [...idsOf(gone), ...this.#putOff(stuckBy(diskAway, away))]
    }
    const unlinked: OwedFile[] = []
    const stuck: Stuck[] = []
    try {
      for (const file of files) {
        // No await in between: either the attempt has named it by now, or it finds that this is under way.
        if (this.#waitsForAttempt(file)) continue
        const why = await this.#remove(folder, file).catch(String)
        if (why === undefined) unlinked.push(file)
        else stuck.push({ file, why })
      }
      await folder.sync()
      return [...idsOf(unlinked), ...this.#putOff(stuck)]
    } catch (error) {
      return this.#putOff([...stuck, ...stuckBy(String(error), unlinked)])
    } finally {
      await folder.close()
    }
  }

  /** Answers why it has to be put off, if it has. */
  async #remove(folder: Folder, file: OwedFile): Promise<string | undefined> {
    const path = join(file.folder, file.name)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#unlinking.set(path, promise)
    try {
      const place = await whereIs(file, folder)
      if (place === 'here') await folder.unlink(file.name)
      return place === 'away' ? diskAway : undefined
    } finally {
      this.#unlinking.delete(path)
      resolve()
    }
  }

  /** The name is the attempt's until it has ended, and until the journal was asked since. */
  #waitsForAttempt(file: OwedFile): boolean {
    const hasLeft = this.#left.has(join(file.folder, file.name))
    if (!hasLeft && !this.#parts.writes(file.folder, file.name)) return false
    if (hasLeft) this.#wanted = true
    this.#inUse.add(file.id)
    return true
  }

  /** Ids of those that were put off often enough. */
  #putOff(stuck: readonly Stuck[]): readonly number[] {
    for (const { file } of stuck) this.#stuck.add(file.id)
    for (const [why, files] of Map.groupBy(stuck, (each) => each.why))
      this.#parts.log.warn('files that are no longer needed could not be unlinked', {
        files: files.map(({ file }) => join(file.folder, file.name)),
        why,
      })
    const longAgoMs = this.#parts.clock.steady() - owedForMs
    return idsOf(stuck.map(({ file }) => file).filter(({ dueMs }) => dueMs <= longAgoMs))
  }
}

/** One that stays owed. */
interface Stuck {
  readonly file: OwedFile
  readonly why: string
}

function stuckBy(why: string, files: readonly OwedFile[]): readonly Stuck[] {
  return files.map((file) => ({ file, why }))
}

function idsOf(files: readonly OwedFile[]): readonly number[] {
  return files.map(({ id }) => id)
}
