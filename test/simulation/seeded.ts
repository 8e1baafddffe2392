// Chance that a seed decides. Each part of the simulation draws from a fork of its own, so that one more draw in one of them
// changes nothing in the others: that is what lets a failing run be made shorter piece by piece and still fail.
import type { Random } from '../../src/world/clock.ts'

export class Seeded implements Random {
  readonly #name: string
  #state: number

  constructor(seed: number | string) {
    this.#name = String(seed)
    this.#state = hash(this.#name)
  }

  /** Another source, decided by this one's name and `name` only, not by what was drawn. */
  fork(name: string): Seeded {
    return new Seeded(`${this.#name}/${name}`)
  }

  fraction(): number {
    // mulberry32
    let t = (this.#state += 0x6d2b79f5)
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.int(0, 255))
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from + 1))
  }

  /** As `int`, but small numbers as often as large ones: 1 to 10 is as likely as 10 to 100. `from` is at least 1. */
  scale(from: number, to: number): number {
    return Math.round(from * (to / from) ** this.fraction())
  }

  chance(probability: number): boolean {
    return this.fraction() < probability
  }

  pick<T>(from: readonly T[]): T {
    return from[this.int(0, from.length - 1)]!
  }

  /** One of the names, each as often as its weight says. */
  weighted<K extends string>(weights: Readonly<Record<K, number>>): K {
    const entries = Object.entries<number>(weights) as [K, number][]
    let left = this.fraction() * entries.reduce((sum, [, weight]) => sum + weight, 0)
    for (const [name, weight] of entries) if ((left -= weight) < 0) return name
    return entries.at(-1)![0]
  }
}

/** FNV-1a, then mixed: names that differ in one letter must not give sources that resemble each other. */
function hash(text: string): number {
  let h = 0x811c9dc5
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193)
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return h ^ (h >>> 16)
}
