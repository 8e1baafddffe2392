/**
 * Power and network of the real machine. Of power and of what a network costs nothing is asked in this version: it is `unknown`,
 * which counts as mains and unmetered and is shown as unknown.
 *
 * The network is known by the addresses that this machine has in it; those that lead nowhere (loopback, link-local) do not count. Node is
 * not told of changes, so they are looked at every few seconds, only while somebody watches.
 */
import { networkInterfaces } from 'node:os'
import type { Clock } from '../world/clock.ts'
import type { Environment, EnvironmentState } from '../world/environment.ts'

const lookEveryMs = 3000

/** @param addresses for tests. @default those of the machine, without those that lead nowhere */
export function createEnvironment(clock: Clock, addresses: () => readonly string[] = ofMachine): Environment {
  let networkId = 'unknown'
  const look = (): EnvironmentState => {
    try {
      networkId = addresses().toSorted().join(' ')
    } catch {
      // The system may refuse it: too many files are open, or it is not allowed. What was known last holds until it can be asked.
    }
    return { power: 'unknown', metered: 'unknown', constrained: 'unknown', networkId }
  }
  return {
    get now() {
      return look()
    },
    watch: (changed) => {
      let last = look().networkId
      let timer = clock.timer(clock.steady() + lookEveryMs, again)
      function again(): void {
        timer = clock.timer(clock.steady() + lookEveryMs, again)
        const state = look()
        if (state.networkId === last) return
        last = state.networkId
        changed(state)
      }
      return () => timer.cancel()
    },
  }
}

/** Loopback and link-local ones, with the length of their prefix or without. */
const leadsNowhere = /^(?:127\.|169\.254\.|::1(?:\/|$)|fe[89ab][0-9a-f]:)/i

function ofMachine(): readonly string[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses
      .map(({ cidr, address }) => cidr ?? address)
      .filter((address) => !leadsNowhere.test(address))
      .map((address) => `${name}=${address}`),
  )
}
