/** Power and network as a seam; what cannot be told is `unknown`, which counts as mains and unmetered and is shown as unknown. */
export interface EnvironmentState {
  readonly power: 'mains' | 'battery' | 'unknown'
  readonly metered: boolean | 'unknown'
  readonly constrained: boolean | 'unknown'
  /** Another one when the machine joins another network; empty while it has none. */
  readonly networkId: string
}

export interface Environment {
  readonly now: EnvironmentState
  /** Returns a function that ends the watch. */
  watch(changed: (state: EnvironmentState) => void): () => void
}
