/** Runs a helper program for its answer, without a shell and not for long. May touch: node:child_process. */
import { execFile } from 'node:child_process'

export interface ShortCommand {
  readonly command: string
  readonly args: readonly string[]
  readonly env?: Readonly<Record<string, string | undefined>>
  readonly timeoutMs: number
}

export interface ShortAnswer {
  /** Undefined when it could not be started or was stopped at the time limit. */
  readonly code: number | undefined
  readonly stdout: string
  readonly stderr: string
}

/** A seam for tests. Never rejects. */
export type RunShort = (command: ShortCommand) => Promise<ShortAnswer>

export const runShort: RunShort = ({ command, args, env, timeoutMs }) =>
  new Promise((resolve) => {
    const options = { timeout: timeoutMs, env: { ...env }, encoding: 'utf8', windowsHide: true } as const
    execFile(command, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === 'number' ? error.code : undefined
      resolve({ code, stdout, stderr: stderr === '' && error !== null ? error.message : stderr })
    })
  })
