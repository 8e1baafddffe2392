// What Node can do with nothing around it: ranges of one file over a few TLS connections, laid where they belong, synced as they
// come, and hashed by a thread behind them where that is asked for. No daemon, no journal, no proofs, no errors. It says how much of a row
// is Node's and the machine's; two threads say what a second one would bring.
// Parameter: Parameter. Ends with 1 where the digest is another.
import { createHash } from 'node:crypto'
import { closeSync, constants, fdatasync, openSync, readFileSync, readSync, writeSync } from 'node:fs'
import type { OnReadOpts } from 'node:net'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { isMainThread, Worker, workerData } from 'node:worker_threads'

interface Parameter {
  readonly url: string
  readonly to: string
  readonly bytes: number
  /** PEM file. */
  readonly authority: string
  readonly connections: number
  /** That read and write. */
  readonly threads: number
  /** Of all of it, in hex. */
  readonly sha256?: string
}

/** What the threads share: how far each piece has come, and which is the next that nobody has begun. */
interface Shared extends Parameter {
  readonly role: 'fetch' | 'hash'
  readonly landed: Int32Array<SharedArrayBuffer>
  readonly next: Int32Array<SharedArrayBuffer>
}

const sync = promisify(fdatasync)

const mebibyte = 2 ** 20
const pieceBytes = 16 * mebibyte
/** Written since the last sync began; what is left to sync at the end keeps nobody waiting. */
const syncEach = 64 * mebibyte

if (isMainThread) await lead(JSON.parse(process.argv[2]!) as Parameter)
else if ((workerData as Shared).role === 'hash') hash(workerData as Shared)
else await fetchSome(workerData as Shared)

async function lead(parameter: Parameter): Promise<void> {
  const shared = {
    ...parameter,
    landed: new Int32Array(new SharedArrayBuffer(4 * Math.ceil(parameter.bytes / pieceBytes))),
    next: new Int32Array(new SharedArrayBuffer(4)),
  }
  const file = openSync(parameter.to, 'w')
  const hashed = parameter.sha256 === undefined ? undefined : ended({ ...shared, role: 'hash' })
  const others = Array.from({ length: parameter.threads - 1 }, () => ended({ ...shared, role: 'fetch' }))
  await fetchSome({ ...shared, role: 'fetch' })
  await Promise.all(others)
  await sync(file)
  closeSync(file)
  await hashed
}

function ended(shared: Shared): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const worker = new Worker(new URL(import.meta.url), { workerData: shared })
  worker.once('error', reject)
  worker.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a thread ended with ${code}`))))
  return promise
}

/** The share of one thread. */
async function fetchSome(shared: Shared): Promise<void> {
  const file = openSync(shared.to, constants.O_WRONLY)
  const count = shared.connections / shared.threads
  let unsynced = 0
  let syncing: Promise<void> | undefined
  const wrote = (bytes: number): void => {
    unsynced += bytes
    if (unsynced < syncEach || syncing !== undefined) return
    unsynced = 0
    syncing = sync(file).finally(() => (syncing = undefined))
  }
  await Promise.all(Array.from({ length: count }, () => fetchPieces(shared, file, wrote)))
  await syncing
  closeSync(file)
}

/** One connection: a piece after the other, in memory that is filled and written, and filled again. */
function fetchPieces(shared: Shared, file: number, wrote: (bytes: number) => void): Promise<void> {
  const { url, bytes, authority, landed, next } = shared
  const { hostname, port, pathname } = new URL(url)
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const room = Buffer.allocUnsafeSlow(mebibyte)
  const scratch = Buffer.allocUnsafeSlow(64 * 1024)
  let filled = 0
  let piece = 0
  let position = 0
  let left = 0
  let head = ''

  const write = (): void => {
    writeSync(file, room, 0, filled, position)
    Atomics.add(landed, piece, filled)
    wrote(filled)
    position += filled
    filled = 0
  }
  const took = (count: number): void => {
    filled += count
    left -= count
    if (filled === room.byteLength || left === 0) write()
    if (left === 0) ask()
  }
  const onread: OnReadOpts = {
    buffer: () => (left > 0 ? room.subarray(filled, filled + left) : scratch),
    callback: (count, buffer) => {
      if (buffer.buffer === room.buffer) took(count)
      else {
        head += scratch.toString('latin1', 0, count)
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return true
        if (!head.startsWith('HTTP/1.1 206')) throw new Error(`not a 206: ${head.slice(0, 20)}`)
        const first = Buffer.from(head.slice(end + 4), 'latin1')
        left = Math.min(pieceBytes, bytes - position)
        first.copy(room, filled)
        took(first.byteLength)
      }
      return true
    },
  }
  const ask = (): void => {
    piece = Atomics.add(next, 0, 1)
    position = piece * pieceBytes
    head = ''
    if (position >= bytes) {
      socket.destroy()
      return resolve()
    }
    const last = Math.min(position + pieceBytes, bytes) - 1
    socket.write(`GET ${pathname} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nRange: bytes=${position}-${last}\r\n\r\n`)
  }
  const options = { host: hostname, port: Number(port), onread }
  const socket = connect({ ...options, ca: readFileSync(authority) }, ask)
  socket.once('error', reject)
  return promise
}

/** Reads again what has landed, from the start on. */
function hash({ to, bytes, landed, sha256 }: Shared): void {
  const file = openSync(to, 'r')
  const buffer = Buffer.allocUnsafeSlow(mebibyte)
  const running = createHash('sha256')
  const never = new Int32Array(new SharedArrayBuffer(4))
  for (let at = 0; at < bytes;) {
    const piece = Math.floor(at / pieceBytes)
    const there = piece * pieceBytes + Atomics.load(landed, piece) - at
    const wanted = Math.min(mebibyte, bytes - at, (piece + 1) * pieceBytes - at)
    if (there < wanted) Atomics.wait(never, 0, 0, 3)
    else {
      const count = readSync(file, buffer, 0, wanted, at)
      running.update(buffer.subarray(0, count))
      at += count
    }
  }
  if (running.digest('hex') !== sha256) throw new Error('the digest is another')
}
