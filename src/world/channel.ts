/** A connection that carries lines of text in order: a local socket in the daemon, a simulated one in tests. */
export interface Channel {
  /** Never blocks; look at `unsent`. Does nothing once closed. `line` has no line break. */
  send(line: string): void
  /** Bytes handed over but not yet taken by the system. */
  readonly unsent: number
  /** True while the system takes no more. */
  readonly full: boolean
  /** Set once, right after the channel was made, before anything else is awaited. */
  on(handlers: {
    readonly line: (line: string) => void
    readonly drained: () => void
    readonly closed: (why: Error) => void
  }): void
  /** Idempotent; `closed` is called with `why` unless it was already. */
  close(why: Error): void
  ref(): void
  unref(): void
}

export interface Listener {
  close(): Promise<void>
}
