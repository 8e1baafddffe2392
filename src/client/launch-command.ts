/** The launch command as a user writes it, made absolute. */
import { resolve } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import type { LaunchCommand, LaunchWhen } from '../contract/session.ts'
import { type DurationLike, durationMs } from '../contract/units.ts'
import type { AppWorld, ProcessFacts } from '../world/app-world.ts'
import { checkNames, invalid, isFields, requireFields, shown } from './known-names.ts'
import { wholeNumber } from './policies.ts'

const nothingOpened = 'Nothing was opened.'
/** What a program with windows needs to show them, and the way to the user's bus. */
const displayVariables: readonly string[] = [
  'DISPLAY',
  'WAYLAND_DISPLAY',
  'XAUTHORITY',
  'XDG_SESSION_TYPE',
  'XDG_CURRENT_DESKTOP',
  'XDG_RUNTIME_DIR',
  'DBUS_SESSION_BUS_ADDRESS',
]

/**
 * undefined keeps the stored command, null clears it.
 * @throws INVALID_ARGUMENT for a command that cannot be found; then nothing would ever be launched
 */
export function launchCommandOf(
  launch: LaunchCommand | 'self' | null | undefined,
  world: AppWorld,
): LaunchCommand | null | undefined {
  if (launch === undefined || launch === null) return launch
  if (launch === 'self') return { ...selfCommand(world.process), umask: world.umask() }
  requireFields(launch, 'launch', nothingOpened)
  checkNames(launch, 'fields of launch', { known: ['command', 'args', 'cwd', 'env', 'umask'] }, nothingOpened)
  const { command, args = [], env } = launch
  if (typeof command !== 'string' || command === '')
    throw invalid('launch.command', `${shown(command)} is not a command`, nothingOpened)
  if (!Array.isArray(args) || !args.every((arg) => typeof arg === 'string' && !arg.includes('\0'))) {
    throw invalid(
      'launch.args',
      'an array of strings is wanted; there is no shell that could take them apart',
      nothingOpened,
    )
  }
  if (env !== undefined && !(isFields(env) && Object.values(env).every((value) => typeof value === 'string'))) {
    throw invalid('launch.env', 'each value must be a string', nothingOpened)
  }
  const cwd = resolve(launch.cwd ?? '.')
  const found = world.findExecutable(command, cwd)
  if (found === undefined)
    throw invalid('launch.command', `${shown(command)} is not an executable here or on PATH`, nothingOpened)
  return {
    command: found,
    args: (args as readonly string[]).slice(),
    cwd,
    umask:
      launch.umask === undefined
        ? world.umask()
        : wholeNumber(launch.umask, 'launch.umask', { from: 0, to: 0o777 }, nothingOpened),
    ...(env !== undefined && { env: { ...env } }),
  }
}

/**
 * This process's own command. Left out: what belongs to this run only (inspector, watch mode, the test runner's flags).
 * @throws INVALID_ARGUMENT when there is no program to repeat (an interactive Node)
 */
export function selfCommand(facts: Pick<ProcessFacts, 'execPath' | 'execArgv' | 'argv' | 'cwd'>): LaunchCommand {
  const options = withoutRunOnly(facts.execArgv)
  const program = facts.argv.slice(1)
  const hasCode = options.some((option) => /^(-[pe]+|--eval|--print)(=|$)/.test(option))
  if (program.length === 0 && !hasCode) {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `launch: 'self' has no program to repeat: this Node runs none. ${nothingOpened}`,
      {
        hint: 'Write the command out: launch: { command, args, cwd }.',
      },
    )
  }
  // A script is absolute already; as Node keeps it, whatever the folder was changed to since.
  return { command: facts.execPath, args: [...options, ...program], cwd: facts.cwd() }
}

function withoutRunOnly(execArgv: readonly string[]): readonly string[] {
  const kept: string[] = []
  for (let at = 0; at < execArgv.length; at++) {
    const option = execArgv[at]!
    if (/^--(inspect|watch|test)(-|=|$)/.test(option) || /^--(debug-port|inspect-port)(=|$)/.test(option)) {
      // The value may stand by itself: `--test-reporter spec`.
      const takesValue = /^--(test-[a-z-]+|watch-path|inspect-port|debug-port)$/.test(option)
      const next = execArgv[at + 1]
      if (takesValue && next !== undefined && !next.startsWith('-')) at++
      continue
    }
    kept.push(option)
  }
  return kept
}

/** Display and bus variables of this process, for a later launch. */
export function launchEnvironmentOf(
  env: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const found: Record<string, string> = {}
  for (const name of displayVariables) {
    const value = env[name]
    if (value !== undefined && value !== '') found[name] = value
  }
  return found
}

/** @throws INVALID_ARGUMENT */
export function launchWhenOf(
  when:
    | 'allCompleted'
    | { readonly atLeast?: number | undefined; readonly after?: DurationLike | undefined }
    | undefined,
): LaunchWhen | undefined {
  if (when === undefined) return undefined
  if (when === 'allCompleted') return {}
  if (!isFields(when))
    throw invalid('launchWhen', `${shown(when)} is not 'allCompleted' or { atLeast, after }`, nothingOpened)
  checkNames(when, 'fields of launchWhen', { known: ['atLeast', 'after'] }, nothingOpened)
  const { atLeast, after } = when
  return {
    ...(atLeast !== undefined && {
      atLeast: wholeNumber(atLeast, 'launchWhen.atLeast', { from: 1, to: Number.MAX_SAFE_INTEGER }, nothingOpened),
    }),
    ...(after !== undefined && { afterMs: durationMs(after, 'launchWhen.after') }),
  }
}
