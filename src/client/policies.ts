/** The parts that a session's configuration and a task's options have in common: statuses, retry, TLS, counts. Pure. */
import { type RetryJson, type RetryPolicy, type StatusRule, type TlsOptions } from '../contract/session.ts'
import { durationMs } from '../contract/units.ts'
import { checkNames, invalid, isFields, notYet, requireFields, shown } from './known-names.ts'
import { clientCertificateOf, pinsOf } from './tls-identities.ts'

/** @throws INVALID_ARGUMENT */
export function wholeNumber(
  value: unknown,
  name: string,
  range: { readonly from: number; readonly to: number },
  consequence: string,
): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < range.from || value > range.to) {
    const limit =
      range.to === Number.MAX_SAFE_INTEGER ? `of at least ${range.from}` : `from ${range.from} to ${range.to}`
    throw invalid(name, `${shown(value)} is not a whole number ${limit}`, consequence)
  }
  return value
}

/** @throws INVALID_ARGUMENT */
export function flag(value: unknown, name: string, consequence: string): boolean {
  if (typeof value !== 'boolean') throw invalid(name, `${shown(value)} is not true or false`, consequence)
  return value
}

/** A duration that must last: zero would end everything at once. @throws INVALID_ARGUMENT */
export function positiveDurationMs(value: unknown, name: string, consequence: string): number {
  const ms = durationMs(value, name)
  if (ms === 0) throw invalid(name, 'a duration of zero would end every transfer at once', consequence)
  return ms
}

/** @throws INVALID_ARGUMENT */
export function statusRules(value: unknown, name: string, consequence: string): readonly StatusRule[] | 'any' {
  if (value === 'any') return value
  if (!Array.isArray(value) || value.length === 0) {
    throw invalid(name, `${shown(value)} is not 'any' or an array such as [200, { from: 203, to: 206 }]`, consequence)
  }
  return value.map((rule: unknown): StatusRule => {
    if (isStatus(rule)) return rule
    if (isFields(rule) && isStatus(rule['from']) && isStatus(rule['to']) && rule['from'] <= rule['to']) {
      return { from: rule['from'], to: rule['to'] }
    }
    throw invalid(name, `${shown(rule)} is not a status (100–599) or { from, to }`, consequence)
  })
}

function isStatus(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 100 && value <= 599
}

/** @throws INVALID_ARGUMENT */
export function retryPolicy(value: RetryPolicy, name: string, consequence: string): RetryJson {
  requireFields(value, name, consequence)
  checkNames(
    value,
    `fields of ${name}`,
    { known: ['maximumAttempts', 'initialDelay', 'maximumDelay', 'nonIdempotent'] },
    consequence,
  )
  if (value.nonIdempotent === true) throw notYet(`${name}.nonIdempotent`, consequence)
  const initialDelayMs =
    value.initialDelay === undefined ? 1000 : durationMs(value.initialDelay, `${name}.initialDelay`)
  const maximumDelayMs =
    value.maximumDelay === undefined
      ? Math.max(600_000, initialDelayMs)
      : durationMs(value.maximumDelay, `${name}.maximumDelay`)
  if (maximumDelayMs < initialDelayMs) throw invalid(name, 'maximumDelay is shorter than initialDelay', consequence)
  if (value.maximumAttempts === undefined) return { initialDelayMs, maximumDelayMs }
  const maximumAttempts = wholeNumber(
    value.maximumAttempts,
    `${name}.maximumAttempts`,
    { from: 1, to: Number.MAX_SAFE_INTEGER },
    consequence,
  )
  return { maximumAttempts, initialDelayMs, maximumDelayMs }
}

/** @throws INVALID_ARGUMENT */
export function tlsOptions(value: TlsOptions, name: string, consequence: string): TlsOptions {
  requireFields(value, name, consequence)
  checkNames(
    value,
    `fields of ${name}`,
    { known: ['minimumVersion', 'maximumVersion', 'ca', 'clientCertificate', 'pins'] },
    consequence,
  )
  const { minimumVersion, maximumVersion, ca, clientCertificate, pins } = value
  for (const version of [minimumVersion, maximumVersion]) {
    if (version !== undefined && version !== 'TLSv1.2' && version !== 'TLSv1.3') {
      throw invalid(name, `${shown(version)} is not 'TLSv1.2' or 'TLSv1.3'`, consequence)
    }
  }
  if (minimumVersion === 'TLSv1.3' && maximumVersion === 'TLSv1.2') {
    throw invalid(name, 'minimumVersion is above maximumVersion', consequence)
  }
  if (ca !== undefined && !isPemList(ca)) {
    throw invalid(`${name}.ca`, 'each entry must be the text of a certificate in PEM form, not a path', consequence)
  }
  return {
    ...(minimumVersion !== undefined && { minimumVersion }),
    ...(maximumVersion !== undefined && { maximumVersion }),
    ...(ca !== undefined && { ca: [...ca] }),
    ...(clientCertificate !== undefined && {
      clientCertificate: clientCertificateOf(clientCertificate, `${name}.clientCertificate`, consequence),
    }),
    ...(pins !== undefined && { pins: pinsOf(pins, `${name}.pins`, consequence) }),
  }
}

function isPemList(value: unknown): value is readonly string[] {
  return (
    Array.isArray(value) &&
    value.every((text) => typeof text === 'string' && text.includes('-----BEGIN CERTIFICATE-----'))
  )
}
