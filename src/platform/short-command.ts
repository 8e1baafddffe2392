/** Runs a helper program for its answer, without a shell and not for long. May touch: node:child_process. */
import { execFile } from 'node:child_process'
import { canPass } from './can-pass.ts'

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
  /** Without a code: it may have one a moment later (too many files are open, say, or it was slow). */
  readonly mayPass?: boolean
}

/** A seam for tests. Never rejects. */
export type RunShort = (command: ShortCommand) => Promise<ShortAnswer>

export const runShort: RunShort = ({ command, args, env, timeoutMs }) =>
  new Promise((resolve) => {
    const options = { timeout: timeoutMs, env: { ...env }, encoding: 'utf8', windowsHide: true } as const
    const refused = (error: Error): void =>
      resolve({ code: undefined, stdout: '', stderr: error.message, mayPass: canPass(error) })
    try {
      execFile(command, args, options, (error, stdout, stderr) => {
        if (error === null) resolve({ code: 0, stdout, stderr })
        else if (typeof error.code === 'number')
          resolve({ code: error.code, stdout, stderr: stderr === '' ? error.message : stderr })
        else if (error.killed === true) resolve({ code: undefined, stdout, stderr, mayPass: true })
        else refused(error)
      })
    } catch (error) {
      // Where the system has no memory left, Node throws at once.
      refused(error as Error)
    }
  })
