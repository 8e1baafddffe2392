/** Runs a command and tells what it took, seen from outside. Starts processes. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import type { Readable } from 'node:stream'

export interface Sample {
  readonly wallMs: number
  /** User and system time of the command and its children. */
  readonly cpuMs: number
  /** Of the largest process. */
  readonly rssBytes: number
}

export interface Measured extends Sample {
  readonly stdout: string
}

export interface RunOptions {
  readonly cwd?: string
  /** @default that of the bench */
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly signal?: AbortSignal
}

interface Report {
  readonly wallUs: number
  readonly cpuUs: number
  readonly rssKiB: number
  readonly code: number
}

/** @param measure the program of native/measure.c. @throws when the command fails, with its words */
export async function measure(measure: string, argv: readonly string[], options: RunOptions): Promise<Measured> {
  const { cwd, env = process.env, signal } = options
  signal?.throwIfAborted()
  const child = spawn(measure, ['3', ...argv], {
    cwd,
    env,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    // With its group the command goes as well, not only the one who measures it.
    detached: true,
  })
  const end = (): void => void process.kill(-child.pid!, 'SIGKILL')
  signal?.addEventListener('abort', end)
  const [stdout, stderr, report] = await Promise.all([
    text(child.stdout!),
    text(child.stderr!),
    text(child.stdio[3] as Readable),
    once(child, 'close'),
  ])
  signal?.removeEventListener('abort', end)
  signal?.throwIfAborted()
  if (report === '') throw new Error(`${argv.join(' ')} was not measured: ${stderr}`)
  const { wallUs, cpuUs, rssKiB, code } = JSON.parse(report) as Report
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${stderr.slice(-2000)}`)
  return { wallMs: wallUs / 1000, cpuMs: cpuUs / 1000, rssBytes: rssKiB * 1024, stdout }
}
