/**
 * Files as a seam. A folder is held open and names are looked up inside it, so that a parent that is swapped under us
 * cannot move our files; links are never followed.
 *
 * Failures are {@link FileFailure}s: what the system said, sorted into the few causes that someone above acts upon.
 */

export type FileFailureCause =
  | 'not found'
  | 'exists'
  | 'is a folder'
  | 'not a folder'
  | 'no permission'
  | 'read only'
  | 'no space'
  | 'too many open files'
  | 'name too long'
  | 'other device'
  | 'not supported'
  | 'link'
  | 'sync lost'
  | 'input/output'
  | 'busy'

export class FileFailure extends Error {
  override readonly name = 'FileFailure'
  readonly reason: FileFailureCause
  readonly path: string
  constructor(reason: FileFailureCause, path: string, options?: { readonly cause?: unknown }) {
    super(`${path}: ${reason}`, options)
    this.reason = reason
    this.path = path
  }
}

/** Tells one file from another, even one that reuses its inode. Device numbers hold only within one boot. */
export interface FileIdentity {
  readonly kind: 'file' | 'folder' | 'link' | 'other'
  /** Decimal text: inodes do not fit a number. */
  readonly inode: string
  readonly device: string
  /** Ms since 1970; 0 where the file system keeps none. */
  readonly birthMs: number
  readonly size: number
  readonly modifiedMs: number
  /** Permission bits only. */
  readonly mode: number
  readonly links: number
}

export interface FileSystem {
  /** Opens (or with `make` creates, parents included) a folder and holds it. @throws FileFailure */
  folder(path: string, options?: { readonly make?: boolean }): Promise<Folder>
}

export interface Folder {
  /** Absolute path by which it was opened; for messages and for results shown to people. */
  readonly path: string
  readonly identity: FileIdentity
  /** `create`: exclusive, mode 0600, never through a link. `write`: must exist. @throws FileFailure */
  open(name: string, how: 'create' | 'write' | 'read'): Promise<File>
  /** lstat; undefined if there is nothing. */
  look(name: string): Promise<FileIdentity | undefined>
  /** Replaces what is there (but not a folder). Returns before it is durable: `sync()` the folder. */
  rename(from: string, to: string): Promise<void>
  /** Fails with `exists` rather than replace; with `not supported` where the file system has no links. */
  link(from: string, to: string): Promise<void>
  /** No failure when it is gone already. */
  unlink(name: string): Promise<void>
  list(): AsyncIterable<string>
  /** Bytes that an unprivileged process may still write; infinite where the file system does not say: writing tells. */
  free(): Promise<number>
  /** Makes names that were created, renamed, linked or unlinked durable. */
  sync(): Promise<void>
  /** True if the path still leads to this very folder. */
  isStillThere(): Promise<boolean>
  close(): Promise<void>
}

export interface File {
  /** As of the last look at it. */
  readonly identity: FileIdentity
  /**
   * All bytes or a failure, which may be thrown at once. `undefined` = they are written already; else they are lent until the
   * promise settles.
   */
  write(bytes: Uint8Array, at: number): Promise<void> | undefined
  /** Bytes read; 0 at the end. */
  read(into: Uint8Array, at: number): Promise<number>
  /** fstat. */
  look(): Promise<FileIdentity>
  /** After one failure every later call fails with `sync lost`: the kernel may have dropped the pages (fsyncgate). */
  sync(how: 'data' | 'all'): Promise<void>
  resize(size: number): Promise<void>
  setMode(mode: number): Promise<void>
  close(): Promise<void>
}
