/**
 * Names of options, checked: a misspelt one is refused with the right one, one of a later version is refused as such.
 * An option that is silently ignored is the worst answer, so nothing passes unknown. Pure.
 */
import { LonghaulError } from '../contract/errors.ts'
import { nearest } from '../contract/nearest.ts'

/**
 * @param of what the object is, as a user would call it: `'download options'`
 * @param consequence what did not happen: `'Nothing was added.'`
 * @throws INVALID_ARGUMENT
 */
export function checkNames(
  given: object,
  of: string,
  names: { readonly known: readonly string[]; readonly later?: readonly string[] },
  consequence: string,
): void {
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || names.known.includes(name)) continue
    if (names.later?.includes(name) === true) throw notYet(`${name} (in the ${of})`, consequence)
    const meant = nearest(name, [...names.known, ...(names.later ?? [])])
    const suggestion = meant === undefined ? `Known are: ${names.known.join(', ')}.` : `Did you mean '${meant}'?`
    throw new LonghaulError('INVALID_ARGUMENT', `'${name}' is not among the ${of}. ${suggestion} ${consequence}`)
  }
}

/** The refusal of what a later version will take. */
export function notYet(what: string, consequence: string): LonghaulError {
  return new LonghaulError('INVALID_ARGUMENT', `${what} is not in this version yet. ${consequence}`, {
    hint: 'Leave it out; the change log says when it comes.',
  })
}

/** The refusal of a value: `name: why. consequence`. */
export function invalid(name: string, why: string, consequence: string): LonghaulError {
  return new LonghaulError('INVALID_ARGUMENT', `${name}: ${why}. ${consequence}`)
}

/** How a value is shown in a message: short, and never a secret that is long. */
export function shown(value: unknown): string {
  if (typeof value === 'string')
    return value.length > 60 ? `${JSON.stringify(value.slice(0, 57))}…` : JSON.stringify(value)
  if (typeof value === 'function') return 'a function'
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return String(value)
}

/** A plain thing with fields, not an array and not null. */
export function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Whether it is written out in place: no instance of a class. Asked before `instanceof Request` or `Headers`, because their
 * mere names make Node load all of fetch, some 40 ms of each short command.
 */
export function isPlain(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === Array.prototype || prototype === null
}

/** Without narrowing: the type that was declared is the better one. @throws INVALID_ARGUMENT */
export function requireFields(value: unknown, name: string, consequence: string): void {
  if (!isFields(value)) throw invalid(name, `${shown(value)} is not an object`, consequence)
}
