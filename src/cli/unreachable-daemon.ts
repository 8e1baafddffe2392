/** What is said of a daemon that runs and cannot be talked to: never that there is none. */
import { LonghaulError } from '../contract/errors.ts'

export interface RunningDaemon {
  /** Undefined: the process has the lock of the home and has not written into the lock file who it is. */
  readonly pid: number | undefined
  readonly home: string
  /** Path of the secret file. */
  readonly secret: string
}

/** @param why the connection failed (DAEMON_UNAVAILABLE) */
export function unreachableDaemon(why: LonghaulError, { pid, home, secret }: RunningDaemon): LonghaulError {
  const who = pid === undefined ? 'A daemon' : `A daemon (process ${pid})`
  const end =
    pid === undefined ? 'End its process (SIGTERM: at a checkpoint)' : `\`kill ${pid}\` ends it at a checkpoint`
  const isSecret = !why.retryable && why.message.includes(secret)
  const hint = isSecret
    ? `${end}; then remove ${secret}: a new one is made.`
    : `${why.retryable ? 'Try again in a moment: it may be starting or stopping.' : why.hint} ${end}; what is unfinished goes on when it starts again.`
  return new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `${who} runs for ${home}, but this command cannot talk to it. ${why.message}`,
    { cause: why, retryable: why.retryable, hint },
  )
}
