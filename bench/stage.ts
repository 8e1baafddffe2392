/**
 * What a row stands on: its folder on a named file system, files to serve, servers, what compiles and what measures. Everything
 * that it makes is gone when it is disposed of.
 */
import { createHash, randomFillSync } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import {
  createReadStream,
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeSync,
} from 'node:fs'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { freemem } from 'node:os'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { measure, type Measured, type RunOptions } from './measure.ts'
import { Native } from './native.ts'
import { Published } from './published.ts'
import { serve, type Server } from './servers.ts'

/** More than any contender needs: a file of 2 GiB, and its own memory. */
const usedBytes = 3 * 1024 ** 3

export interface StageOptions {
  readonly rounds: number
  /** Of the sizes and counts; 1 is what the bounds are for. */
  readonly scale: number
  /** Where the folder is made. */
  readonly parent: string
  readonly signal: AbortSignal
}

/** A file that is served. */
export interface Payload {
  readonly name: string
  readonly size: number
  /** In hex. */
  readonly sha256: string
}

export class Stage implements AsyncDisposable {
  readonly rounds: number
  readonly scale: number
  readonly signal: AbortSignal
  /** Where durable files go. */
  readonly folder: string
  /** In memory: nothing there is durable. */
  readonly memory: string
  readonly native: Native
  readonly published: Published
  /** What the servers serve. */
  readonly served: string
  readonly #disposables = new AsyncDisposableStack()

  static async make(options: StageOptions): Promise<Stage> {
    const folder = await realpath(await mkdtemp(join(options.parent, 'longhaul-bench-')))
    const memory = await mkdtemp('/dev/shm/longhaul-bench-')
    return new Stage(options, folder, memory)
  }

  private constructor({ rounds, scale, signal, parent }: StageOptions, folder: string, memory: string) {
    this.rounds = rounds
    this.scale = scale
    this.signal = signal
    this.memory = memory
    // A process that has been told to end may still be at its last words there.
    this.#disposables.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
    this.#disposables.defer(() => rm(memory, { recursive: true, force: true }))
    this.folder = join(folder, 'disk')
    mkdirSync(this.folder)
    if (fileSystemOf(parent) !== 'ext4' && process.getuid?.() === 0) this.#mountExt4(folder)
    this.served = join(this.folder, 'served')
    mkdirSync(this.served)
    const tools = join(folder, 'tools')
    mkdirSync(tools)
    this.native = new Native(tools)
    this.published = new Published(tools)
  }

  /** Gone before the stage's folders are. */
  use<T extends AsyncDisposable>(value: T): T {
    return this.#disposables.use(value)
  }

  get fileSystem(): string {
    return fileSystemOf(this.folder)
  }

  /** A count or a size at this stage's scale. */
  scaled(full: number): number {
    return Math.max(1, Math.round(full * this.scale))
  }

  /** A file of random bytes, safe on the disk and in the page cache, so that serving it costs no disk. */
  payload(name: string, size: number): Payload {
    const file = openSync(join(this.served, name), 'wx', 0o644)
    const hash = createHash('sha256')
    const piece = Buffer.alloc(Math.min(size, 4 << 20))
    try {
      for (let left = size; left > 0; left -= piece.length) {
        const bytes = piece.subarray(0, Math.min(left, piece.length))
        randomFillSync(bytes)
        hash.update(bytes)
        writeSync(file, bytes)
      }
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    return { name, size, sha256: hash.digest('hex') }
  }

  server(kind: 'http' | 'tls', place: Parameters<typeof serve>[0]['place'] = {}): Promise<Server> {
    return serve({ root: this.served, folder: join(this.folder, `server-${kind}`), kind, place }).then((server) =>
      this.use(server),
    )
  }

  run(argv: readonly string[], options: RunOptions = {}): Promise<Measured> {
    return measure(this.native.path('measure'), argv, { signal: this.signal, ...options })
  }

  /**
   * What one contender left to write must not be a burden to the next, and neither what the machine gave back to its host meanwhile: on
   * a virtual one a page that was free for seconds costs many times what one costs that was used a moment ago.
   */
  settle(): void {
    execFileSync('sync', ['-f', this.folder])
    const used = join(this.memory, 'used-a-moment-ago')
    writeZeros(used, Math.min(usedBytes, freemem() / 2))
    rmSync(used)
  }

  /** @throws when a file is not the one that was served */
  async check(path: string, payload: Payload): Promise<void> {
    const hash = createHash('sha256')
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash)
    const found = hash.digest('hex')
    if (found !== payload.sha256) throw new Error(`WRONG BYTES in ${path}: ${found} instead of ${payload.sha256}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposables.disposeAsync()
  }

  /** Not on ext4, and root: the durable rows get one of their own, in an image file. */
  #mountExt4(folder: string): void {
    const image = join(folder, 'disk.img')
    closeSync(openSync(image, 'w'))
    truncateSync(image, 16 * 2 ** 30)
    execFileSync('mkfs.ext4', ['-q', '-F', '-m', '0', image])
    execFileSync('mount', ['-o', 'loop', image, this.folder])
    this.#disposables.defer(() => void execFileSync('umount', [this.folder]))
  }
}

/** Magic numbers of statfs(2). */
const fileSystems: ReadonlyMap<number, string> = new Map([
  [0xef53, 'ext4'],
  [0x01021994, 'tmpfs'],
  [0x58465342, 'xfs'],
  [0x9123683e, 'btrfs'],
  [0x794c7630, 'overlayfs'],
])

export function fileSystemOf(folder: string): string {
  const { type } = statfsSync(folder)
  return fileSystems.get(type) ?? `file system 0x${type.toString(16)}`
}

function writeZeros(path: string, bytes: number): void {
  const file = openSync(path, 'w')
  try {
    const zeros = Buffer.alloc(1 << 20)
    for (let at = 0; at < bytes; at += zeros.byteLength) writeSync(file, zeros)
  } finally {
    closeSync(file)
  }
}
