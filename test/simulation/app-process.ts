// The process of a simulated app: what the library asks of it, its link to the daemon, its launch ticket, and when it ends by
// itself.
import type { App } from '../../src/client/this-app.ts'
import { Launched } from '../../src/client/launched.ts'
import { Link } from '../../src/client/link.ts'
import { protocolVersions } from '../../src/contract/verbs.ts'
import { greet } from '../../src/wire/handshake.ts'
import type { AppWorld, KeepAlive } from '../../src/world/app-world.ts'
import type { Channel } from '../../src/world/channel.ts'
import type { FileSystem } from '../../src/world/file-system.ts'
import { simulatedDestinations, simulatedMove } from './app-files.ts'
import type { Life } from './life.ts'
import type { Seeded } from './seeded.ts'

export interface ProcessOptions {
  readonly life: Life
  readonly pid: number
  /** A way to a daemon; starts one where there is none. @throws DAEMON_UNAVAILABLE */
  readonly connect: () => Promise<Channel>
  readonly secret: Uint8Array
  readonly files: FileSystem
  readonly random: Seeded
  /** What the daemon put into its environment when it launched it. */
  readonly ticket?: string
  readonly warned: (code: string) => void
  /** Nothing keeps it alive any more, as when the last timer of a Node process is gone. */
  readonly idle: () => void
}

export function simulatedProcess(options: ProcessOptions): App {
  const { life, pid, files, secret } = options
  const { clock } = life
  const random = options.random.fork('library')
  const drafts = options.random.fork('drafts')
  const world: AppWorld = {
    clock,
    random,
    keepAlive: simulatedKeepAlive(life, options.idle),
    process: {
      pid,
      env: {},
      cwd: () => '/',
      execPath: '/usr/bin/node',
      execArgv: [],
      argv: ['/usr/bin/node', '/app.js'],
      isMainThread: true,
    },
    umask: () => 0o022,
    destinations: () => simulatedDestinations(files),
    moveFile: (from, target) => simulatedMove(files, from, target, drafts),
    findExecutable: (command) => command,
    nearestPackage: () => undefined,
    warn: (_, code) => options.warned(code),
  }
  const link = new Link({
    world,
    dial: async (notes) => {
      const channel = await options.connect()
      const serve = (): { readonly notes: typeof notes } => ({ notes })
      const { peer } = await greet(channel, { secret, versions: protocolVersions, clock, random, pid, serve })
      return peer
    },
  })
  return { world, linkTo: () => link, launched: new Launched(options.ticket, () => link) }
}

function simulatedKeepAlive(life: Life, idle: () => void): KeepAlive {
  let holds = 0
  return {
    hold() {
      holds++
      let held = true
      return () => {
        if (!held) return
        held = false
        holds--
        // What is sent in this turn still leaves.
        if (holds === 0)
          life.later(1, () => {
            if (holds === 0) idle()
          })
      }
    },
  }
}
