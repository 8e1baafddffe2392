/**
 * Text as a terminal shows it: how wide it is, how it is cut, and what of it may be shown at all. Names and messages that a
 * server sent are escaped here before anything else sees them.
 */

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' })

/** East Asian wide and fullwidth forms, and emoji, take two cells (Unicode Standard Annex 11). */
const wide =
  /^(?:[\u1100-\u115F\u2E80-\u303E\u3041-\u33FF\u3400-\u4DBF\u4E00-\u9FFF\uA000-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6]|[\u{1F300}-\u{1F64F}\u{1F680}-\u{1F6FF}\u{1F900}-\u{1F9FF}\u{20000}-\u{3FFFD}]|\p{Emoji_Presentation})/u
const zeroWidth = /^[\p{M}\p{Cf}]+$/u

/** Cells that `text` takes. Colour codes count as nothing. */
export function width(text: string): number {
  let cells = 0
  // oxlint-disable-next-line no-control-regex -- colour codes are control sequences
  for (const { segment } of segmenter.segment(text.replace(/\u001B\[[0-9;]*m/g, ''))) {
    cells += zeroWidth.test(segment) ? 0 : wide.test(segment) ? 2 : 1
  }
  return cells
}

/** Control, bidirectional and other invisible characters of foreign text become a visible `?`. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu, '?')
}

/** Left-aligned in `cells`; a longer text is cut at its end. */
export function fit(text: string, cells: number): string {
  const over = width(text) - cells
  if (over <= 0) return text + ' '.repeat(-over)
  let kept = ''
  let used = 0
  for (const { segment } of segmenter.segment(text)) {
    const next = width(segment)
    if (used + next > cells - 1) break
    kept += segment
    used += next
  }
  return `${kept}…${' '.repeat(Math.max(0, cells - used - 1))}`
}

export function right(text: string, cells: number): string {
  return ' '.repeat(Math.max(0, cells - width(text))) + text
}

/** A file name in `cells`: cut in the middle, so that its beginning and its extension stay readable. */
export function fitName(name: string, cells: number): string {
  if (width(name) <= cells) return fit(name, cells)
  const parts = [...segmenter.segment(name)].map((part) => part.segment)
  const tailCells = Math.min(Math.floor(cells / 2), 12)
  let tail = ''
  while (parts.length > 0 && width(parts.at(-1)! + tail) <= tailCells) tail = parts.pop()! + tail
  let head = ''
  for (const part of parts) {
    if (width(head + part) > cells - width(tail) - 1) break
    head += part
  }
  return fit(`${head}…${tail}`, cells)
}

/** Words in lines of at most `cells`, each after the first indented. */
export function wrap(text: string, cells: number, indent = ''): string {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    const longer = line === '' ? word : `${line} ${word}`
    if (width(longer) <= cells - (lines.length === 0 ? 0 : width(indent))) line = longer
    else {
      if (line !== '') lines.push(line)
      line = word
    }
  }
  lines.push(line)
  return lines.join(`\n${indent}`)
}
