/** The links of this process: one for each home. Puts the real world into {@link Link}. */
import type { DaemonOptions } from '../contract/session.ts'
import { protocolVersions } from '../contract/verbs.ts'
import { createClock, random } from '../platform/clock.ts'
import { homeFolder } from '../platform/paths.ts'
import { userSecret } from '../platform/secret.ts'
import { connectOrStart } from '../platform/start-daemon.ts'
import { createKeepAlive } from '../platform/this-process.ts'
import { greet } from '../wire/handshake.ts'
import { connectLocal } from '../wire/local-socket.ts'
import { checkNames, requireFields } from './known-names.ts'
import { type Dial, Link } from './link.ts'

const nothingDone = 'Nothing was done.'
const links = new Map<string, Link>()
/** Waiting keeps the process alive through holds; a timer alone must not. */
const clock: ReturnType<typeof createClock> = createClock({ keepAlive: false })

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
    link = new Link({ dial: dialer(home, daemon ?? {}), clock, keepAlive: createKeepAlive() })
    links.set(home, link)
  }
  return link
}

function dialer(home: string, daemon: DaemonOptions): Dial {
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
