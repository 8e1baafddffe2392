/** Where a body ends, told from the head (RFC 9112 §6.3). What llhttp refuses by itself is not checked again. */
import type { Dispatcher } from 'undici'
import type { BodyEnd, HeaderList } from '../world/transport.ts'

export interface Framing {
  readonly proof: BodyEnd['proof']
  /** Of the body; set exactly if `proof` is `length`. */
  readonly length: number | undefined
}

/** What undici gives: names and values in turn. Its other form is HTTP/2's, which is off. */
export type RawHeaders = Dispatcher.DispatchController['rawHeaders']

/** Gives what is wrong, in words, if the head cannot be trusted to say where the body ends. */
export function framingOf(method: string, status: number, headers: HeaderList): Framing | string {
  if (method === 'HEAD' || status === 204 || status === 304) return { proof: 'length', length: 0 }
  const codings = valuesOf(headers, 'transfer-encoding')
  const lengths = valuesOf(headers, 'content-length')
  if (codings.length > 0) {
    if (lengths.length > 0) return 'both Content-Length and Transfer-Encoding'
    // A coding below `chunked` would be delivered coded: we never asked for one (TE), so the server must not use it.
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked') return `Transfer-Encoding: ${codings.join(', ')}`
    return { proof: 'last chunk', length: undefined }
  }
  if (lengths.length === 0) return { proof: 'close', length: undefined }
  const length = Number(lengths[0])
  if (lengths.length > 1 || !/^\d+$/.test(lengths[0] ?? '') || !Number.isSafeInteger(length)) {
    return `Content-Length: ${lengths.join(', ')}`
  }
  return { proof: 'length', length }
}

/** Names in lower case, values without the blanks around them; bytes beyond ASCII are Latin-1, as HTTP has it. */
export function headerList(raw: RawHeaders): HeaderList {
  const parts = partsOf(raw)
  const list: (readonly [string, string])[] = []
  for (let i = 0; i + 1 < parts.length; i += 2) list.push([parts[i]!.toLowerCase(), withoutBlanks(parts[i + 1]!)])
  return list
}

/** Spaces and tabs at both ends do not count (RFC 9110 §5.5). `trim` takes more: the octet A0, which may be half of a letter. */
export function withoutBlanks(value: string): string {
  let [from, to] = [0, value.length]
  while (isBlank(value[from])) from++
  while (to > from && isBlank(value[to - 1])) to--
  return value.slice(from, to)
}

function isBlank(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}

/** Bytes of the head on the wire, if it was written in the usual way. */
export function headSize(reason: string, raw: RawHeaders): number {
  // A name costs ': ' beside itself, a value its line break.
  return partsOf(raw).reduce((size, part) => size + part.length + 2, `HTTP/1.1 200 ${reason}\r\n\r\n`.length)
}

function valuesOf(headers: HeaderList, name: string): readonly string[] {
  return headers.filter(([key]) => key === name).map(([, value]) => value)
}

function partsOf(raw: RawHeaders): readonly string[] {
  if (!Array.isArray(raw)) return []
  return raw.map((part) => (typeof part === 'string' ? part : part.toString('latin1')))
}
