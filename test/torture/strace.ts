/**
 * strace, attached to one thread of a daemon that is up already: its start is neither slowed down nor counted, and `when=n`
 * means the n-th system call of that thread from now on.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'

/** Of the main thread on a disk that is near: what it changes itself of a file. */
export const nearCalls: readonly string[] = ['pwrite64', 'fchmod', 'rename']

/** Of a thread that works on files: whatever changes what is on the disk. */
export const fileCalls: readonly string[] = [
  'openat',
  'pwrite64',
  'ftruncate',
  'fchmod',
  'fsync',
  'fdatasync',
  'rename',
  'renameat',
  'renameat2',
  'link',
  'linkat',
  'unlink',
  'unlinkat',
]

/** Why strace cannot be attached to a process of ours here; undefined when it can. Tried, since nothing else tells. */
export async function whyNoStrace(): Promise<string | undefined> {
  const child = spawn('sleep', ['60'], { stdio: 'ignore' })
  try {
    await using _strace = await Strace.attach({ threads: [child.pid!], calls: ['fsync'], output: '/dev/null' })
    return undefined
  } catch (error) {
    return String(error)
  } finally {
    child.kill('SIGKILL')
  }
}

export interface Tracing {
  readonly threads: readonly number[]
  readonly calls: readonly string[]
  /** As strace's `inject` takes it: `signal=KILL:when=3`. @default none */
  readonly inject?: string | undefined
  /** Where it writes. */
  readonly output: string
  /** More of strace's options. */
  readonly more?: readonly string[]
}

export class Strace implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  readonly #output: string

  /** Resolves when every thread is attached to. @throws with what strace says when it cannot */
  static async attach(tracing: Tracing): Promise<Strace> {
    const { threads, calls, inject, output, more = [] } = tracing
    const list = calls.join(',')
    const args = ['-e', `trace=${list}`, ...(inject === undefined ? [] : ['-e', `inject=${list}:${inject}`]), ...more]
    const child = spawn('strace', ['-o', output, ...args, ...threads.flatMap((id) => ['-p', String(id)])], {
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    const ended = once(child, 'close')
    ended.catch(() => {})
    let said = ''
    const attached = new Promise<void>((resolve, reject) => {
      child.on('error', reject)
      child.on('close', () => reject(new Error(`strace did not attach: ${said.trim()}`)))
      child.stderr.on('data', (bytes: Buffer) => {
        said += bytes.toString()
        if ((said.match(/attached/g) ?? []).length >= threads.length) resolve()
      })
    })
    await attached
    return new Strace(child, ended, output)
  }

  private constructor(child: ChildProcess, ended: Promise<unknown>, output: string) {
    this.#child = child
    this.#ended = ended
    this.#output = output
  }

  /** Lets go of the threads, which go on. */
  async detach(): Promise<void> {
    this.#child.kill('SIGTERM')
    await this.#ended
  }

  /** What it saw, once it was detached. */
  get lines(): readonly string[] {
    return readFileSync(this.#output, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.detach()
  }
}
