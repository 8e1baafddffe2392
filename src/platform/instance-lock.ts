/**
 * One home, one daemon. The lock is an exclusive transaction on an empty SQLite database, held open for as long as the
 * daemon lives: the system lets go of it at the death of the process, however it dies, and no child inherits it (POSIX
 * record locks are not inherited; SQLite's descriptors are closed on exec). It is never written to, so there is nothing to
 * recover. No other code in the daemon may open that file: closing any descriptor of it would drop the lock.
 *
 * Daemon only: a client reads `lock-file`. May touch: node:sqlite and node:fs, for this file only.
 */
import { closeSync, openSync, statSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { LonghaulError } from '../contract/errors.ts'
import { type LockFacts, removeLock, writeLock } from './lock-file.ts'
import { homePaths } from './paths.ts'

export interface InstanceLock {
  /** Tells clients where we are; call it once the socket listens, again when it moved. */
  publish(facts: LockFacts): void
  /** False when the home was removed or exchanged under us: another daemon may be running by now, so this one has to end. */
  isStillOurs(): boolean
  /** Idempotent. Takes the lock file away first, so that nobody is sent to a daemon that no longer is one. */
  release(): void
}

/**
 * Ms for which SQLite tries. Two who want the lock in the same instant can both be refused when neither waits; one whom
 * another only probes would be refused too. Who loses has nothing else to do.
 */
const waitMs = 1000
/** A database that nothing refers to is closed by the garbage collector, and the lock would be gone without a word. */
const held = new Set<DatabaseSync>()
const busy = 5

/**
 * Takes the lock of a home that exists, or undefined if a living process holds it.
 * @throws DAEMON_UNAVAILABLE when the lock file cannot be used
 */
export function takeInstanceLock(home: string): InstanceLock | undefined {
  const { lockDatabase } = homePaths(home)
  const database = beginExclusive(lockDatabase, waitMs)
  if (database === undefined) return undefined
  const taken = statSync(lockDatabase, { bigint: true })
  // What is written there is by a daemon that is gone; its socket and pid must not be looked for any longer.
  removeLock(home)
  held.add(database)
  return {
    publish: (facts) => writeLock(home, facts),
    isStillOurs: () => {
      if (!held.has(database)) return false
      const found = statSync(lockDatabase, { bigint: true, throwIfNoEntry: false })
      return found !== undefined && found.ino === taken.ino && found.dev === taken.dev
    },
    release: () => {
      if (!held.delete(database)) return
      removeLock(home)
      database.close()
    },
  }
}

/**
 * Whether a living process holds the lock of this home; undefined where the lock cannot be used just now (too many files are open,
 * say). It asks by trying, for a moment; so a starter waits (see above) rather than believe the asker. Not to be called in the
 * daemon that holds it.
 */
export function isHeld(home: string): boolean | undefined {
  const { lockDatabase } = homePaths(home)
  try {
    if (statSync(lockDatabase, { throwIfNoEntry: false }) === undefined) return false
    const database = beginExclusive(lockDatabase, 0)
    database?.close()
    return database === undefined
  } catch {
    return undefined
  }
}

function beginExclusive(path: string, timeout: number): DatabaseSync | undefined {
  // SQLite would make the file with the umask of the process; before that, nobody holds it, so closing drops no lock.
  if (statSync(path, { throwIfNoEntry: false }) === undefined) createEmpty(path)
  let database: DatabaseSync | undefined
  try {
    database = new DatabaseSync(path, { timeout })
    database.exec('begin exclusive')
    return database
  } catch (cause) {
    database?.close()
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === busy) return undefined
    const said = cause instanceof Error ? cause.message : String(cause)
    throw new LonghaulError(
      'DAEMON_UNAVAILABLE',
      `The lock ${path} cannot be used: ${said}. The daemon did not start.`,
      {
        cause,
        retryable: false,
        hint: `Look at that file. If no longhaul daemon runs, it can be removed.`,
      },
    )
  }
}

function createEmpty(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}
