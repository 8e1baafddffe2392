/**
 * The place where clients and daemon meet: a Unix domain socket, on Windows a named pipe.
 *
 * On POSIX systems the folder is the fence: mode 0700, owned by this user, not a link; whatever is found otherwise is
 * refused, by the daemon before it listens and by the client before it connects. The handshake stands behind it all the
 * same, and on Windows, where Node can set no access list on a pipe, it stands alone (that branch was never run).
 * May touch: node:net, and node:fs for the socket and its folder only.
 */
import { constants, type FSWatcher, watch } from 'node:fs'
import { access, chmod, lstat, mkdir, unlink } from 'node:fs/promises'
import { connect, createServer, type Server } from 'node:net'
import { dirname } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import type { Channel, Listener } from '../world/channel.ts'
import { type Log, silentLog } from '../world/log.ts'
import { frame } from './framing.ts'

/** Bytes of the path of a socket. Linux takes 107, macOS 103; more is cut off without a word by some systems. */
const socketPathLimit: number = 103

/**
 * Connects to the daemon.
 * @throws DAEMON_UNAVAILABLE, `retryable: true` when nobody listens there (no such socket, or its process has gone);
 *   `retryable: false` when the socket or its folder is not this user's own, or is something else
 */
export async function connectLocal(path: string): Promise<Channel> {
  if (!isPipe(path)) {
    await checkFolder(dirname(path)).catch((error: unknown) => {
      throw isMissing(error) || isClosed(error) ? nobody(path, error) : error
    })
    await checkSocket(path)
  }
  return new Promise((resolve, reject) => {
    const socket = connect({ path })
    const failed = (error: NodeJS.ErrnoException): void => reject(connectFailure(path, error))
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      resolve(frame(socket))
    })
  })
}

export interface ListenOptions {
  /** Gets each connection; must call `channel.on` before it returns. */
  readonly connected: (channel: Channel) => void
  /**
   * The socket vanished and could not be made again (its folder is gone, as after a logout): listen at another place.
   * Only what the system reports is noticed here; the end of a mount is not. Call `relisten` when there is another reason to look.
   */
  readonly lost?: (why: unknown) => void
  /** @default nothing is logged */
  readonly log?: Log
}

export interface LocalListener extends Listener {
  readonly path: string
  /** Makes the socket anew if it has vanished (a cleaner of the temp folder, say). True if it had. */
  relisten(): Promise<boolean>
}

/**
 * Listens at `path`. A socket that is left there is unlinked, so the caller MUST hold the instance lock of its home:
 * only then is it known to be the leftover of a daemon that died.
 *
 * The folder is watched, and a socket that vanishes is made again; connections that exist are not touched by that.
 * @throws INVALID_ARGUMENT for a path that is too long; DAEMON_UNAVAILABLE for a folder or file that is refused
 */
export async function listenLocal(path: string, options: ListenOptions): Promise<LocalListener> {
  const bytes = Buffer.byteLength(path)
  if (!isPipe(path) && bytes > socketPathLimit) {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `The path of the socket has ${bytes} bytes, and ${socketPathLimit} are possible: ${path}. The daemon did not start.`,
      {
        hint: 'Set XDG_RUNTIME_DIR, or LONGHAUL_HOME to a shorter path.',
      },
    )
  }
  const listener = new SocketListener(path, options)
  await listener.start()
  return listener
}

class SocketListener implements LocalListener {
  readonly path: string
  readonly #options: ListenOptions
  readonly #log: Log
  #server: Server | undefined
  #watcher: FSWatcher | undefined
  #closed = false
  /** One making at a time. */
  #making: Promise<boolean> = Promise.resolve(false)

  constructor(path: string, options: ListenOptions) {
    this.path = path
    this.#options = options
    this.#log = options.log ?? silentLog
  }

  async start(): Promise<void> {
    this.#making = this.#make().then(() => true)
    await this.#making
  }

  relisten(): Promise<boolean> {
    const next = this.#making
      .catch(() => false)
      .then(async () => {
        if (this.#closed || isPipe(this.path) || (await isSocketThere(this.path))) return false
        await this.#make()
        this.#log.warn('the socket had vanished and was made again', { path: this.path })
        return true
      })
    this.#making = next
    return next
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#watcher?.close()
    await this.#making.catch(() => false)
    // Also unlinks the socket (libuv does), which is why the instance lock is let go only after this.
    closeServer(this.#server)
    this.#server = undefined
  }

  async #make(): Promise<void> {
    // Closing unlinks the path, so the old server goes before the new socket is there, never after.
    closeServer(this.#server)
    this.#server = undefined
    if (!isPipe(this.path)) {
      const folder = dirname(this.path)
      // Not its parents: if the home or the runtime folder is gone, it is not for a socket to bring it back.
      await mkdir(folder, { mode: 0o700 }).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST')
          throw refused(
            folder,
            `could not be made (${error.message})`,
            'Look at the folder above it, or set XDG_RUNTIME_DIR or LONGHAUL_HOME to another place.',
            error,
          )
      })
      await checkFolder(folder)
      await unlinkLeftover(this.path)
    }
    this.#server = await listen(this.path, this.#options.connected)
    // Between listen and chmod the 0700 folder alone keeps others out, as it does on systems that ignore a socket's mode.
    if (!isPipe(this.path)) await chmod(this.path, 0o600)
    this.#watch()
  }

  #watch(): void {
    this.#watcher?.close()
    if (isPipe(this.path)) return
    const look = (): void => {
      this.relisten().catch((error: unknown) => {
        this.#log.error('the socket vanished and could not be made again', { path: this.path, error })
        this.#options.lost?.(error)
      })
    }
    try {
      this.#watcher = watch(dirname(this.path), { persistent: false }, look)
      this.#watcher.on('error', look)
    } catch (error) {
      // No watch to be had (a limit of the system): `relisten` by the caller remains.
      this.#log.debug('the folder of the socket cannot be watched', { path: this.path, error })
    }
  }
}

function listen(path: string, connected: (channel: Channel) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => connected(frame(socket)))
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(
        refused(path, `cannot be listened at (${error.message})`, 'Look at the folder and its permissions.', error),
      ),
    )
    server.listen({ path }, () => resolve(server))
  })
}

function closeServer(server: Server | undefined): void {
  // Not awaited: it would wait for the last connection, and those end by themselves.
  server?.close()
}

/** Own uid, a folder, not a link, no bits for group and others. */
async function checkFolder(path: string): Promise<void> {
  const found = await lstat(path)
  const hint = `Remove it or set it right (chmod 700 ${path}), or set XDG_RUNTIME_DIR or LONGHAUL_HOME to another place.`
  if (found.isSymbolicLink()) throw refused(path, 'is a symbolic link', hint)
  if (!found.isDirectory()) throw refused(path, 'is not a folder', hint)
  if (found.uid !== process.getuid?.()) throw refused(path, `belongs to user ${found.uid}, not to this one`, hint)
  if ((found.mode & 0o077) !== 0)
    throw refused(path, `has mode ${modeText(found.mode)}, so that other users get in; it must be 700`, hint)
  await access(path, constants.X_OK).catch((cause: unknown) => {
    // It may also have vanished since we looked.
    if (!isClosed(cause)) throw cause
    const what = `has mode ${modeText(found.mode)}, so that this user does not get in; it must be 700`
    throw refused(path, what, hint, cause)
  })
}

async function checkSocket(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    throw isMissing(error) ? nobody(path, error) : error
  })
  const hint = 'Find out what put it there; remove it, and the daemon makes its own.'
  if (!found.isSocket()) throw refused(path, 'is not a socket', hint)
  if (found.uid !== process.getuid?.()) throw refused(path, `belongs to user ${found.uid}, not to this one`, hint)
}

/** Only a socket of our own is a leftover; anything else there is somebody's and stays. */
async function unlinkLeftover(path: string): Promise<void> {
  const found = await lstat(path).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (found === undefined) return
  if (!found.isSocket() || found.uid !== process.getuid?.())
    throw refused(path, 'is in the place of the socket and is not one of this user', 'Move it away.')
  await unlink(path).catch((error: unknown) => {
    if (!isMissing(error)) throw error
  })
}

async function isSocketThere(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined)
  return found?.isSocket() === true
}

function connectFailure(path: string, error: NodeJS.ErrnoException): LonghaulError {
  if (error.code === 'ENOENT' || error.code === 'ECONNREFUSED' || error.code === 'ECONNRESET')
    return nobody(path, error)
  // EAGAIN: the queue of a busy daemon is full.
  const retryable = error.code === 'EAGAIN' || error.code === 'EMFILE' || error.code === 'ENFILE'
  return new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `No connection to the socket ${path} could be made: ${error.message}.`,
    { cause: error, retryable },
  )
}

function nobody(path: string, cause: unknown): LonghaulError {
  if (isClosed(cause)) {
    const folder = dirname(path)
    return new LonghaulError(
      'DAEMON_UNAVAILABLE',
      `The folder of the socket, ${folder}, cannot be looked at: a folder above it is closed to this user, or is none any more.`,
      {
        cause,
        retryable: true,
        hint: `Look at the folders above ${folder}, or set XDG_RUNTIME_DIR or LONGHAUL_HOME to another place.`,
      },
    )
  }
  const what = isMissing(cause) ? `There is no socket at ${path}` : `Nobody listens at ${path}`
  return new LonghaulError('DAEMON_UNAVAILABLE', `${what}: the daemon has ended, or has moved to another place.`, {
    cause,
    retryable: true,
  })
}

function refused(path: string, what: string, hint: string, cause?: unknown): LonghaulError {
  return new LonghaulError('DAEMON_UNAVAILABLE', `${path} ${what}. It was left as it is and is not used.`, {
    retryable: false,
    hint,
    cause,
  })
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}

/** Somebody else's folder is in the place of ours, as where a mount has ended. */
function isClosed(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'EACCES' || error.code === 'ENOTDIR')
}

function isPipe(path: string): boolean {
  return path.startsWith('\\\\')
}

function modeText(mode: number): string {
  return (mode & 0o777).toString(8).padStart(3, '0')
}
