/**
 * What the library asks of the app's process and machine, as a seam: the simulator runs many apps in one process, each on a
 * world of its own. The real one is `client/this-app`.
 */
import type { Destination } from '../contract/task.ts'
import type { Clock, Random } from './clock.ts'

export interface AppWorld {
  /** Its timers must not keep the process alive: that is for whoever waits, through `keepAlive`. */
  readonly clock: Clock
  readonly random: Random
  readonly keepAlive: KeepAlive
  readonly process: ProcessFacts
  /** The file mode bits that new files do not get. */
  umask(): number
  /** One for each call of the user: what it learns about a folder holds for its life. */
  destinations(): DestinationResolver
  /**
   * Moves a delivered file; idempotent, also while another process moves it. Both paths are absolute.
   * @throws FILE_DOES_NOT_EXIST, FILE_IS_DIRECTORY, CANNOT_MOVE_FILE, which says where the file is
   */
  moveFile(from: string, target: string): Promise<string>
  /** An executable as an absolute path, if there is one. */
  findExecutable(command: string, cwd: string): string | undefined
  /** The package that a program in the folder `from` belongs to. */
  nearestPackage(from: string): { readonly name: string; readonly folder: string } | undefined
  /** Tells the developer. `once`: nothing if this code was told before. */
  warn(message: string, code: string, how?: 'once'): void
}

/** Something that keeps the process alive while it is held. */
export interface KeepAlive {
  /** Counted; each `hold` is ended by its own function, which may be called twice. */
  hold(): () => void
}

export interface ProcessFacts {
  readonly pid: number
  readonly env: Readonly<Record<string, string | undefined>>
  /** Fails when the folder is gone. */
  cwd(): string
  readonly execPath: string
  readonly execArgv: readonly string[]
  readonly argv: readonly string[]
  /** The daemon launches the main thread; workers are not launched for anything. */
  readonly isMainThread: boolean
}

export interface ResolveOptions {
  /** A folder is refused (FILE_IS_DIRECTORY): a file is meant. @default either */
  readonly want?: 'file'
  /** A file that is there already is refused (DESTINATION_EXISTS). @default that is found out at the end */
  readonly existing?: 'refuse'
  /** Relative paths start here. @default the current folder */
  readonly cwd?: string
}

/** Settles what `to` means, makes its folders, and proves that a file can be made there. */
export interface DestinationResolver {
  /**
   * @throws INVALID_ARGUMENT (not a path), CANNOT_CREATE_FILE (folder cannot be made or written), FILE_IS_DIRECTORY,
   *   DESTINATION_EXISTS; nothing was enqueued then
   */
  resolve(to: string | URL, options?: ResolveOptions): Promise<Destination>
}
