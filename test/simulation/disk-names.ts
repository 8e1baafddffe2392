// A folder of the simulated disk: the names that programs see and those that are safe. Each create, link, rename or unlink is
// one change that is pending until the folder is synced; a power cut keeps any subset of them, each of them whole.
import type { Inode } from './inode.ts'
import type { Seeded } from './seeded.ts'

export type DiskNode = Inode | Names

/** What a change makes of names: undefined takes one away. */
export type NameEffects = readonly (readonly [name: string, node: DiskNode | undefined])[]

interface Pending {
  readonly order: number
  readonly effects: NameEffects
  /** What the change gave a name, or took one from. */
  readonly concerns: ReadonlySet<DiskNode>
  /** Decided by a power cut. */
  survives: boolean
}

export class Names {
  readonly path: string
  readonly number: number
  readonly birthMs: number
  modifiedMs: number
  /** Gone, though programs may still hold it. */
  removed = false
  #live: Map<string, DiskNode> = new Map()
  #durable: Map<string, DiskNode> = new Map()
  #pending: Pending[] = []
  #order = 0

  constructor(path: string, number: number, birthMs: number) {
    this.path = path
    this.number = number
    this.birthMs = birthMs
    this.modifiedMs = birthMs
  }

  get(name: string): DiskNode | undefined {
    return this.#live.get(name)
  }

  get entries(): ReadonlyMap<string, DiskNode> {
    return this.#live
  }

  /** The number of the last change; a sync that starts now makes at least everything up to it safe. */
  get latest(): number {
    return this.#order
  }

  /** All that has a name here, had one, or may have one again after a power cut. */
  everything(): ReadonlySet<DiskNode> {
    const found = new Set([...this.#live.values(), ...this.#durable.values()])
    for (const { concerns } of this.#pending) for (const node of concerns) found.add(node)
    return found
  }

  change(effects: NameEffects, nowMs: number): void {
    const concerns = new Set<DiskNode>()
    for (const [name, node] of effects) {
      const before = this.#live.get(name)
      if (before !== undefined) concerns.add(before)
      if (node !== undefined) concerns.add(node)
    }
    set(this.#live, effects)
    this.modifiedMs = nowMs
    this.#pending.push({ order: ++this.#order, effects, concerns, survives: false })
  }

  sync(upTo: number): void {
    for (const { order, effects } of this.#pending) if (order <= upTo) set(this.#durable, effects)
    this.#pending = this.#pending.filter(({ order }) => order > upTo)
  }

  /** All that a power cut may leave under a name. */
  possible(name: string): ReadonlySet<DiskNode | undefined> {
    const found = new Set([this.#durable.get(name)])
    for (const { effects } of this.#pending) for (const [each, node] of effects) if (each === name) found.add(node)
    return found
  }

  /** The machine goes off: chooses which of the pending changes are kept. */
  draw(random: Seeded): void {
    for (const change of this.#pending) change.survives = random.chance(0.5)
  }

  /** Keeps, beside what was drawn, every change that concerns the node. */
  keep(node: DiskNode): void {
    for (const change of this.#pending) if (change.concerns.has(node)) change.survives = true
  }

  /** The names that are left of what was drawn. */
  left(): ReadonlyMap<string, DiskNode> {
    const names = new Map(this.#durable)
    for (const { effects, survives } of this.#pending) if (survives) set(names, effects)
    return names
  }

  /** From now on what is left is all there is. */
  settle(): void {
    this.#durable = new Map(this.left())
    this.#live = new Map(this.#durable)
    this.#pending = []
  }
}

function set(names: Map<string, DiskNode>, effects: NameEffects): void {
  for (const [name, node] of effects) {
    if (node === undefined) names.delete(name)
    else names.set(name, node)
  }
}
