/** Connections by origin and TLS wishes: idle ones wait here for the next request, and all of them can be ended. */

/** What all connections have, whatever is spoken on them. */
export interface Kept {
  /** Resolves when the connection is closed on our side. */
  readonly gone: Promise<void>
  /** True while another request may be sent. */
  readonly usable: boolean
  ref(): void
  /** While idle it must not keep the process alive. */
  unref(): void
  /** Idempotent. */
  destroy(): void
}

/** Of one key. The scheduler above decides how many are in use, and so come here; its ceiling may be raised as far. */
const maximumIdle = 256

export class Connections<C extends Kept> {
  readonly #all = new Set<C>()
  readonly #idle = new Map<string, C[]>()
  #closed = false

  /** Used and idle ones. */
  get all(): ReadonlySet<C> {
    return this.#all
  }

  /** To which idle ones wait. */
  get origins(): number {
    return this.#idle.size
  }

  /** Watches a new connection until it is gone. */
  adopt(key: string, connection: C): void {
    if (this.#closed) {
      connection.destroy()
      return
    }
    this.#all.add(connection)
    void connection.gone.then(() => {
      this.#all.delete(connection)
      this.#forget(key, connection)
    })
  }

  /** The one that was used last: the likeliest to be alive. It is the caller's alone. */
  take(key: string): C | undefined {
    const idle = this.#idle.get(key) ?? []
    for (let connection = idle.pop(); connection !== undefined; connection = idle.pop()) {
      if (connection.usable) {
        // The key holds whole certificates and a proxy's password.
        if (idle.length === 0) this.#idle.delete(key)
        connection.ref()
        return connection
      }
      connection.destroy()
    }
    this.#idle.delete(key)
    return undefined
  }

  /** For the next one. The body of its last answer must be whole, and nothing may have come behind it. */
  give(key: string, connection: C): void {
    if (this.#closed) {
      connection.destroy()
      return
    }
    connection.unref()
    const idle = this.#idle.get(key) ?? []
    idle.push(connection)
    this.#idle.set(key, idle)
    if (idle.length > maximumIdle) idle.shift()?.destroy()
  }

  /** Ends those that wait for the next request: the peer has too many of us. */
  letGo(key: string): void {
    const idle = this.#idle.get(key) ?? []
    this.#idle.delete(key)
    for (const connection of idle) connection.destroy()
  }

  /** Ends all, used or not; resolves when they are gone. */
  async close(): Promise<void> {
    this.#closed = true
    this.#idle.clear()
    const all = [...this.#all]
    for (const connection of all) connection.destroy()
    await Promise.all(all.map((connection) => connection.gone))
  }

  #forget(key: string, connection: C): void {
    const idle = this.#idle.get(key)
    const at = idle?.indexOf(connection) ?? -1
    if (idle === undefined || at < 0) return
    idle.splice(at, 1)
    if (idle.length === 0) this.#idle.delete(key)
  }
}
