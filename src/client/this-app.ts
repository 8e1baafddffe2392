/**
 * The app that this process is: its links, one for each home, and what it was launched for. The only file of the client that
 * reaches the real world; everything else takes it from {@link App} or from its link.
 */
import { launchVariable } from '../contract/launch.ts'
import type { DaemonOptions } from '../contract/session.ts'
import { protocolVersions } from '../contract/verbs.ts'
import { createClock, random } from '../platform/clock.ts'
import { createDestinationResolver } from '../platform/destination.ts'
import { moveFile } from '../platform/move-file.ts'
import { homeFolder } from '../platform/paths.ts'
import { userSecret } from '../platform/secret.ts'
import { connectOrStart } from '../platform/start-daemon.ts'
import {
  createKeepAlive,
  currentUmask,
  findExecutable,
  isMainThread,
  nearestPackage,
} from '../platform/this-process.ts'
import { greet } from '../wire/handshake.ts'
import { connectLocal } from '../wire/local-socket.ts'
import type { AppWorld } from '../world/app-world.ts'
import { checkNames, requireFields } from './known-names.ts'
import { Launched } from './launched.ts'
import { type Dial, Link } from './link.ts'

/** An app as its sessions see it. The simulator has many in one process. */
export interface App {
  readonly world: AppWorld
  /** The link to the daemon of a home. @throws INVALID_ARGUMENT for an unknown option */
  linkTo(daemon: DaemonOptions | undefined): Link
  readonly launched: Launched
}

const nothingDone = 'Nothing was done.'
const links = new Map<string, Link>()
const warned = new Set<string>()
let launched: Launched | undefined

const world: AppWorld = {
  clock: createClock({ keepAlive: false }),
  random,
  keepAlive: createKeepAlive(),
  get process() {
    const { pid, env, execPath, execArgv, argv } = process
    // The folder is asked for only by whoever needs it: it may be gone.
    return { pid, env, execPath, execArgv, argv, isMainThread, cwd: () => process.cwd() }
  },
  umask: currentUmask,
  destinations: createDestinationResolver,
  moveFile,
  findExecutable: (command, cwd) => findExecutable(command, cwd),
  nearestPackage,
  warn(message, code, how) {
    if (how === 'once' && warned.has(code)) return
    warned.add(code)
    process.emitWarning(message, { code })
  },
}

export const thisApp: App = {
  world,
  linkTo,
  get launched() {
    // The ticket is taken out of the environment, so that no child of this app takes itself for launched.
    if (launched === undefined) {
      const ticket = process.env[launchVariable]
      delete process.env[launchVariable]
      launched = new Launched(isMainThread ? ticket : undefined, () => linkTo(undefined))
    }
    return launched
  },
}

/**
 * The link to the daemon of a home. Which Node runs the daemon is told by whoever asks for the link first.
 * @throws INVALID_ARGUMENT for an unknown option
 */
export function linkTo(daemon: DaemonOptions | undefined): Link {
  if (daemon !== undefined) {
    requireFields(daemon, 'daemon', nothingDone)
    checkNames(daemon, 'daemon options', { known: ['execPath', 'args', 'env', 'home', 'start'] }, nothingDone)
  }
  const home = homeFolder(daemon?.home)
  let link = links.get(home)
  if (link === undefined) {
    link = new Link({ dial: dialer(home, daemon ?? {}), world })
    links.set(home, link)
  }
  return link
}

function dialer(home: string, daemon: DaemonOptions): Dial {
  const { clock } = world
  return (notes) =>
    connectOrStart({
      home,
      clock,
      connect: async (lock) => {
        // Before the connection: a secret that is refused must not leave one open, and a break is seen only once it is listened.
        const secret = await userSecret(home)
        const channel = await connectLocal(lock.socket)
        channel.unref()
        const { peer } = await greet(channel, {
          secret,
          versions: protocolVersions,
          clock,
          random,
          serve: () => ({ notes }),
        })
        return peer
      },
      ...(daemon.start !== undefined && { start: daemon.start }),
      ...(daemon.execPath !== undefined && { execPath: daemon.execPath }),
      ...(daemon.args !== undefined && { args: daemon.args }),
      ...(daemon.env !== undefined && { env: daemon.env }),
    })
}
