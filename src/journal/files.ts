/**
 * Files that the journal knows of: parts, their identities, and those that are owed, which is to be unlinked.
 *
 * A file is owed in the commit that gives it up. A crash before that commit leaves the row that names it; one after it leaves
 * the row in `owed`. So a file without a row is never left behind, and a file with a row is never unlinked.
 */
import type { Part, PartIdentity, PublishIntent } from '../contract/bytes.ts'
import { maybe, parse } from './records.ts'
import type { PartRow } from './rows.ts'
import type { Store } from './store.ts'
import type { Work } from './work.ts'

/** An intent with the boot in which its device number holds. */
export interface StoredIntent {
  readonly boot: string
  readonly intent: PublishIntent
}

/** The boot of this life. */
export function currentBoot(store: Store): string {
  return store.remember(
    'boot',
    () => store.get<{ boot: string }>('select boot from life order by id desc limit 1')?.boot ?? '',
  )
}

/** Device numbers hold within one boot only; an empty one says that it is not known. */
export function identityIn<T extends PartIdentity>(identity: T, boot: string | null, now: string): T {
  return boot === now ? identity : { ...identity, device: '' }
}

export function partRow(store: Store, task: number): PartRow | undefined {
  return store.get<PartRow>('select * from part where task = ?', task)
}

export function partOf(row: PartRow, boot: string): Part {
  const identity = maybe<PartIdentity>(row.identity)
  const representation = maybe<NonNullable<Part['representation']>>(row.representation)
  return {
    folder: row.folder,
    name: row.name,
    ...(identity !== undefined && { identity: identityIn(identity, row.boot, boot) }),
    ranges: parse<Part['ranges']>(row.ranges),
    ...(representation !== undefined && { representation }),
  }
}

export interface OwedRow {
  readonly folder: string
  readonly name: string
  readonly identity: string | null
  readonly boot: string | null
}

/** @param dueMs steady */
export function owe(work: Work, file: OwedRow, dueMs: number): void {
  work.store.run(
    'insert into owed(folder, name, identity, boot, due) values (?, ?, ?, ?, ?)',
    file.folder,
    file.name,
    file.identity,
    file.boot,
    dueMs,
  )
  work.owed = true
}

/** A name that is used again is owed no longer: whoever takes it now answers for the file. */
export function reclaim(store: Store, folder: string, name: string): void {
  store.run('delete from owed where folder = ? and name = ?', folder, name)
}

/** Gives up the part of a task with its bytes. */
export function owePart(work: Work, task: number, dueMs: number): void {
  const row = partRow(work.store, task)
  if (row === undefined) return
  owe(work, row.identity === null ? { ...row, ...intended(work.store, task) } : row, dueMs)
  work.store.run('delete from part where task = ?', task)
}

/**
 * What its intent says of the part: one that was published in its first attempt has no checkpoint. Where publishing failed half
 * way it has two names, and without an identity nobody could say that the one to unlink is ours.
 */
function intended(store: Store, task: number): Pick<OwedRow, 'identity' | 'boot'> | undefined {
  const row = store.get<{ intent: string | null }>('select intent from task where id = ?', task)
  const stored = maybe<StoredIntent>(row?.intent ?? null)
  return stored === undefined ? undefined : { identity: JSON.stringify(stored.intent.identity), boot: stored.boot }
}

/** The name of one file, for comparing; no path holds a NUL. */
export function pathKey(folder: string, name: string): string {
  return `${folder}\0${name}`
}
