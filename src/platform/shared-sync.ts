/**
 * One sync for all who wait for it: sixty files that are published side by side cost a folder a few syncs, not sixty.
 *
 * A failed one is the last: what it was to make durable may be lost for ever, and a later one could report a success that is none.
 * Pure.
 */
import { SharedRun } from './shared-run.ts'

export class SharedSync {
  readonly #shared: SharedRun<void>
  #failed: { readonly why: unknown } | undefined

  /** @param sync calls `begins` when nothing lies between it and the system any more */
  constructor(sync: (begins: () => void) => Promise<void>) {
    this.#shared = new SharedRun(async (begins) => {
      // Its caller is refused below.
      if (this.#failed !== undefined) return
      try {
        await sync(begins)
      } catch (error) {
        this.#failed = { why: error }
        throw error
      }
    })
  }

  /** True after one that failed. */
  get isLost(): boolean {
    return this.#failed !== undefined
  }

  /** @param lost what a sync after a failed one is refused with */
  async run(lost: (why: unknown) => Error): Promise<void> {
    if (this.#failed !== undefined) throw lost(this.#failed.why)
    await this.#shared.run()
    // Another one failed before this one began.
    if (this.#failed !== undefined) throw lost((this.#failed as { readonly why: unknown }).why)
  }
}
