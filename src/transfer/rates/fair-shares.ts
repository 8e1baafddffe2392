/**
 * Divides an amount so that nobody gets more than was asked for, and what one leaves goes to the others in equal parts
 * (max-min fairness). Pure.
 * @param demands each at least 0; may be Infinity
 */
export function fairShares(amount: number, demands: readonly number[]): readonly number[] {
  const shares = demands.map(() => 0)
  let left = amount
  let waiting = demands.length
  // Whoever asks for least is content first; what is left then is divided among fewer.
  const order = demands.map((_, index) => index).toSorted((a, b) => demands[a]! - demands[b]!)
  for (const index of order) {
    const share = Math.min(demands[index]!, left / waiting)
    shares[index] = share
    left -= share
    waiting--
  }
  return shares
}
