/**
 * What one line may say, and the check of it. Nothing of a line that fails the check is used, and its connection is
 * closed: whoever sends one is not a Longhaul of this version. Fields that are not known are ignored (a newer minor
 * version may send them). Pure.
 */
import { type ErrorJson, errorTable, LonghaulError } from '../contract/errors.ts'

export type Frame =
  | { readonly kind: 'call'; readonly id: number; readonly call: string; readonly params: unknown }
  | { readonly kind: 'ok'; readonly id: number; readonly ok: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly error: LonghaulError }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'note'; readonly note: string; readonly params: unknown }

const kinds = ['call', 'ok', 'error', 'cancel', 'note'] as const
const nameLimit = 128
const causesKept = 8

/** The frame of a line, or undefined for a line that no Longhaul sends. Never throws. */
export function readFrame(line: string): Frame | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  const fields = value
  // Own fields only: a key such as __proto__ becomes an own field by JSON.parse and is simply unknown here.
  const found = kinds.filter((kind) => Object.hasOwn(fields, kind))
  const kind = found[0]
  if (kind === undefined || found.length > 1) return undefined
  if (kind === 'note') {
    return isName(fields.note) ? { kind, note: fields.note, params: own(fields, 'params') } : undefined
  }
  const id = kind === 'cancel' ? fields.cancel : own(fields, 'id')
  if (!isId(id)) return undefined
  switch (kind) {
    case 'call':
      return isName(fields.call) ? { kind, id, call: fields.call, params: own(fields, 'params') } : undefined
    case 'ok':
      return { kind, id, ok: fields.ok }
    case 'error': {
      const error = readError(fields.error, causesKept)
      return error === undefined ? undefined : { kind, id, error }
    }
    case 'cancel':
      return { kind, id }
  }
}

/** An error as it came over the wire. One with a code of a newer version is kept as text under PROTOCOL_MISMATCH. */
function readError(value: unknown, causesLeft: number): LonghaulError | undefined {
  if (!isRecord(value)) return undefined
  const code = own(value, 'code')
  const message = own(value, 'message')
  if (typeof code !== 'string' || typeof message !== 'string') return undefined
  if (!Object.hasOwn(errorTable, code)) {
    return new LonghaulError(
      'PROTOCOL_MISMATCH',
      `The other end failed with ${code.slice(0, nameLimit)}, which this version does not know: ${message}`,
    )
  }
  const cause = causesLeft > 0 ? readCause(own(value, 'cause'), causesLeft - 1) : undefined
  const text = (name: string): string | undefined => ofType(own(value, name), 'string')
  const count = (name: string): number | undefined => ofType(own(value, name), 'number')
  const body = text('body')
  return new LonghaulError(code as ErrorJson['code'], message, {
    hint: text('hint'),
    retryable: ofType(own(value, 'retryable'), 'boolean'),
    task: text('task'),
    status: count('status'),
    index: count('index'),
    added: count('added'),
    ownerPid: count('ownerPid'),
    body: body === undefined ? undefined : Buffer.from(body, 'base64'),
    cause,
  })
}

function readCause(value: unknown, causesLeft: number): Error | undefined {
  if (!isRecord(value)) return undefined
  const code = own(value, 'code')
  if (typeof code === 'string' && Object.hasOwn(errorTable, code)) return readError(value, causesLeft)
  const message = own(value, 'message')
  if (typeof message !== 'string') return undefined
  return Object.assign(new Error(message), typeof code === 'string' && { code })
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function own(value: Readonly<Record<string, unknown>>, name: string): unknown {
  return Object.hasOwn(value, name) ? value[name] : undefined
}

function isId(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) > 0
}

function isName(value: unknown): value is string {
  return typeof value === 'string' && value.length > 0 && value.length <= nameLimit
}

function ofType(value: unknown, type: 'string'): string | undefined
function ofType(value: unknown, type: 'number'): number | undefined
function ofType(value: unknown, type: 'boolean'): boolean | undefined
function ofType(value: unknown, type: string): unknown {
  return typeof value === type ? value : undefined
}
