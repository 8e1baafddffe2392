/**
 * Where everything lies: the home of a daemon, the files in it, and the place of its socket. One home = one daemon.
 *
 * Pure but for `prepareHome`, `requireEntry` and `socketPlaces`, which look at folders. May touch: node:fs, for the home only.
 */
import { createHash } from 'node:crypto'
import { accessSync, constants, lstatSync, readFileSync, statSync } from 'node:fs'
import { stat, statfs } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import { canPass } from './can-pass.ts'
import { makeFolderDurably } from './make-folder.ts'

/** What the places depend on. @default of each member: this process */
export interface Surroundings {
  readonly platform?: NodeJS.Platform
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly homeFolder?: string
  readonly tempFolder?: string
  readonly uid?: number
}

/** The files of one home. Every path is absolute. */
export interface HomePaths {
  readonly home: string
  readonly journal: string
  /** Who runs: readable by clients, whatever Node they have. */
  readonly lock: string
  /** What really excludes a second daemon. */
  readonly lockDatabase: string
  readonly secret: string
  /** Opens what the journal holds sealed. */
  readonly vaultKey: string
  readonly log: string
  /** What daemons said while they started. */
  readonly startLog: string
  readonly spool: string
  readonly run: string
  /** Touched by a client that cannot reach the daemon. */
  readonly knock: string
}

/** Longest path of a socket in bytes that works on every system. */
const socketPathLimit = 103

/**
 * The home: `home` if given, else LONGHAUL_HOME, else the folder for application state of the platform.
 * @throws FILE_DOES_NOT_EXIST for a relative one where the current folder was removed
 */
export function homeFolder(home?: string, surroundings: Surroundings = {}): string {
  const env = surroundings.env ?? process.env
  const named = home ?? env.LONGHAUL_HOME
  if (named !== undefined && named !== '') return absoluteHome(named)
  const user = surroundings.homeFolder ?? homedir()
  switch (surroundings.platform ?? process.platform) {
    case 'darwin':
      return join(user, 'Library', 'Application Support', 'longhaul')
    case 'win32':
      return join(env.LOCALAPPDATA ?? join(user, 'AppData', 'Local'), 'longhaul')
    default: {
      // A relative value is to be ignored (XDG Base Directory Specification).
      const state = env.XDG_STATE_HOME
      return join(state !== undefined && isAbsolute(state) ? state : join(user, '.local', 'state'), 'longhaul')
    }
  }
}

function absoluteHome(named: string): string {
  try {
    return resolve(named)
  } catch (cause) {
    throw new LonghaulError(
      'FILE_DOES_NOT_EXIST',
      `The home ${named} begins in a folder that is not there any more. Nothing was done.`,
      { cause, hint: 'Go to another folder (cd), or name the home by a path that begins with /.' },
    )
  }
}

/** @param home absolute, as {@link homeFolder} gives it */
export function homePaths(home: string): HomePaths {
  return {
    home,
    journal: join(home, 'journal.db'),
    lock: join(home, 'lock'),
    lockDatabase: join(home, 'lock.db'),
    secret: join(home, 'secret'),
    vaultKey: join(home, 'vault.key'),
    log: join(home, 'log'),
    startLog: join(home, 'log', 'start.log'),
    spool: join(home, 'spool'),
    run: join(home, 'run'),
    knock: join(home, 'run', 'knock'),
  }
}

/** Where Node keeps what it compiled of the daemon, so that the next one starts in half the time. */
export function compileCacheFolder(surroundings: Surroundings = {}): string {
  const env = surroundings.env ?? process.env
  const cache = env['XDG_CACHE_HOME']
  const folder = cache !== undefined && isAbsolute(cache) ? cache : join(surroundings.homeFolder ?? homedir(), '.cache')
  return env['NODE_COMPILE_CACHE'] ?? join(folder, 'longhaul', 'compiled')
}

/** A short name for a home, for sockets, pipes and units. */
export function homeName(home: string): string {
  return createHash('sha256').update(home).digest('hex').slice(0, 12)
}

/**
 * Where the daemon of `home` may listen, best first; never empty. Clients do not ask this: the lock file tells them where it
 * does listen, so the two need not have the same environment.
 */
export function socketPlaces(home: string, surroundings: Surroundings = {}): readonly string[] {
  const name = homeName(home)
  if ((surroundings.platform ?? process.platform) === 'win32') return [`\\\\.\\pipe\\longhaul-${name}`]
  const env = surroundings.env ?? process.env
  const uid = surroundings.uid ?? process.getuid?.() ?? 0
  const candidates = [
    ...(isOwnFolder(env.XDG_RUNTIME_DIR, uid) ? [join(env.XDG_RUNTIME_DIR, 'longhaul', `${name}.sock`)] : []),
    join(home, 'run', 'daemon.sock'),
  ]
  const lastResort = join(surroundings.tempFolder ?? tmpdir(), `longhaul-${uid}`, `${name}.sock`)
  return [...candidates.filter((path) => Buffer.byteLength(path) <= socketPathLimit), lastResort]
}

/** After `su` or `sudo` the variable still names another user's folder. */
function isOwnFolder(path: string | undefined, uid: number): path is string {
  if (path === undefined || !isAbsolute(path)) return false
  try {
    const found = lstatSync(path)
    return found.isDirectory() && found.uid === uid
  } catch {
    return false
  }
}

/**
 * Makes the home and its folders (mode 0700) and checks it.
 * @throws INVALID_ARGUMENT for a home that other users can write to, that is another user's, or that lies on a network file
 *   system; CANNOT_CREATE_FILE when it cannot be made; DAEMON_UNAVAILABLE when it can be used later; as {@link requireEntry}
 */
export async function prepareHome(home: string): Promise<HomePaths> {
  requireEntry(home)
  const paths = homePaths(home)
  try {
    for (const folder of [home, paths.log, paths.spool, paths.run]) await makeFolderDurably(folder, 0o700)
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause)
    // Most often it is there, and only could not be looked at just now.
    if (canPass(cause))
      throw new LonghaulError('DAEMON_UNAVAILABLE', `The home ${home} cannot be used just now: ${said}.`, {
        cause,
        retryable: true,
      })
    throw new LonghaulError(
      'CANNOT_CREATE_FILE',
      `The home ${home} could not be made: ${said}. The daemon did not start.`,
      {
        cause,
        hint: 'Set LONGHAUL_HOME to a folder that you may write to.',
      },
    )
  }
  await checkHome(home)
  for (const folder of [paths.log, paths.spool, paths.run]) requireEntry(home, folder)
  return paths
}

/**
 * Said before anything else is tried: who may not enter would find no lock file, and start a daemon in vain.
 * @param folder the home, or one in it; one that is not there yet is no matter
 * @throws naming the first on the way: DAEMON_UNAVAILABLE, `retryable: false`, for a folder that this user may not enter;
 *   CANNOT_CREATE_FILE for what is no folder
 */
export function requireEntry(home: string, folder: string = home): void {
  const barrier = barrierTo(folder)
  if (barrier === undefined) return
  const { path, isFolder } = barrier
  if (!isFolder)
    throw new LonghaulError(
      'CANNOT_CREATE_FILE',
      `The home ${home} could not be made: ${path} is not a folder. Nothing was done.`,
      { hint: 'Set LONGHAUL_HOME to a folder that you may write to.' },
    )
  throw new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `The home ${home} cannot be used: this user may not enter ${path}. Nothing was done, and a daemon that runs goes on.`,
    {
      retryable: false,
      hint: `If that folder is yours, run \`chmod u+rwx ${path}\`; else set LONGHAUL_HOME to a folder of your own.`,
    },
  )
}

function barrierTo(path: string): { readonly path: string; readonly isFolder: boolean } | undefined {
  try {
    accessSync(path, constants.X_OK)
    // A program may be "entered", too.
    return statSync(path).isDirectory() ? undefined : { path, isFolder: false }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code !== 'EACCES' && code !== 'ENOTDIR') return undefined
    const parent = dirname(path)
    const before = parent === path ? undefined : barrierTo(parent)
    if (before !== undefined) return before
    return { path, isFolder: statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? true }
  }
}

/** The checks of {@link prepareHome} on a home that exists. */
async function checkHome(home: string): Promise<void> {
  const uid = process.getuid?.()
  if (uid !== undefined) {
    const found = await stat(home)
    if (found.uid !== uid) throw refusedHome(home, `belongs to user ${found.uid}, not to this one (${uid})`)
    if ((found.mode & 0o022) !== 0) {
      throw refusedHome(
        home,
        `has mode ${(found.mode & 0o777).toString(8)}: other users can write to it`,
        `chmod 700 ${home}`,
      )
    }
  }
  const network = await networkFileSystem(home)
  if (network !== undefined) {
    throw refusedHome(
      home,
      `lies on a network file system (${network}), where neither locks nor syncs can be relied upon`,
    )
  }
}

function refusedHome(home: string, why: string, command?: string): LonghaulError {
  const other = 'set LONGHAUL_HOME to a folder on a local disk that is yours alone'
  return new LonghaulError(
    'INVALID_ARGUMENT',
    `The home ${home} ${why}. The daemon did not start; nothing was changed.`,
    {
      hint: command === undefined ? `Please ${other}.` : `Run \`${command}\`, or ${other}.`,
    },
  )
}

/** f_type of statfs(2) on Linux, by the names in mount(8). */
const networkTypes: ReadonlyMap<number, string> = new Map([
  [0x6969, 'NFS'],
  [0x517b, 'SMB'],
  [0xff534d42, 'CIFS'],
  [0xfe534d42, 'SMB2'],
  [0x01021997, '9p'],
  [0x5346414f, 'AFS'],
  [0x6b414653, 'AFS'],
  [0x73757245, 'Coda'],
  [0x564c, 'NCP'],
  [0x00c36400, 'Ceph'],
  [0x0bd00bd0, 'Lustre'],
  [0x7461636f, 'OCFS2'],
  [0x01161970, 'GFS2'],
])
const fuse = 0x65735546
const networkFuse =
  /^fuse\.(sshfs|rclone|s3fs|goofys|gcsfuse|davfs|glusterfs|cephfs|smbnetfs|curlftpfs|nfs|blobfuse2?|juicefs|mount-s3|jmtpfs)$/

/**
 * The name of the network file system that holds `path`, if it is one. Linux only: elsewhere Node does not say.
 * @param type for tests: f_type, else it is asked of the system
 */
export async function networkFileSystem(path: string, type?: number): Promise<string | undefined> {
  if (process.platform !== 'linux') return undefined
  const found = (type ?? (await statfs(path)).type) >>> 0
  if (found === fuse) return networkMount(readFileSync('/proc/self/mountinfo', 'utf8'), path)
  return networkTypes.get(found)
}

/** FUSE has one number for all: /proc/self/mountinfo says which program it is. */
export function networkMount(mountinfo: string, path: string): string | undefined {
  let best: { readonly point: string; readonly type: string } | undefined
  for (const line of mountinfo.split('\n')) {
    // 36 35 98:0 /root /point options … - type source superoptions; blanks in a name are \040
    const [before, after] = line.split(' - ')
    const point = before
      ?.split(' ')[4]
      ?.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
    const type = after?.split(' ')[0]
    if (point === undefined || type === undefined) continue
    const holds = path === point || path.startsWith(point.endsWith('/') ? point : `${point}/`)
    // Of two mounts on one point the later one is seen.
    if (holds && (best === undefined || point.length >= best.point.length)) best = { point, type }
  }
  return best !== undefined && networkFuse.test(best.type) ? best.type : undefined
}
