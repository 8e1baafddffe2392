// Runs that have found a mistake. They are run for ever, whatever else is drawn. A seed means what plan.ts makes of it, so one
// that matters is kept as its shrunk plan: `npm run simulate -- --trace SEED` writes it.
import type { Plan } from './plan.ts'

export type Regression = {
  /** What it found, in a sentence. */
  readonly found: string
} & ({ readonly seed: number } | { readonly plan: Plan })

export const regressions: readonly Regression[] = []
