// A file of the simulated disk: what programs see of it (the page cache), and what of that is safe. Each write and each change
// of its size is pending until a sync, and a power cut keeps any subset of what is pending: harsher than a real file system,
// which writes back in some order.
import { Image } from './image.ts'
import type { Seeded } from './seeded.ts'

/** Space is given out by the block, and a power cut tears a write at a block's border. */
const blockBytes = 512

type Pending =
  | { readonly order: number; readonly kind: 'write'; readonly at: number; readonly bytes: Uint8Array }
  | { readonly order: number; readonly kind: 'resize'; readonly size: number }
  /** The size of a write whose bytes are lost. */
  | { readonly order: number; readonly kind: 'grow'; readonly size: number }

interface Attributes {
  readonly mode: number
  readonly modifiedMs: number
}

export class Inode {
  readonly number: number
  readonly birthMs: number
  /** Paths that lead to it, as programs see them. */
  readonly places: Set<string> = new Set<string>()
  /** Handles that are open. It is gone when it has neither these nor places. */
  held = 0
  readonly #live = new Image()
  readonly #durable = new Image()
  #pending: Pending[] = []
  #order = 0
  #attributes: Attributes
  #durableAttributes: Attributes
  readonly #blocks = new Set<number>()

  constructor(number: number, birthMs: number, mode: number) {
    this.number = number
    this.birthMs = birthMs
    this.#attributes = { mode, modifiedMs: birthMs }
    this.#durableAttributes = this.#attributes
  }

  get size(): number {
    return this.#live.size
  }

  get attributes(): Attributes {
    return this.#attributes
  }

  /** Space that it takes; holes take none. */
  get allocated(): number {
    return this.#blocks.size * blockBytes
  }

  /** As a program sees it now. Valid until the next change. */
  get bytes(): Uint8Array {
    return this.#live.view()
  }

  /** What any power cut leaves; undefined when that is left to chance. Valid until the next change. */
  get certainBytes(): Uint8Array | undefined {
    return this.#pending.length === 0 ? this.#durable.view() : undefined
  }

  /** The number of the last change; a sync that starts now makes at least everything up to it safe. */
  get latest(): number {
    return this.#order
  }

  /** How many of `length` bytes at `at` fit when so many bytes are free. What has a block already needs no room. */
  fitting(at: number, length: number, free: number): number {
    let left = Math.floor(free / blockBytes)
    for (let block = Math.floor(at / blockBytes); block * blockBytes < at + length; block++)
      if (!this.#blocks.has(block) && --left < 0) return Math.max(0, block * blockBytes - at)
    return length
  }

  write(bytes: Uint8Array, at: number, nowMs: number): void {
    if (bytes.byteLength === 0) return
    this.#live.write(bytes, at)
    for (let block = Math.floor(at / blockBytes); block * blockBytes < at + bytes.byteLength; block++)
      this.#blocks.add(block)
    // Not slice(): of a Buffer that is a view, and the bytes are only lent.
    this.#pending.push({ order: ++this.#order, kind: 'write', at, bytes: Uint8Array.from(bytes) })
    this.#attributes = { ...this.#attributes, modifiedMs: nowMs }
  }

  resize(size: number, nowMs: number): void {
    this.#live.resize(size)
    this.#freeBlocksAfter(size)
    this.#pending.push({ order: ++this.#order, kind: 'resize', size })
    this.#attributes = { ...this.#attributes, modifiedMs: nowMs }
  }

  setMode(mode: number): void {
    this.#attributes = { ...this.#attributes, mode }
  }

  /** Everything up to that change is safe, its size included; mode and time only with `all`. */
  sync(how: 'data' | 'all', upTo: number): void {
    for (const change of this.#pending) if (change.order <= upTo) apply(this.#durable, change)
    this.#pending = this.#pending.filter(({ order }) => order > upTo)
    if (how === 'all') this.#durableAttributes = this.#attributes
  }

  /**
   * A failed sync after which the pages count as clean: programs see the bytes until the machine goes off, and no later sync
   * writes them. The size may still become safe: zeros then stand where the bytes were.
   */
  lose(): void {
    this.#pending = this.#pending.map((change) =>
      change.kind === 'write'
        ? { order: change.order, kind: 'grow', size: change.at + change.bytes.byteLength }
        : change,
    )
  }

  /** The machine goes off: what was not synced is kept or not, each change for itself. */
  cut(random: Seeded): void {
    for (const change of this.#pending) surviving(change, random).forEach((each) => apply(this.#durable, each))
    this.#pending = []
    this.#live.copy(this.#durable)
    this.#freeBlocksAfter(this.size)
    const { mode } = random.chance(0.5) ? this.#attributes : this.#durableAttributes
    const { modifiedMs } = random.chance(0.5) ? this.#attributes : this.#durableAttributes
    this.#attributes = { mode, modifiedMs }
    this.#durableAttributes = this.#attributes
    this.held = 0
  }

  #freeBlocksAfter(size: number): void {
    for (const block of this.#blocks) if (block * blockBytes >= size) this.#blocks.delete(block)
  }
}

function apply(image: Image, change: Pending): void {
  if (change.kind === 'write') image.write(change.bytes, change.at)
  else if (change.kind === 'resize') image.resize(change.size)
  else if (image.size < change.size) image.resize(change.size)
}

/** What a power cut leaves of one change. */
function surviving(change: Pending, random: Seeded): readonly Pending[] {
  if (change.kind !== 'write') return random.chance(0.5) ? [change] : []
  const { order, at, bytes } = change
  const fate = random.weighted({ whole: 4, lost: 4, torn: 3, 'only its size': 1 })
  if (fate === 'whole') return [change]
  if (fate === 'only its size') return [{ order, kind: 'grow', size: at + bytes.byteLength }]
  const firstBorder = Math.floor(at / blockBytes) + 1
  const lastBorder = Math.ceil((at + bytes.byteLength) / blockBytes) - 1
  if (fate === 'lost' || firstBorder > lastBorder) return []
  const border = random.int(firstBorder, lastBorder) * blockBytes - at
  return [
    random.chance(0.5)
      ? { ...change, bytes: bytes.subarray(0, border) }
      : { ...change, at: at + border, bytes: bytes.subarray(border) },
  ]
}
