/**
 * A long path on this machine: two network namespaces, and between them a wire with a delay, a rate and a queue. Where the kernel
 * has netem it is the wire; else native/path.c is. Real TCP runs on both ends. Needs root.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import type { Stage } from './stage.ts'

export interface PathOptions {
  readonly roundTripMs: number
  readonly mbit: number
  readonly queueKiB: number
}

const serverAddress = '10.213.0.2'
const clientAddress = '10.213.0.1'

export class LongPath implements AsyncDisposable {
  readonly serverAddress: string = serverAddress
  /** What a command on the near end is started by. */
  readonly client: readonly string[]
  /** The same of the far end. */
  readonly server: readonly string[]
  /** As people are told. */
  readonly made: string
  readonly #namespaces: readonly string[]
  readonly #emulator: ChildProcess | undefined

  static async open(stage: Stage, options: PathOptions): Promise<LongPath> {
    // Names of devices have 15 characters at most.
    const [near, far] = [`lhn${process.pid}`, `lhf${process.pid}`]
    for (const name of [near, far]) run('ip', 'netns', 'add', name)
    try {
      const emulator = hasNetem(near) ? undefined : await startEmulator(stage, [near, far], options)
      if (emulator === undefined) {
        run('ip', 'link', 'add', near, 'type', 'veth', 'peer', 'name', far)
        for (const name of [near, far]) run('ip', 'link', 'set', name, 'netns', name)
      }
      connectEnds(near, far, emulator === undefined ? 'veth' : 'tun')
      if (emulator === undefined) for (const name of [near, far]) addNetem(name, options)
      return stage.use(new LongPath([near, far], emulator))
    } catch (error) {
      for (const name of [near, far]) spawnSync('ip', ['netns', 'del', name])
      throw error
    }
  }

  private constructor([near, far]: readonly [string, string], emulator: ChildProcess | undefined) {
    this.client = ['ip', 'netns', 'exec', near]
    this.server = ['ip', 'netns', 'exec', far]
    this.#namespaces = [near, far]
    this.#emulator = emulator
    const control = spawnSync('ip', ['netns', 'exec', far, 'sysctl', '-n', 'net.ipv4.tcp_congestion_control'])
    this.made = `${emulator === undefined ? 'netem' : 'bench/native/path.c'}, ${control.stdout.toString().trim()}`
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#emulator?.exitCode === null) {
      this.#emulator.stdin!.end()
      await once(this.#emulator, 'exit')
    }
    for (const name of this.#namespaces) run('ip', 'netns', 'del', name)
  }
}

function hasNetem(namespace: string): boolean {
  const words = ['netns', 'exec', namespace, 'tc', 'qdisc', 'add', 'dev', 'lo', 'root', 'netem', 'delay', '1ms']
  if (spawnSync('ip', words, { stdio: 'ignore' }).status !== 0) return false
  run('ip', 'netns', 'exec', namespace, 'tc', 'qdisc', 'del', 'dev', 'lo', 'root')
  return true
}

async function startEmulator(
  stage: Stage,
  [near, far]: readonly [string, string],
  { roundTripMs, mbit, queueKiB }: PathOptions,
): Promise<ChildProcess> {
  const words = [near, far, String(roundTripMs / 2), String(mbit), String(queueKiB)]
  const child = spawn(stage.native.path('path'), words, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ready = await Promise.race([
    once(child.stdout, 'data').then(() => true),
    once(child, 'exit').then(() => false),
    pause(5000, false, { ref: false }),
  ])
  if (!ready) throw new Error('the emulator of the long path did not start')
  for (const name of [near, far]) run('ip', 'link', 'set', name, 'netns', name)
  return child
}

function connectEnds(near: string, far: string, kind: 'veth' | 'tun'): void {
  const ends = [
    [near, clientAddress, serverAddress],
    [far, serverAddress, clientAddress],
  ] as const
  for (const [name, own, other] of ends) {
    const inside = (...words: readonly string[]): void => run('ip', '-n', name, ...words)
    inside('link', 'set', 'lo', 'up')
    if (kind === 'tun') inside('addr', 'add', own, 'peer', other, 'dev', name)
    else inside('addr', 'add', `${own}/24`, 'dev', name)
    inside('link', 'set', name, 'up', 'mtu', '1500', 'txqueuelen', '10000')
    // As servers on long paths have it; where the kernel lacks it, its default.
    spawnSync('ip', ['netns', 'exec', name, 'sysctl', '-q', '-w', 'net.ipv4.tcp_congestion_control=bbr'])
  }
}

function addNetem(name: string, { roundTripMs, mbit, queueKiB }: PathOptions): void {
  // In packets: what waits for the link, and what is on its way.
  const limit = Math.ceil((queueKiB * 1024 + (mbit * 1e6 * roundTripMs) / 2 / 8000) / 1500)
  const words = ['delay', `${roundTripMs / 2}ms`, 'rate', `${mbit}mbit`, 'limit', String(limit)]
  run('ip', 'netns', 'exec', name, 'tc', 'qdisc', 'add', 'dev', name, 'root', 'netem', ...words)
}

function run(program: string, ...args: readonly string[]): void {
  execFileSync(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
