// Running the tools of others (tsc, publint, …), the same way everywhere.
import { spawnSync } from 'node:child_process'

export interface RunOptions {
  readonly cwd?: string
  readonly env?: NodeJS.ProcessEnv
}

/** Runs a command of node_modules/.bin with its output shown, and says whether it succeeded. */
export function succeeds(command: string, args: readonly string[], options: RunOptions = {}): boolean {
  const { status, error } = spawnSync(command, args, {
    stdio: 'inherit',
    shell: process.platform === 'win32',
    ...options,
  })
  if (error !== undefined) console.log(`${command} did not start: ${error.message}`)
  return status === 0
}
