/** The daemon's own ceilings, raised or lowered by whoever starts it. Pure. */
import { LonghaulError } from '../contract/errors.ts'
import { daemonLimits, type Limits } from '../scheduler/view.ts'

/** What the environment calls them; `daemon status` prints both where they are set. */
const variables: Readonly<Record<keyof Limits, string>> = {
  maximumActiveTasks: 'LONGHAUL_MAXIMUM_ACTIVE_TASKS',
  maximumConnectionsPerOrigin: 'LONGHAUL_MAXIMUM_CONNECTIONS_PER_ORIGIN',
}
/** As many as a session may ask for. */
const most: Readonly<Record<keyof Limits, number>> = { maximumActiveTasks: 1024, maximumConnectionsPerOrigin: 256 }

/** @throws INVALID_ARGUMENT: a daemon that does not do what it was told had better not start */
export function limitsOf(environment: Readonly<Record<string, string | undefined>>): Limits {
  const limit = (name: keyof Limits): number => {
    const text = environment[variables[name]]
    if (text === undefined || text === '') return daemonLimits[name]
    if (!/^[1-9]\d{0,3}$/.test(text) || Number(text) > most[name])
      throw new LonghaulError(
        'INVALID_ARGUMENT',
        `${variables[name]}=${text}: write a number from 1 to ${most[name]}. The daemon does not start.`,
        { hint: `Correct ${variables[name]} or leave it out: then it is ${daemonLimits[name]}.` },
      )
    return Number(text)
  }
  return {
    maximumActiveTasks: limit('maximumActiveTasks'),
    maximumConnectionsPerOrigin: limit('maximumConnectionsPerOrigin'),
  }
}
