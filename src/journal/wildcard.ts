/**
 * A pattern with `*` (any run of characters) and `?` (one), for the whole of a text, in any case. Many stars cost no more than one:
 * whoever writes `*a*b*c*` must not hold up the journal. Pure.
 */

/** Whether a text fits the pattern. */
export function wildcard(pattern: string): (text: string) => boolean {
  const folded = fold(pattern)
  return (text) => fits(fold(text), folded)
}

function fits(text: string, pattern: string): boolean {
  let at = 0
  let next = 0
  /** What stands behind the last star, and where in the text it is being tried. */
  let tried: { readonly next: number; at: number } | undefined
  while (at < text.length) {
    if (pattern[next] === '*') {
      next++
      tried = { next, at }
    } else if (pattern[next] === '?' || pattern[next] === text[at]) {
      next++
      at++
    } else if (tried !== undefined) {
      // Only the last star: what stands before it fits already, and fitting it further on would leave less for the rest.
      tried.at++
      at = tried.at
      next = tried.next
    } else return false
  }
  while (pattern[next] === '*') next++
  return next === pattern.length
}

/** Letter by letter, so that each stays one: `?` stands for an ß too. */
function fold(text: string): string {
  const upper = text.toUpperCase()
  if (upper.length === text.length) return upper
  return Array.from(text, (letter) => {
    const folded = letter.toUpperCase()
    return folded.length === letter.length ? folded : letter
  }).join('')
}
