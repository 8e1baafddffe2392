/**
 * Starting the process of a daemon, so that it outlives who started it: where a user service manager answers (Linux,
 * systemd), as a unit of its own, which also survives the end of the terminal's or the app's control group; else detached,
 * in a session of its own. May touch: node:child_process, and the start log.
 */
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, statSync } from 'node:fs'
import { join, parse } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import { canPass } from './can-pass.ts'
import { homeName, type HomePaths } from './paths.ts'
import type { RunShort } from './short-command.ts'

/** Exit code of a daemon that found the instance lock of its home taken: another one runs, and that is as good. */
export const alreadyRunningExit = 75

export interface DaemonCommand {
  readonly node: string
  /** Before the entry. */
  readonly args: readonly string[]
  /** The program of the daemon; run with `--home H`. */
  readonly entry: string
  /** The whole environment. */
  readonly env: Readonly<Record<string, string>>
}

export interface StartedDaemon {
  readonly as: 'unit' | 'detached'
  /** How it ended, if it has. */
  ended(): Promise<DaemonEnd | undefined>
}

export interface DaemonEnd {
  /** Undefined when it was killed, or nobody knows: the manager forgets a unit with its end. */
  readonly code: number | undefined
  /** Known to have been ended by a signal. */
  readonly killed: boolean
  readonly how: string
}

const askMs = 1000
const unitMs = 10_000
const startLogLimit = 256 << 10

/** @throws DAEMON_UNAVAILABLE when the program could not be started at all; `retryable` where it may be a moment later */
export async function startDaemonProcess(
  command: DaemonCommand,
  paths: HomePaths,
  run: RunShort,
): Promise<StartedDaemon> {
  if (await hasUserManager(process.platform, command.env, run)) {
    const unit = await startUnit(command, paths, run)
    if (unit !== undefined) return unit
  }
  return startDetached(command, paths)
}

/** Whether a service manager of this user answers, and soon. The socket is looked for first: that costs nothing. */
export async function hasUserManager(
  platform: NodeJS.Platform,
  env: Readonly<Record<string, string | undefined>>,
  run: RunShort,
): Promise<boolean> {
  const runtime = env.XDG_RUNTIME_DIR
  if (platform !== 'linux' || runtime === undefined || !existsSync(join(runtime, 'systemd', 'private'))) return false
  const answer = await run({ command: 'systemctl', args: ['--user', 'is-system-running'], env, timeoutMs: askMs })
  // "degraded" (some unit failed) exits with 1 and works as well.
  return ['running', 'degraded', 'starting'].includes(answer.stdout.trim())
}

/** Undefined when the manager refused, for whatever reason: the daemon is then started without it. */
async function startUnit(command: DaemonCommand, paths: HomePaths, run: RunShort): Promise<StartedDaemon | undefined> {
  const { env } = command
  const unit = `longhaul-${homeName(paths.home)}.service`
  const answer = await run({ command: 'systemd-run', args: unitArguments(command, paths), env, timeoutMs: unitMs })
  // Of clients that race, one makes the unit; its daemon serves the others too.
  if (answer.code !== 0 && !/already (exists|loaded)/.test(answer.stderr)) return undefined
  return {
    as: 'unit',
    ended: async () => {
      const asked = await run({ command: 'systemctl', args: ['--user', 'is-active', unit], env, timeoutMs: askMs })
      const state = asked.stdout.trim()
      const over = state === 'inactive' || state === 'failed' || state === 'unknown'
      return over ? { code: undefined, killed: false, how: `its unit ${unit} is ${state}` } : undefined
    },
  }
}

/** The arguments of systemd-run. Variables are named without their values, which would show in the list of processes. */
export function unitArguments(command: DaemonCommand, paths: HomePaths): readonly string[] {
  return [
    '--user',
    '--quiet',
    '--collect',
    `--unit=longhaul-${homeName(paths.home)}`,
    '--description=Longhaul daemon',
    '--property=Type=exec',
    '--property=UMask=0077',
    // Apps that the daemon launches are in its control group; they stay when it leaves.
    '--property=KillMode=process',
    '--property=UnsetEnvironment=NODE_OPTIONS',
    `--property=StandardOutput=append:${paths.startLog}`,
    `--property=StandardError=append:${paths.startLog}`,
    '--working-directory=/',
    ...Object.keys(command.env).map((name) => `--setenv=${name}`),
    '--',
    command.node,
    ...command.args,
    command.entry,
    '--home',
    paths.home,
  ]
}

async function startDetached(command: DaemonCommand, paths: HomePaths): Promise<StartedDaemon> {
  let log: number | undefined
  let over: DaemonEnd | undefined
  try {
    log = openStartLog(paths.startLog)
    // The umask is left to the daemon: setting it here would, for a moment, change what the app's other threads create.
    const child = spawn(command.node, [...command.args, command.entry, '--home', paths.home], {
      cwd: parse(paths.home).root,
      env: command.env,
      stdio: ['ignore', log, log],
      detached: true,
      shell: false,
      windowsHide: true,
    })
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    child.once('spawn', resolve)
    child.once('error', reject)
    child.once('exit', (code, signal) => {
      over = {
        code: code ?? undefined,
        killed: signal !== null,
        how: signal === null ? `it ended with code ${code}` : `it was ended by ${signal}`,
      }
    })
    await promise
    child.unref()
  } catch (cause) {
    const said = cause instanceof Error ? cause.message : String(cause)
    throw new LonghaulError('DAEMON_UNAVAILABLE', `The daemon could not be started by ${command.node}: ${said}.`, {
      cause,
      retryable: canPass(cause),
    })
  } finally {
    if (log !== undefined) closeSync(log)
  }
  return { as: 'detached', ended: () => Promise.resolve(over) }
}

/** Appended to, for several starters may race; begun anew when it has grown large. */
function openStartLog(path: string): number {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  return openSync(path, size > startLogLimit ? 'w' : 'a', 0o600)
}
