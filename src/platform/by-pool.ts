/**
 * Calls of the system on descriptors, done by a thread of the pool. By number: a `FileHandle` cannot be had of a file that this
 * thread opened.
 */
import { close, fchmod, fdatasync, fstat, fsync, ftruncate, open, read, write } from 'node:fs'
import { promisify } from 'node:util'

interface Calls {
  readonly open: typeof open.__promisify__
  readonly close: typeof close.__promisify__
  readonly read: typeof read.__promisify__
  readonly write: typeof write.__promisify__
  readonly fstat: typeof fstat.__promisify__
  readonly fchmod: typeof fchmod.__promisify__
  readonly ftruncate: typeof ftruncate.__promisify__
  readonly fsync: typeof fsync.__promisify__
  readonly fdatasync: typeof fdatasync.__promisify__
}

export const byPool: Calls = {
  open: promisify(open),
  close: promisify(close),
  read: promisify(read),
  write: promisify(write),
  fstat: promisify(fstat),
  fchmod: promisify(fchmod),
  ftruncate: promisify(ftruncate),
  fsync: promisify(fsync),
  fdatasync: promisify(fdatasync),
}
