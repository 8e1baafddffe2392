/**
 * The words of Longhaul: one word, one meaning, here and in every room.
 *
 * app          the user's program; it may exit, crash or be killed at any time without harming a transfer
 * daemon       the one process per user and home that owns every session, task and byte
 * session      a named group of tasks that belongs to an app; the name is its identifier
 * task         one transfer: a download task (URL -> file) or an upload task (file -> URL)
 * attempt      one try at a task
 * segment      a byte range of one representation, fetched on its own connection
 * representation  the exact bytes that one URL served at one time, known by its validators or by a digest
 * checkpoint   a durable statement of which bytes of a part file are safe
 * event        a message from the daemon to the delegate; a durable one is numbered and kept until acknowledged
 * delegate     the app's object whose methods receive the events
 * owner        the one process that receives a session's events; proves it with a fence
 * controller   any other process that lists, creates, holds, cancels or waits in the session
 * fence        a number that grows with each owner (or attempt); a write that carries an old one is refused
 * hold         a person's pause, apart from the app's suspend()
 * launch       the daemon starting the app because its session needs it
 * spool        the daemon's own folder for partial and undelivered files
 * lane         a session's tasks of one origin
 * crowded      of an origin: it takes fewer connections than it may have
 * gate         the one stored answer to "may this task run, and if not, why"
 */

/** What Apple calls `URLSessionTask.State`. */
export type TaskState = 'running' | 'suspended' | 'canceling' | 'completed'

/** What a person sees a task do. */
export type Phase =
  | 'preparing'
  | 'suspended'
  | 'held'
  | 'queued'
  | 'waiting'
  | 'connecting'
  | 'transferring'
  | 'verifying'
  | 'delivering'
  | 'completed'

/**
 * The materialised answer of `journal/lanes` (`gateOf`): why a task may not run, or what it does.
 * `suspended held dependency time backoff disk destination` wait; `ready` may start; `active publishing` run; `done` ended.
 */
export type Gate =
  | 'suspended'
  | 'held'
  | 'dependency'
  | 'time'
  | 'backoff'
  | 'disk'
  | 'destination'
  | 'ready'
  | 'active'
  | 'publishing'
  | 'done'

/** What a person sees of a gate, as far as the journal knows; an attempt that runs knows better (`connecting`, `verifying`). */
export function phaseOf(gate: Gate): Phase {
  switch (gate) {
    case 'suspended':
    case 'held':
      return gate
    case 'ready':
      return 'queued'
    case 'active':
      return 'transferring'
    case 'publishing':
      return 'delivering'
    case 'done':
      return 'completed'
    case 'dependency':
    case 'time':
    case 'backoff':
    case 'disk':
    case 'destination':
      return 'waiting'
  }
}

export type TaskKind = 'download' | 'upload'

/** How bytes of two attempts were proven to belong to one representation. */
export type Proof = 'strong ETag' | 'Last-Modified' | 'digest' | 'plain range'

/** `Crockford base32`, 26 characters: 48 bits of wall time in ms, then 80 random bits. Sortable by time. */
export type TaskId = string

const alphabet = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'

/**
 * Makes a task id (ULID). The client makes ids, so that a repeat after a lost answer is the same task.
 * @param wallMs wall time in ms since 1970
 * @param random 10 random bytes
 */
export function makeTaskId(wallMs: number, random: Uint8Array): TaskId {
  let time = ''
  for (let left = Math.floor(wallMs), i = 0; i < 10; i++, left = Math.floor(left / 32))
    time = alphabet.charAt(left % 32) + time
  let bits = 0n
  for (const byte of random.subarray(0, 10)) bits = (bits << 8n) | BigInt(byte)
  let tail = ''
  for (let i = 0; i < 16; i++, bits >>= 5n) tail = alphabet.charAt(Number(bits & 31n)) + tail
  return time + tail
}

export function isTaskId(text: string): boolean {
  return /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/.test(text)
}

/** Events that are numbered, kept until acknowledged, and come again until then. */
export type DurableKind =
  | 'didResumeAtOffset'
  | 'didFinishDownloading'
  | 'didFinishCollectingMetrics'
  | 'didComplete'
  | 'didFinishEvents'
  | 'didBecomeInvalid'

/** Events that may be lost: only the newest counts. */
export type PassingKind = 'didWriteData' | 'didRetry'
