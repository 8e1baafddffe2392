// Starts the daemon of LONGHAUL_HOME as the first client of an app would, and leaves it running.
// Parameter: { args, env } of the daemon.
import { BackgroundSession } from 'longhaul'

interface Parameter {
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
}

const daemon = JSON.parse(process.argv[2]!) as Parameter
const session = await BackgroundSession.open({ identifier: 'bench.start', daemon })
await session.close()
