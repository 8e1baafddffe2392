/**
 * What a file is called while it is copied to its target on another file system. Two may move the same file at once (an owner that
 * was taken over does not know it yet), so each has a draft of its own, and nobody else touches it.
 *
 * But for one that a crash left. Its name tells the process that made it; where that pid counts here, and is nobody's, it is left. Of
 * another machine, another start of it or another container a pid says nothing, and one may be given again: such a draft is left
 * when nobody has written to it for a day. Should that be wrong, its move fails and the source stays: it is never exchanged.
 * May touch: node:fs, for drafts in the folder of a target, and for what tells where a pid counts; signal 0.
 */
import { createHash, randomBytes } from 'node:crypto'
import { readlinkSync } from 'node:fs'
import { lstat, opendir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { readBootId } from './clock.ts'

const pattern = /^\.([0-9a-f]*)-(\d{1,10})-[0-9a-f]{16}\.longhaul-move$/
const longAgoMs = 24 * 3_600_000
/** Folders remembered. */
const many = 1000

/** A new one, of this process. */
export function draftName(): string {
  return `.${herePids()}-${process.pid}-${randomBytes(8).toString('hex')}.longhaul-move`
}

/** A crash is followed by another process, so one look suffices: a folder may have many names, and many files may be moved there. */
const tidied = new Set<string>()

/** Removes what crashes left in this folder; once in this process. What cannot be removed takes room and does no harm. */
export async function removeLeftDrafts(folder: string): Promise<void> {
  if (tidied.has(folder)) return
  if (tidied.size >= many) tidied.clear()
  tidied.add(folder)
  try {
    for await (const { name } of await opendir(folder)) {
      const path = join(folder, name)
      if (pattern.test(name) && (await isLeft(path, name))) await rm(path, { force: true })
    }
  } catch {
    // A folder that may be written but not read, another user's draft.
  }
}

async function isLeft(path: string, name: string): Promise<boolean> {
  const [, where, pid] = pattern.exec(name)!
  if (where !== '' && where === herePids() && isNobody(Number(pid))) return true
  return Date.now() - (await lstat(path)).mtimeMs > longAgoMs
}

function isNobody(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return false
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'ESRCH'
  }
}

let here: string | undefined

/** Tells where a pid counts: one start of one machine, and the pids that one sees of it. Empty where the system does not say. */
function herePids(): string {
  return (here ??= findHere())
}

function findHere(): string {
  const boot = readBootId()
  if (boot === '') return ''
  try {
    const mark = `${boot}\n${readlinkSync('/proc/self/ns/pid')}`
    return createHash('sha256').update(mark).digest('hex').slice(0, 12)
  } catch {
    return ''
  }
}
