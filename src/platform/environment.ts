/**
 * Power and network of the real machine. Nothing is asked of the system in this version: all of it is `unknown`, which
 * counts as mains and unmetered and is shown as unknown, and no change is ever reported. Waits for a network to come back
 * end by their back-off instead.
 */
import type { Environment } from '../world/environment.ts'

export function createEnvironment(): Environment {
  return {
    now: { power: 'unknown', metered: 'unknown', constrained: 'unknown', networkId: 'unknown' },
    watch: () => () => {},
  }
}
