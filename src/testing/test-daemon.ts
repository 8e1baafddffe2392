/**
 * A daemon for the tests of an app: the real one, with its journal, its files and its socket, in a thread of the test's
 * process and in a home of its own. It can be killed and started again at any moment.
 *
 *     await using daemon = await TestDaemon.start()
 *     const session = await BackgroundSession.open({ identifier: 'com.example.app', daemon: daemon.options })
 *     …
 *     await daemon.crash()
 *     await daemon.restart()
 */
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { LonghaulError } from '../contract/errors.ts'
import type { DaemonOptions } from '../contract/session.ts'
import { daemonEnvironment } from '../platform/daemon-environment.ts'
import { isNewEnough, oldestNode } from '../platform/find-node.ts'
import type { InstanceLock } from '../platform/instance-lock.ts'
import { compileCacheFolder, homeFolder, homePaths, prepareHome } from '../platform/paths.ts'
import type { DaemonThreadData, FromDaemonThread, ToDaemonThread } from './daemon-thread.ts'

export interface TestDaemonOptions {
  /** A folder of your own; it stays when the daemon is closed. @default a temporary one, removed at the end */
  readonly home?: string
  /** Added to the daemon's listed environment. */
  readonly env?: Readonly<Record<string, string>>
}

/** One life of it. */
interface Life {
  readonly worker: Worker
  readonly ended: Promise<void>
}

/**
 * The real daemon for a test: `await using daemon = await TestDaemon.start()`, and `daemon.options` for the app; see
 * docs/testing.md.
 */
export class TestDaemon implements AsyncDisposable {
  /** Its home: LONGHAUL_HOME for an app in a process of its own. */
  readonly home: string
  /** For `BackgroundSession.open({ …, daemon })`, `download(…, { daemon })` and `sessions({ daemon })`. */
  readonly options: DaemonOptions
  readonly #env: Readonly<Record<string, string>>
  readonly #isTemporary: boolean
  readonly #lock: InstanceLock
  #life: Life | undefined
  #fault: LonghaulError | undefined
  #turn: Promise<void> = Promise.resolve()

  /** Resolves when apps can reach it. @throws DAEMON_UNAVAILABLE on a Node that is too old, or when the home is in use */
  static async start(options: TestDaemonOptions = {}): Promise<TestDaemon> {
    if (!isNewEnough(process.versions.node))
      throw new LonghaulError(
        'DAEMON_UNAVAILABLE',
        `A TestDaemon runs inside the test's own process, and that is Node ${process.versions.node}; the daemon needs ${oldestNode}.`,
        { retryable: false, hint: `Run these tests with Node ${oldestNode} or newer.` },
      )
    const isTemporary = options.home === undefined
    const home = homeFolder(options.home ?? (await mkdtemp(join(await realpath(tmpdir()), 'longhaul-test-'))))
    await prepareHome(home)
    // Only here: an older Node, where this file is loaded for the fault server beside it, has no node:sqlite.
    const { takeInstanceLock } = await import('../platform/instance-lock.ts')
    const lock = takeInstanceLock(home)
    if (lock === undefined)
      throw new LonghaulError('DAEMON_UNAVAILABLE', `A daemon runs already for the home ${home}.`, {
        retryable: false,
        hint: 'Give each TestDaemon a home of its own; without one it makes a temporary folder.',
      })
    const daemon = new TestDaemon(home, lock, { isTemporary, env: options.env ?? {} })
    try {
      await daemon.restart()
    } catch (error) {
      await daemon.#letGo()
      throw error
    }
    return daemon
  }

  private constructor(
    home: string,
    lock: InstanceLock,
    { isTemporary, env }: { readonly isTemporary: boolean; readonly env: Readonly<Record<string, string>> },
  ) {
    this.home = home
    // An app must not start one by itself: the test says when there is a daemon and when there is none.
    this.options = { home, start: 'never' }
    this.#lock = lock
    this.#isTemporary = isTemporary
    this.#env = env
  }

  get isRunning(): boolean {
    return this.#life !== undefined
  }

  /** Where it logs, for a look after a test that failed. */
  get logPath(): string {
    return join(homePaths(this.home).log, 'daemon.log')
  }

  /**
   * Ends it at once, as `kill -9` does: apps lose their connections, and what it had not written is lost. Apps wait until
   * it is back.
   */
  crash(): Promise<void> {
    return this.#next(async () => {
      await this.#life?.worker.terminate()
      await this.#life?.ended
    })
  }

  /** Ends it in good order: transfers stop at a checkpoint. Apps wait until it is back. */
  stop(): Promise<void> {
    return this.#next(() => this.#stop())
  }

  /** Starts it again: after a crash it recovers, as on a machine; one that runs is stopped in good order before. */
  restart(): Promise<void> {
    return this.#next(async () => {
      await this.#stop()
      await this.#begin()
    })
  }

  /** Stops it and removes its temporary home. @throws what went wrong inside it, if something did; the home stays then */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.stop()
    } catch (fault) {
      // The home is there to be looked at, and perhaps for another daemon.
      this.#lock.release()
      throw fault
    }
    await this.#letGo()
  }

  /** One thing at a time, in the order in which it was asked for. */
  #next(step: () => Promise<void>): Promise<void> {
    const done = this.#turn.then(step)
    this.#turn = done.catch(() => {})
    return done
  }

  async #begin(): Promise<void> {
    // Its socket belongs into the home too, not into the runtime folder of whoever is logged in.
    const { XDG_RUNTIME_DIR: _, ...env } = daemonEnvironment(process.env, this.home, this.#env)
    const worker = new Worker(program(), {
      name: 'longhaul test daemon',
      workerData: { home: this.home } satisfies DaemonThreadData,
      env: { NODE_COMPILE_CACHE: compileCacheFolder(), ...env },
      // Nothing that the tests were started with is meant for it (`--test`, a loader).
      execArgv: [],
    })
    const ready = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<void>()
    worker.on('message', (message: FromDaemonThread) => {
      if (message.kind === 'ready') ready.resolve()
      else this.#fault = LonghaulError.fromJSON(message.error)
    })
    worker.on('error', (cause) => {
      this.#fault ??= new LonghaulError('DAEMON_UNAVAILABLE', `The test daemon failed: ${String(cause)}.`, { cause })
    })
    worker.once('exit', () => {
      if (this.#life?.worker === worker) this.#life = undefined
      ended.resolve()
      // Of no consequence when it was ready.
      ready.reject(this.#fault ?? new LonghaulError('DAEMON_UNAVAILABLE', 'The test daemon ended before it was ready.'))
    })
    this.#life = { worker, ended: ended.promise }
    await ready.promise
  }

  async #stop(): Promise<void> {
    this.#life?.worker.postMessage('stop' satisfies ToDaemonThread)
    await this.#life?.ended
    const fault = this.#fault
    this.#fault = undefined
    if (fault !== undefined) throw fault
  }

  async #letGo(): Promise<void> {
    try {
      if (this.#isTemporary) await rm(this.home, { recursive: true, force: true })
    } finally {
      this.#lock.release()
    }
  }
}

/** The compiler rewrites imports but not this text. */
function program(): URL {
  return new URL(`./daemon-thread.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url)
}
