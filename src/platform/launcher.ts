/**
 * The real {@link Launcher}: exactly the stored argv, without a shell, in a session and process group of its own, so that
 * the end of the daemon or of its terminal does not take the app along. May touch: node:child_process, and node:fs for the
 * file that takes the app's output.
 */
import { type ChildProcess, spawn, type StdioOptions } from 'node:child_process'
import { closeSync, statSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'
import { LonghaulError } from '../contract/errors.ts'
import { AppOutput, type AppOutputOptions } from './app-output.ts'
import type { Exit, LaunchedApp, Launcher, LaunchRequest } from '../world/launcher.ts'

export interface LauncherOptions extends AppOutputOptions {
  /** Takes what apps print, appended; made with mode 0600. @default it is thrown away */
  readonly output?: string
}

export function createLauncher(options: LauncherOptions = {}): Launcher {
  const output = options.output === undefined ? undefined : new AppOutput(options.output, options)
  return { start: (request) => start(request, output) }
}

async function start(request: LaunchRequest, output: AppOutput | undefined): Promise<LaunchedApp> {
  // spawn reports a missing cwd as if the command were missing.
  if (statSync(request.cwd, { throwIfNoEntry: false })?.isDirectory() !== true) {
    throw launchFailed(request, `its folder ${request.cwd} does not exist`)
  }
  const file = output?.open()
  const stdio: StdioOptions = file === undefined ? 'ignore' : ['ignore', file, file]
  const { promise: started, resolve, reject } = Promise.withResolvers<void>()
  const { promise: ended, resolve: resolveEnded } = Promise.withResolvers<Exit>()
  let child
  try {
    child = spawnWithUmask(request.umask, () =>
      spawn(request.command, request.args, {
        cwd: request.cwd,
        env: request.env,
        stdio,
        shell: false,
        detached: true,
        windowsHide: true,
      }),
    )
    child.once('spawn', resolve)
    child.once('error', reject)
    // 'exit' is the reaping; until then the pid cannot be given to another process. 'close' would wait for grandchildren.
    child.once('exit', (code, signal) => resolveEnded({ code: code ?? undefined, signal: signal ?? undefined }))
    await started
  } catch (cause) {
    throw launchFailed(request, cause instanceof Error ? cause.message : String(cause), cause)
  } finally {
    if (file !== undefined) closeSync(file)
  }
  const app = child
  output?.watch(ended)
  app.unref()
  const signal = (name: NodeJS.Signals): void => {
    // Once it was reaped, Node sends nothing: a pid that is another's by now is never struck.
    app.kill(name)
  }
  return { pid: app.pid!, ended, ask: () => signal('SIGTERM'), kill: () => signal('SIGKILL') }
}

/**
 * A child has the umask of its parent, and a daemon's (077) would make files of the app that nobody else may read. spawn
 * forks before it returns, and what the daemon itself creates has its mode written out. A daemon in a thread of a test has
 * the test's umask and cannot change it.
 */
function spawnWithUmask(umask: number | undefined, run: () => ChildProcess): ChildProcess {
  if (umask === undefined || !isMainThread) return run()
  const own = process.umask(umask)
  try {
    return run()
  } finally {
    process.umask(own)
  }
}

function launchFailed(request: LaunchRequest, why: string, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'LAUNCH_FAILED',
    `The app could not be started by \`${request.command}\`: ${why}. Its events are kept; it is tried again.`,
    { cause },
  )
}
