/** Ranges as they are asked and answered (RFC 9110 §14). */
import { fixed, type Representation } from './representation.ts'

export interface ByteRange {
  readonly from: number
  /** Behind the last byte. */
  readonly to: number
}

/** One range; `undefined` where the field is absent, invalid, or of a kind that may be ignored. */
export function rangeOf(field: string | undefined, size: number): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d*)-(\d*)$/i.exec(field ?? '')
  if (match === null || (match[1] === '' && match[2] === '')) return undefined
  const [, first = '', last = ''] = match
  if (first !== '' && last !== '' && Number(last) < Number(first)) return undefined
  const from = first === '' ? Math.max(0, size - Number(last)) : Number(first)
  const to = first === '' || last === '' ? size : Math.min(size, Number(last) + 1)
  if (from >= size) return 'unsatisfiable'
  return { from, to }
}

export const boundary = 'the-next-part-begins-here'

/** The body of a multipart/byteranges answer: the range cut into `parts`, each with the head that says which one it is. */
export function multipartOf(whole: Representation, { from, to }: ByteRange, parts: number): Representation {
  const step = Math.ceil((to - from) / parts)
  const pieces: Uint8Array[] = []
  for (let at = from; at < to; at += step) {
    const end = Math.min(to, at + step)
    pieces.push(
      Buffer.from(
        `\r\n--${boundary}\r\nContent-Type: application/octet-stream\r\nContent-Range: bytes ${at}-${end - 1}/${whole.size}\r\n\r\n`,
      ),
      whole.bytes(at, end - at),
    )
  }
  const all = Buffer.concat([...pieces, Buffer.from(`\r\n--${boundary}--\r\n`)])
  return fixed(all)
}
