/**
 * The thread of a {@link TestDaemon}: the same life as the daemon's own process has ({@link startLife}), with the thread's
 * messages in place of arguments, lock and signals. A thread can be ended at any moment like a process: nothing of it runs
 * on, its files, sockets and threads of its own are closed, and what was not synced or committed is as a kill leaves it.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { asLonghaulError, type ErrorJson } from '../contract/errors.ts'
import { startLife } from '../daemon/life.ts'
import type { InstanceLock } from '../platform/instance-lock.ts'
import { removeLock, writeLock } from '../platform/lock-file.ts'
import { createFileLog } from '../platform/log.ts'
import { homePaths } from '../platform/paths.ts'

export interface DaemonThreadData {
  readonly home: string
}

export type FromDaemonThread =
  | { readonly kind: 'ready' }
  /** It did not start, or ends now because of a fault inside it. */
  | { readonly kind: 'fault'; readonly error: ErrorJson }

/** The one thing that it is told. */
export type ToDaemonThread = 'stop'

const port = parentPort!
const { home } = workerData as DaemonThreadData
const paths = homePaths(home)
const log = createFileLog({ folder: paths.log })

const tell = (message: FromDaemonThread): void => port.postMessage(message)
const crash = (error: unknown): never => {
  log.error('the daemon ends because of a fault inside it', { error })
  tell({ kind: 'fault', error: asLonghaulError(error, 'DAEMON_UNAVAILABLE').toJSON() })
  process.exit(1)
}
process.on('uncaughtException', crash)

/** The home is locked by the test's own thread, over all lives, so that no app starts a daemon of its own in between. */
const lock: InstanceLock = {
  publish: (facts) => writeLock(home, facts),
  isStillOurs: () => true,
  release: () => removeLock(home),
}

let stopping = false
const stop = (): void => {
  if (stopping) return
  stopping = true
  life.stop().then(() => process.exit(0), crash)
}
// What is written there is by a life that was killed.
removeLock(home)
const life = await startLife({
  paths,
  lock,
  log,
  crash,
  tethered: true,
  leaveAfterMs: undefined,
  wantsToStop: stop,
}).catch(crash)
port.on('message', (message: ToDaemonThread) => {
  if (message === 'stop') stop()
})
tell({ kind: 'ready' })
