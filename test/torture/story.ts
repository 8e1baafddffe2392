/**
 * What the daemon has to do while it is tortured: two downloads, each enqueued, fetched, published and acknowledged. The first
 * replaces a file by rename, and its server breaks off once, so that a checkpoint is made and gone on from; the second takes a
 * free name by link. The same story is told again to the next life of the daemon until all of it is true.
 */
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NewTask } from '../../src/contract/task.ts'
import { makeTaskId } from '../../src/contract/words.ts'
import { random } from '../../src/platform/clock.ts'
import { cutAfter, type FaultServer } from '../../src/testing/index.ts'
import { Breach, within } from './breach.ts'
import type { Facts, Owner } from './owner.ts'

const size = 300_000
const cutAt = 150_000
const old = Buffer.from('what was there before\n'.repeat(100))
/** Every step takes milliseconds; a machine under load may need seconds. */
const ordinaryPatienceMs = 15_000
const againMs = 20

/** What the daemon was in the middle of, as its app and server saw it. */
export type Phase = 'enqueue' | 'checkpoint' | 'publish' | 'acknowledge' | 'end' | 'breach'

export interface Chapter {
  readonly task: NewTask
  readonly path: string
  /** Of the server. */
  readonly resource: string
  readonly how: 'replaces' | 'new'
}

export interface StoryOptions {
  readonly server: FaultServer
  /** Of this telling, unique at its server. */
  readonly name: string
  /** Where the files go: its own. */
  readonly folder: string
  /** Shared by all stories that one home is told. */
  readonly facts: Facts
  /** Ms after which something stands still. @default 15 s */
  readonly patienceMs?: number | undefined
}

export class Story {
  readonly folder: string
  readonly server: FaultServer
  readonly chapters: readonly Chapter[]
  readonly facts: Facts
  readonly #patienceMs: number

  constructor({ server, name, folder, facts, patienceMs = ordinaryPatienceMs }: StoryOptions) {
    this.server = server
    this.folder = folder
    this.facts = facts
    this.#patienceMs = patienceMs
    this.chapters = [this.#chapter(name, 'replaces'), this.#chapter(name, 'new')]
  }

  /** Makes the folder, and the file that is to be replaced. */
  prepare(): void {
    mkdirSync(this.folder, { recursive: true })
    for (const { path, how } of this.chapters) if (how === 'replaces') writeFileSync(path, old)
  }

  /** Tells it from where it stands. Rejects when the daemon is gone. */
  async tell(owner: Owner): Promise<void> {
    for (const chapter of this.chapters) await this.tellChapter(owner, chapter)
  }

  /** @param add `until it is taken`: again and again while the daemon refuses it but is there */
  async tellChapter(owner: Owner, { task, how }: Chapter, add: 'once' | 'until it is taken' = 'once'): Promise<void> {
    const what = `the task that ${how === 'new' ? 'makes' : 'replaces'} a file`
    const adding = async (): Promise<void> => {
      while (!this.facts.answered.has(task.id)) {
        try {
          await owner.add(task)
        } catch (error) {
          if (add === 'once' || !owner.isConnected) throw error
          await new Promise((resolve) => setTimeout(resolve, againMs))
        }
      }
    }
    await within(this.#patienceMs, `the answer that takes ${what}`, adding())
    try {
      await within(this.#patienceMs, `the end of ${what}`, owner.completed(task.id))
    } catch (error) {
      if (!(error instanceof Breach) || !owner.isConnected) throw error
      const explained = await owner.ask('task.explain', { id: task.id }).catch(String)
      throw new Breach(`${error.message}; explained: ${JSON.stringify(explained)}`)
    }
  }

  /** What is at a destination: 'old', 'right', 'nothing', or how many wrong bytes. */
  whatIsAt({ path, resource }: Chapter): string {
    if (!existsSync(path)) return 'nothing'
    const found = readFileSync(path)
    if (found.equals(old)) return 'old'
    if (createHash('sha256').update(found).digest('hex') === this.server.digest(resource)) return 'right'
    return `${found.length} wrong bytes`
  }

  get phase(): Phase {
    for (const { task, resource, how } of this.chapters) {
      if (!this.facts.answered.has(task.id)) return 'enqueue'
      const end = this.facts.received
        .values()
        .find((event) => event.kind === 'didComplete' && event.task?.id === task.id)
      const requests = this.server.requestsFor(resource).length
      if (end === undefined) return how === 'replaces' && requests < 2 ? 'checkpoint' : 'publish'
      if (!this.facts.acknowledged.has(end.sequence)) return 'acknowledge'
    }
    return 'end'
  }

  #chapter(name: string, how: Chapter['how']): Chapter {
    const resource = `/${name}/${how}.bin`
    const file = how === 'replaces' ? 'replaced.bin' : 'new.bin'
    const script = how === 'replaces' ? [cutAfter(cutAt)] : []
    const url = this.server.file(resource, { size: how === 'replaces' ? size : size / 4, etag: '"v1"', script })
    const task: NewTask = {
      id: makeTaskId(Date.now(), random.bytes(10)),
      kind: 'download',
      request: { url, method: 'GET', headers: [] },
      destination: { kind: 'file', folder: this.folder, name: file },
      ifExists: how === 'replaces' ? 'replace' : 'fail',
      umask: 0o022,
      priority: 0.5,
      policy: {},
      start: true,
    }
    return { task, how, resource, path: join(this.folder, file) }
  }
}
