/** Medians. Pure. */

/** @throws RangeError for none */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const upper = sorted[Math.floor(sorted.length / 2)]
  const lower = sorted[Math.ceil(sorted.length / 2) - 1]
  if (upper === undefined || lower === undefined) throw new RangeError('There is no median of nothing.')
  return (lower + upper) / 2
}

/**
 * How much more `a` took than `b`: the median of the ratios of the same round. On a machine with neighbours both suffer alike in
 * one round, so this is steadier than the ratio of the medians.
 */
export function pairwiseRatio(a: readonly number[], b: readonly number[]): number {
  return median(a.map((value, round) => value / b[round]!))
}
