/** Starting an app, as a seam. Exactly the stored argv, never through a shell. */

export interface Exit {
  readonly code: number | undefined
  readonly signal: string | undefined
}

export interface LaunchedApp {
  readonly pid: number
  /** Resolves once, when it has ended and was reaped; until then its pid cannot be another process. */
  readonly ended: Promise<Exit>
  /** SIGTERM. Nothing once it has ended. */
  ask(): void
  /** SIGKILL. Nothing once it has ended. */
  kill(): void
}

export interface LaunchRequest {
  readonly command: string
  readonly args: readonly string[]
  readonly cwd: string
  /** Undefined: that of this process. */
  readonly umask?: number | undefined
  /** The whole environment of the app. */
  readonly env: Readonly<Record<string, string>>
}

export interface Launcher {
  /** @throws LonghaulError LAUNCH_FAILED with the system's words */
  start(request: LaunchRequest): Promise<LaunchedApp>
}
