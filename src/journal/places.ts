/**
 * Who has a name at a destination. A path is reserved as it is written; the same file may be written in other ways: its folder by
 * another path (a mount at two places), its name in another case or normal form where the file system folds names. So a name is
 * reserved a second time by the folder's device and inode, which hold within one boot; a row of an earlier boot matches nothing,
 * and goes with its task.
 */
import type { Place } from '../contract/bytes.ts'
import type { TaskId } from '../contract/words.ts'
import { pathKey } from './files.ts'
import type { Store } from './store.ts'
import type { TaskRow } from './rows.ts'

/** Reserves a path for a task. @returns the task that has it already */
export function reserve(store: Store, path: string, task: number): TaskId | undefined {
  if (store.run('insert or ignore into destination values (?, ?)', path, task) > 0) return undefined
  const holder = store.get<{ id: number; uid: TaskId }>(
    'select task.id, uid from destination join task on task.id = destination.task where path = ?',
    path,
  )
  return holder === undefined || holder.id === task ? undefined : holder.uid
}

export interface Wanted {
  readonly folder: string
  /** To try in turn. */
  readonly names: readonly string[]
  readonly place?: Place | undefined
}

export type Taken =
  | {
      readonly found: 'reserved'
      readonly name: string
      /** It has a name that is the same one where names fold. */
      readonly alike?: TaskId
    }
  | { readonly found: 'busy'; readonly by: TaskId }

/** The first of the names that nobody has. @param boot in which the device of the place holds */
export function takeName(store: Store, task: TaskRow, { folder, names, place }: Wanted, boot: string): Taken {
  let by: TaskId | undefined
  const held = heldBy(store, task.id)
  for (const name of names) {
    const path = pathKey(folder, name)
    const holder = held.has(path) ? undefined : reserve(store, path, task.id)
    by ??= holder
    if (holder !== undefined) continue
    if (place === undefined) {
      if (hasOthers(held, [path])) store.run('delete from destination where task = ? and path <> ?', task.id, path)
      return { found: 'reserved', name }
    }
    const alikes = `${mark}${boot}\0${place.device}:${place.inode}\0${folded(name)}\0`
    const key = `${alikes}${name}`
    const there = held.has(key) ? undefined : reserve(store, key, task.id)
    by ??= there
    if (there !== undefined) {
      store.run('delete from destination where task = ? and path = ?', task.id, path)
      continue
    }
    if (hasOthers(held, [path, key]))
      store.run('delete from destination where task = ? and path <> ? and path <> ?', task.id, path, key)
    const alike = alikeOf(store, task.id, alikes)
    return { found: 'reserved', name, ...(alike !== undefined && { alike }) }
  }
  return { found: 'busy', by: by ?? task.uid }
}

/** Moves the path of a task that is published under another name than it was to have. */
export function takePath(store: Store, task: number, path: string): TaskId | undefined {
  const held = heldBy(store, task)
  const by = held.has(path) ? undefined : reserve(store, path, task)
  if (by === undefined && [...held].some((each) => each !== path && !each.startsWith(mark)))
    store.run(
      'delete from destination where task = ? and path <> ? and substr(path, 1, ?) <> ?',
      task,
      path,
      mark.length,
      mark,
    )
  return by
}

/** Mostly what it wants is what it has, and then nothing is to be written. */
function heldBy(store: Store, task: number): ReadonlySet<string> {
  const rows = store.all<{ path: string }>('select path from destination where task = ?', task)
  return new Set(rows.map(({ path }) => path))
}

function hasOthers(held: Iterable<string>, kept: readonly string[]): boolean {
  return [...held].some((path) => !kept.includes(path))
}

/** What no path begins with. */
const mark = 'place:'

function alikeOf(store: Store, task: number, alikes: string): TaskId | undefined {
  return store.get<{ uid: TaskId }>(
    `select uid from destination join task on task.id = destination.task
      where path >= ? and path < ? and destination.task <> ? limit 1`,
    alikes,
    `${alikes.slice(0, -1)}\u0001`,
    task,
  )?.uid
}

/** More alike than any one file system holds them to be; whether ours does is looked at. */
function folded(name: string): string {
  return name.normalize('NFKC').toLowerCase().toUpperCase().normalize('NFC')
}
