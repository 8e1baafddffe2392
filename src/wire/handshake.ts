/**
 * The first words on a connection: which protocol version, and proof by both ends that they hold this user's secret.
 *
 *     client  hello {versions, nonce}
 *     daemon  {version, nonce, proof}      the daemon proves itself first
 *     client  prove {proof, pid}           only to a daemon that was proved
 *     daemon  {pid, version, home, …}      its facts, only to a client that was proved
 *
 * A proof is HMAC-SHA256 by the secret over everything said so far and the role of the one who proves: a proof cannot be
 * sent back to its maker, and a version that was swapped on the way is noticed. Whoever lacks the secret learns nothing
 * but a random number and the versions spoken. Anything else, or silence for five seconds, ends the connection. Nothing
 * else is answered before both are proved; the {@link Peer} that answers is made here, in the same turn as the last proof,
 * so that no line falls between the two.
 */
import { createHmac, timingSafeEqual } from 'node:crypto'
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { Channel } from '../world/channel.ts'
import type { Clock, Random } from '../world/clock.ts'
import { type Frame, readFrame } from './frames.ts'
import { Peer, type PeerOptions } from './peer.ts'

/** Ms within which both ends must be proved. */
export const handshakeLimitMs = 5000

/** What the daemon tells of itself to a proved client. */
export interface DaemonFacts {
  readonly pid: number
  /** Of the package. */
  readonly version: string
  readonly home: string
}

export interface HandshakeOptions {
  /** 32 bytes that only processes of this user can read. */
  readonly secret: Uint8Array
  /** Protocol versions spoken here, any order. */
  readonly versions: readonly number[]
  readonly clock: Clock
  readonly random: Random
  /** Called once both are proved, in the same turn: what the new peer answers. */
  readonly serve: (agreed: Agreed) => PeerOptions
  /** The client's, told for messages only. @default of this process */
  readonly pid?: number
}

export interface Agreed {
  /** The protocol version: the highest that both speak. */
  readonly version: number
  readonly facts: DaemonFacts
  /** As the client says; never trusted. 0 when it did not say. */
  readonly clientPid: number
}

export interface Greeted extends Agreed {
  readonly peer: Peer
}

/** The client's side. @throws PROTOCOL_MISMATCH, or DAEMON_UNAVAILABLE when the daemon went away or was silent */
export function greet(channel: Channel, options: HandshakeOptions): Promise<Greeted> {
  const ourNonce = makeNonce(options.random)
  const ourPid = options.pid ?? process.pid
  let answered: { readonly version: number; readonly nonce: string } | undefined
  const greeted = converse(channel, options.clock, 'the daemon', (frame, finish) => {
    // Of who is not proved yet only this one error is believed, and it only ends the attempt.
    if (frame.kind === 'error' && answered === undefined && isLonghaulError(frame.error, 'PROTOCOL_MISMATCH'))
      throw frame.error
    if (frame.kind !== 'ok' || frame.id !== (answered === undefined ? 1 : 2)) throw broken('the daemon')
    if (answered === undefined) {
      const { version, nonce, proof } = fieldsOf(frame.ok)
      if (typeof version !== 'number' || !options.versions.includes(version) || !isHex(nonce) || !isHex(proof))
        throw broken('the daemon')
      const said = { versions: options.versions, version, client: ourNonce, daemon: nonce }
      if (!equal(proof, prove(options.secret, 'daemon', said))) {
        throw new LonghaulError(
          'PROTOCOL_MISMATCH',
          'The process behind the socket could not prove that it is the Longhaul daemon of this user; nothing was sent to it.',
          {
            hint: 'Find out which process listens there. If it is your daemon and its secret file was changed, end it (`kill PID`: at a checkpoint); the next command starts another.',
          },
        )
      }
      answered = { version, nonce }
      say(channel, { id: 2, call: 'prove', params: { proof: prove(options.secret, 'client', said), pid: ourPid } })
      return
    }
    const { pid, version, home } = fieldsOf(frame.ok)
    if (typeof pid !== 'number' || typeof version !== 'string' || typeof home !== 'string') throw broken('the daemon')
    finish((peer) => {
      const agreed: Agreed = { version: answered!.version, facts: { pid, version, home }, clientPid: ourPid }
      return { ...agreed, peer: peer(options.serve(agreed)) }
    })
  })
  say(channel, { id: 1, call: 'hello', params: { versions: options.versions, nonce: ourNonce } })
  return greeted
}

/** The daemon's side. Rejects once the connection is closed; the reason is for the log only. */
export function receive(
  channel: Channel,
  options: HandshakeOptions & { readonly facts: DaemonFacts },
): Promise<Greeted> {
  const ourNonce = makeNonce(options.random)
  let said: Said | undefined
  return converse(channel, options.clock, 'the client', (frame, finish) => {
    if (frame.kind !== 'call') throw broken('the client')
    const params = fieldsOf(frame.params)
    if (said === undefined) {
      const { versions, nonce } = params
      if (frame.call !== 'hello' || frame.id !== 1 || !isVersions(versions) || !isHex(nonce)) throw broken('the client')
      const version = Math.max(...options.versions.filter((ours) => versions.includes(ours)))
      if (!Number.isFinite(version)) {
        const error = noCommonVersion(options.versions, versions)
        say(channel, { id: frame.id, error })
        throw error
      }
      said = { versions, version, client: nonce, daemon: ourNonce }
      say(channel, { id: frame.id, ok: { version, nonce: ourNonce, proof: prove(options.secret, 'daemon', said) } })
      return
    }
    const { proof, pid } = params
    if (frame.call !== 'prove' || frame.id !== 2 || !isHex(proof)) throw broken('the client')
    if (!equal(proof, prove(options.secret, 'client', said))) {
      throw new LonghaulError(
        'PROTOCOL_MISMATCH',
        'A process connected that does not know the secret of this user; it was disconnected.',
      )
    }
    const { version } = said
    finish((peer) => {
      say(channel, { id: frame.id, ok: options.facts })
      const clientPid = Number.isSafeInteger(pid) ? (pid as number) : 0
      const agreed: Agreed = { version, facts: options.facts, clientPid }
      return { ...agreed, peer: peer(options.serve(agreed)) }
    })
  })
}

interface Said {
  readonly versions: readonly number[]
  readonly version: number
  readonly client: string
  readonly daemon: string
}

type Finish = (make: (peer: (options: PeerOptions) => Peer) => Greeted) => void

/** Runs one side: each frame goes to `take`; what it throws, a close or the time limit ends the connection. */
function converse(
  channel: Channel,
  clock: Clock,
  other: string,
  take: (frame: Frame, finish: Finish) => void,
): Promise<Greeted> {
  const { promise, resolve, reject } = Promise.withResolvers<Greeted>()
  let over = false
  const end = (why: Error): void => {
    if (over) return
    over = true
    timer.cancel()
    channel.close(why)
    reject(why)
  }
  const timer = clock.timer(clock.steady() + handshakeLimitMs, () => {
    end(
      new LonghaulError(
        'DAEMON_UNAVAILABLE',
        `The handshake was not finished by ${other} within ${handshakeLimitMs / 1000} seconds; the connection was closed.`,
      ),
    )
  })
  const finish: Finish = (make) => {
    const greeted = make((options) => new Peer(channel, options))
    over = true
    timer.cancel()
    resolve(greeted)
  }
  channel.on({
    line: (line) => {
      if (over) return
      try {
        const frame = readFrame(line)
        if (frame === undefined) throw broken(other)
        take(frame, finish)
      } catch (error) {
        end(error as Error)
      }
    },
    drained: () => {},
    closed: end,
  })
  return promise
}

function say(channel: Channel, message: object): void {
  channel.send(JSON.stringify(message))
}

function prove(secret: Uint8Array, role: 'client' | 'daemon', said: Said): string {
  const text = JSON.stringify(['longhaul handshake', role, said.versions, said.version, said.client, said.daemon])
  return createHmac('sha256', secret).update(text).digest('hex')
}

function equal(a: string, b: string): boolean {
  return timingSafeEqual(Buffer.from(a, 'hex'), Buffer.from(b, 'hex'))
}

function makeNonce(random: Random): string {
  return Buffer.from(random.bytes(32)).toString('hex')
}

/** 32 bytes in hexadecimal: a nonce or a proof. */
function isHex(value: unknown): value is string {
  return typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)
}

function isVersions(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= 64 &&
    value.every((version) => Number.isSafeInteger(version) && version > 0)
  )
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>) : {}
}

function broken(other: string): LonghaulError {
  return new LonghaulError(
    'PROTOCOL_MISMATCH',
    `Something else than the handshake of Longhaul came from ${other}; the connection was closed.`,
  )
}

function noCommonVersion(ours: readonly number[], theirs: readonly number[]): LonghaulError {
  return new LonghaulError(
    'PROTOCOL_MISMATCH',
    `The daemon speaks protocol ${ours.join(', ')} and the client ${theirs.join(', ')}; there is none in common. Nothing was sent; transfers go on.`,
  )
}
