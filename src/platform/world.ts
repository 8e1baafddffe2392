/** The real world in one hand. The transport is handed in: `network` stands beside `platform`, not below it. */
import type { Log } from '../world/log.ts'
import type { Transport } from '../world/transport.ts'
import type { Vault } from '../world/vault.ts'
import type { World } from '../world/world.ts'
import { type ClockMark, createClock, random, type RealClock } from './clock.ts'
import { createEnvironment } from './environment.ts'
import { createFileSystem } from './files.ts'
import { createHasher } from './hashing.ts'
import { createLauncher } from './launcher.ts'

export interface WorldOptions {
  readonly transport: Transport
  readonly log: Log
  readonly vault: Vault
  /** What the last life of the daemon saved of its clock (`clock.mark()`). */
  readonly clockAfter?: ClockMark
  /** Takes what launched apps print. @default it is thrown away */
  readonly appOutput?: string
}

export interface RealWorld extends World {
  readonly clock: RealClock
  /** Ends the hashing thread and the transport. The log stays open for the last words. */
  close(): Promise<void>
}

export function createWorld(options: WorldOptions): RealWorld {
  const hasher = createHasher()
  const clock = createClock(options.clockAfter === undefined ? {} : { after: options.clockAfter })
  return {
    clock,
    random,
    files: createFileSystem(),
    transport: options.transport,
    launcher: createLauncher(options.appOutput === undefined ? {} : { output: options.appOutput }),
    environment: createEnvironment(clock),
    hasher,
    vault: options.vault,
    log: options.log,
    close: async () => {
      await Promise.all([hasher.close(), options.transport.close()])
    },
  }
}
