// What the network makes of a behaviour: which failure it tells, in which phase, and whether it can tell one at all. The table
// in internet.test.ts holds it against the real network.
import { type BodyEnd, type NetworkFailureCause, type NetworkPhase } from '../../src/world/transport.ts'
import { type Behaviour } from './server-plan.ts'

/** There was no answer. */
export interface Failed {
  readonly failed: NetworkFailureCause
  readonly phase: NetworkPhase
}

/** After the bytes that were sent. */
export type Ending = 'well' | 'silence' | NetworkFailureCause

/** What never becomes an answer. */
export function earlyEnd(behaviour: Behaviour): Failed | 'silence' | undefined {
  switch (behaviour.kind) {
    case 'refuses connection':
      return { failed: 'cannot connect', phase: 'connect' }
    case 'cannot find host':
      return { failed: 'cannot find host', phase: 'lookup' }
    case 'no network':
      return { failed: 'no network', phase: 'connect' }
    case 'cut before head':
      return { failed: 'connection lost', phase: 'head' }
    case 'hangs before head':
      return 'silence'
    case 'malformed':
      return behaviour.after === undefined ? { failed: 'malformed answer', phase: 'head' } : undefined
    default:
      return undefined
  }
}

/** How much of the body is sent, 0 to 1. */
export function shareSent(behaviour: Behaviour, proof: BodyEnd['proof']): number {
  switch (behaviour.kind) {
    case 'cut':
    case 'short':
    case 'stall':
    case 'changes under the body':
    case 'changes twice':
      return behaviour.after
    case 'malformed':
      // Only chunks have a form that can be broken.
      return proof === 'last chunk' ? (behaviour.after ?? 1) : 1
    default:
      return 1
  }
}

/** How the network tells the end of a body. With all bytes there, a body of known length is whole whatever comes then. */
export function endOf(behaviour: Behaviour, proof: BodyEnd['proof'], complete: boolean): Ending {
  const isWhole = proof === 'length' && complete
  switch (behaviour.kind) {
    case 'cut':
    case 'changes under the body':
    case 'changes twice':
      return isWhole ? 'well' : 'connection lost'
    case 'short':
      return isWhole || proof === 'close' ? 'well' : 'connection lost'
    case 'stall':
      return isWhole ? 'well' : 'silence'
    case 'malformed':
      return proof === 'last chunk' ? 'malformed answer' : 'well'
    case 'excess':
      // What ends with the connection has no end that more could come after.
      return proof === 'close' ? 'well' : 'body too long'
    default:
      return 'well'
  }
}
