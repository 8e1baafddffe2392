/**
 * What this daemon outlives, told from where it runs. Pure: `main` reads the facts.
 *
 *     installed    a unit that is started at boot and kept running (it sets LONGHAUL_INSTALLED=1)
 *     tethered     in a container, or in the control group of somebody else's service: it ends with that
 *     on demand    anything else: outlives the apps, not the machine
 */
import type { DaemonStatus } from '../contract/verbs.ts'

export interface Whereabouts {
  readonly env: Readonly<Record<string, string | undefined>>
  /** /proc/self/cgroup; empty where there is none. */
  readonly controlGroups: string
  /** A file that container engines put there exists. */
  readonly containerFile: boolean
  /** Asked for: the daemon was started as part of something else (`longhaul daemon run -- …`). */
  readonly tethered: boolean
}

export function judgeSurvival({ env, controlGroups, containerFile, tethered }: Whereabouts): DaemonStatus['survives'] {
  if (tethered) return 'tethered'
  if (env['LONGHAUL_INSTALLED'] === '1') return 'installed'
  const inContainer =
    containerFile || (env['container'] ?? '') !== '' || /docker|kubepods|containerd|libpod|lxc/.test(controlGroups)
  return inContainer || controlGroups.split('\n').some(isForeignService) ? 'tethered' : 'on demand'
}

/** `0::/system.slice/app.service`. The units that we are started in ourselves begin with our name; `user@` is the login's. */
function isForeignService(line: string): boolean {
  const units = line.split('/').filter((part) => part.endsWith('.service'))
  const innermost = units.at(-1)
  return innermost !== undefined && !innermost.startsWith('longhaul') && !/^user@\d+\.service$/.test(innermost)
}
