/**
 * Text as a terminal shows it: how wide it is, how it is cut, and what of it may be shown at all. Names and messages that a
 * server sent are escaped here before anything else sees them.
 */

/** Made when it is wanted: it costs a short command 20 ms. */
let segmenter: Intl.Segmenter | undefined

function segments(text: string): Iterable<Intl.SegmentData> {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: 'grapheme' })
  return segmenter.segment(text)
}

/** Each of these takes one cell. */
const simple = /^[ -~]*$/

/**
 * East Asian wide and fullwidth forms, and emoji, take two cells (Unicode Standard Annex 11). Where terminals disagree (signs
 * made emoji by a selector, pictographs of old) two is said: a line that is shorter than it was thought never wraps.
 */
const wideRanges =
  '\\u1100-\\u115F\\u2E80-\\u303E\\u3041-\\u33FF\\u3400-\\uA4CF\\uA960-\\uA97F\\uAC00-\\uD7A3\\uF900-\\uFAFF\\uFE30-\\uFE6F' +
  '\\uFF00-\\uFF60\\uFFE0-\\uFFE6\\u{16FE0}-\\u{18D08}\\u{1AFF0}-\\u{1B2FB}\\u{1F200}-\\u{1F2FF}\\u{1F300}-\\u{1F64F}' +
  '\\u{1F680}-\\u{1F6FF}\\u{1F900}-\\u{1F9FF}\\u{20000}-\\u{3FFFD}'
const wide = new RegExp(`^(?:[${wideRanges}]|\\p{Emoji_Presentation}|.\\u{FE0F})`, 'u')
const zeroWidth = /^[\p{M}\p{Cf}]+$/u
// oxlint-disable-next-line no-control-regex -- colour codes are control sequences
const colours = /\u001B\[[0-9;]*m/g

/** Cells that `text` takes. Colour codes count as nothing. */
export function width(text: string): number {
  const bare = text.replace(colours, '')
  if (simple.test(bare)) return bare.length
  let cells = 0
  for (const { segment } of segments(bare)) cells += segmentWidth(segment)
  return cells
}

function segmentWidth(segment: string): number {
  if (zeroWidth.test(segment)) return 0
  return wide.test(segment) ? 2 : 1
}

/** Control, bidirectional and other invisible characters of foreign text become a visible `?`. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, '?')
}

/** The beginning of `text` that fits into `cells`. */
function head(text: string, cells: number): string {
  if (simple.test(text)) return text.slice(0, Math.max(0, cells))
  let kept = ''
  let used = 0
  for (const { segment } of segments(text)) {
    used += segmentWidth(segment)
    if (used > cells) break
    kept += segment
  }
  return kept
}

/** `text`, cut at its end with `mark` where it is wider than `cells`. */
export function cut(text: string, cells: number, mark = '…'): string {
  if (width(text) <= cells) return text
  // Where not even the mark has room there is none.
  return cells < width(mark) ? head(text, cells) : head(text, cells - width(mark)) + mark
}

/** Left-aligned in exactly `cells`; a longer text is cut. */
export function fit(text: string, cells: number, mark = '…'): string {
  const shown = cut(text, cells, mark)
  return shown + ' '.repeat(Math.max(0, cells - width(shown)))
}

/** Right-aligned in at least `cells`. */
export function right(text: string, cells: number): string {
  return ' '.repeat(Math.max(0, cells - width(text))) + text
}

/** A file name in `cells` at most: cut in the middle, so that its beginning and its extension stay readable. */
export function cutName(name: string, cells: number, mark = '…'): string {
  if (width(name) <= cells) return name
  const tailCells = Math.min(Math.floor(cells / 2), 12)
  const parts = [...segments(name)].map((part) => part.segment)
  let tail = ''
  while (parts.length > 0 && width(parts.at(-1)! + tail) <= tailCells) tail = parts.pop()! + tail
  const room = cells - width(tail) - width(mark)
  return room < 1 ? cut(name, cells, mark) : head(parts.join(''), room) + mark + tail
}

/** What may stand at the beginning of a line: a word, or one wide sign with the signs that close it (、。）…). */
const pieces = new RegExp(`[${wideRanges}][、。，．：；！？）」』】》〉…]*|[^ ${wideRanges}]+| +`, 'gu')

/**
 * Words in lines of at most `cells`, each line after the first behind `indent`, which is not counted. Chinese breaks between
 * any two signs. A word that is wider than a line (an address, a path) is left whole, so that it can be copied: the terminal
 * wraps it.
 */
export function wrap(text: string, cells: number, indent = ''): string {
  const lines: string[] = []
  let line = ''
  for (const piece of text.match(pieces) ?? []) {
    if (line === '' || width(line + piece.trimEnd()) <= cells) {
      line = line === '' ? piece.trimStart() : line + piece
      continue
    }
    lines.push(line.trimEnd())
    line = piece.trimStart()
  }
  lines.push(line.trimEnd())
  return lines.join(`\n${indent}`)
}
