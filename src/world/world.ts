/** Everything that takes time or chance, in one hand: the daemon is given a real world, the simulator a pretended one. */
import type { Clock, Random } from './clock.ts'
import type { Environment } from './environment.ts'
import type { FileSystem } from './file-system.ts'
import type { Hasher } from './hasher.ts'
import type { Launcher } from './launcher.ts'
import type { Log } from './log.ts'
import type { Transport } from './transport.ts'
import type { Vault } from './vault.ts'

export interface World {
  readonly clock: Clock
  readonly random: Random
  readonly files: FileSystem
  readonly transport: Transport
  readonly launcher: Launcher
  readonly environment: Environment
  readonly hasher: Hasher
  readonly vault: Vault
  readonly log: Log
}
