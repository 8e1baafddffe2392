/**
 * The readable half of the instance lock: a JSON file in the home that says which process is the daemon, where it listens
 * and what it speaks, so that a client finds it whatever its own environment. It proves nothing (its writer may have been
 * killed): a connection does, and in the daemon the lock of `instance-lock`. Works on every Node that a client may have.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homePaths } from './paths.ts'

export interface LockFacts {
  readonly pid: number
  /** The start of the machine in which this pid counts; empty where it cannot be known. */
  readonly bootId: string
  /** Path of the socket, or name of the pipe. */
  readonly socket: string
  /** Of the package. */
  readonly version: string
  /** Protocol versions spoken. */
  readonly protocols: readonly number[]
  /** Wall time in ms. */
  readonly startedAt: number
}

/** What the lock file says, or undefined when there is none, or none that can be read (a cut-off write of an older time). */
export function readLock(home: string): LockFacts | undefined {
  try {
    const value: unknown = JSON.parse(readFileSync(homePaths(home).lock, 'utf8'))
    return isLockFacts(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Only by the holder of the instance lock. A reader sees the old file or the whole new one. */
export function writeLock(home: string, facts: LockFacts): void {
  const { lock } = homePaths(home)
  const draft = `${lock}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(draft, `${JSON.stringify(facts, undefined, 2)}\n`, { flag: 'wx', mode: 0o600 })
    renameSync(draft, lock)
  } catch (error) {
    rmSync(draft, { force: true })
    throw error
  }
}

/** Only by the holder of the instance lock. */
export function removeLock(home: string): void {
  rmSync(homePaths(home).lock, { force: true })
}

function isLockFacts(value: unknown): value is LockFacts {
  if (typeof value !== 'object' || value === null) return false
  const facts = value as Partial<Record<keyof LockFacts, unknown>>
  return (
    Number.isSafeInteger(facts.pid) &&
    (facts.pid as number) > 0 &&
    typeof facts.bootId === 'string' &&
    typeof facts.socket === 'string' &&
    typeof facts.version === 'string' &&
    Array.isArray(facts.protocols) &&
    typeof facts.startedAt === 'number'
  )
}
