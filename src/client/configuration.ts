/** A session's configuration as a user writes it, turned into the explicit values that cross the wire. Pure. */
import { type CookiePolicy, type ExplicitConfiguration, type SessionConfiguration } from '../contract/session.ts'
import { bytesPerSecond } from '../contract/units.ts'
import { headerPairs } from './header-pairs.ts'
import { checkNames, invalid, notYet, requireFields, shown } from './known-names.ts'
import { flag, positiveDurationMs, retryPolicy, statusRules, tlsOptions, wholeNumber } from './policies.ts'
import { proxyChoice } from './proxy-choice.ts'

const nothingOpened = 'Nothing was opened.'
const known: readonly (keyof SessionConfiguration)[] = [
  'sendsLaunchEvents',
  'timeoutIntervalForRequest',
  'timeoutIntervalForResource',
  'maximumConnectionsPerHost',
  'maximumActiveTasks',
  'maximumSegmentsPerTask',
  'httpAdditionalHeaders',
  'discretionary',
  'allowsExpensiveNetworkAccess',
  'allowsConstrainedNetworkAccess',
  'retry',
  'acceptableStatusCodes',
  'tls',
  'cookies',
  'proxy',
  'launchTimeLimit',
  'bandwidthLimit',
]
const later: readonly string[] = ['quota']

function cookiePolicy(value: unknown): CookiePolicy {
  if (value === 'session' || value === 'none') return value
  throw invalid('cookies', `${shown(value)} is not 'session' or 'none'`, nothingOpened)
}

/**
 * Only what was written out; the daemon fills in the rest.
 * @throws INVALID_ARGUMENT naming the field
 */
export function explicitConfiguration(given: SessionConfiguration | undefined): ExplicitConfiguration {
  if (given === undefined) return {}
  requireFields(given, 'configuration', nothingOpened)
  if ('identifier' in given) {
    throw invalid(
      'configuration',
      "it carries no identifier, so that one object can serve many sessions; give 'identifier' to open()",
      nothingOpened,
    )
  }
  checkNames(given, 'fields of the configuration', { known, later }, nothingOpened)
  // What these would promise is not kept yet; the values that change nothing are welcome.
  if (given.discretionary === true) throw notYet('discretionary', nothingOpened)
  if (given.allowsExpensiveNetworkAccess === false) throw notYet('allowsExpensiveNetworkAccess: false', nothingOpened)
  if (given.allowsConstrainedNetworkAccess === false)
    throw notYet('allowsConstrainedNetworkAccess: false', nothingOpened)

  const duration = (name: 'timeoutIntervalForRequest' | 'timeoutIntervalForResource' | 'launchTimeLimit'): number =>
    positiveDurationMs(given[name], name, nothingOpened)
  const count = (
    name: 'maximumConnectionsPerHost' | 'maximumActiveTasks' | 'maximumSegmentsPerTask',
    to: number,
  ): number => wholeNumber(given[name], name, { from: 1, to }, nothingOpened)
  const yesOrNo = (
    name: 'sendsLaunchEvents' | 'discretionary' | 'allowsExpensiveNetworkAccess' | 'allowsConstrainedNetworkAccess',
  ): boolean => flag(given[name], name, nothingOpened)
  return {
    ...(given.sendsLaunchEvents !== undefined && { sendsLaunchEvents: yesOrNo('sendsLaunchEvents') }),
    ...(given.timeoutIntervalForRequest !== undefined && {
      timeoutIntervalForRequestMs: duration('timeoutIntervalForRequest'),
    }),
    ...(given.timeoutIntervalForResource !== undefined && {
      timeoutIntervalForResourceMs: duration('timeoutIntervalForResource'),
    }),
    ...(given.launchTimeLimit !== undefined && { launchTimeLimitMs: duration('launchTimeLimit') }),
    ...(given.maximumConnectionsPerHost !== undefined && {
      maximumConnectionsPerHost: count('maximumConnectionsPerHost', 256),
    }),
    ...(given.maximumActiveTasks !== undefined && { maximumActiveTasks: count('maximumActiveTasks', 1024) }),
    ...(given.maximumSegmentsPerTask !== undefined && { maximumSegmentsPerTask: count('maximumSegmentsPerTask', 64) }),
    ...(given.httpAdditionalHeaders !== undefined && {
      httpAdditionalHeaders: headerPairs(
        given.httpAdditionalHeaders,
        'httpAdditionalHeaders',
        'session',
        nothingOpened,
      ),
    }),
    ...(given.discretionary !== undefined && { discretionary: yesOrNo('discretionary') }),
    ...(given.allowsExpensiveNetworkAccess !== undefined && {
      allowsExpensiveNetworkAccess: yesOrNo('allowsExpensiveNetworkAccess'),
    }),
    ...(given.allowsConstrainedNetworkAccess !== undefined && {
      allowsConstrainedNetworkAccess: yesOrNo('allowsConstrainedNetworkAccess'),
    }),
    ...(given.retry !== undefined && { retry: retryPolicy(given.retry, 'retry', nothingOpened) }),
    ...(given.acceptableStatusCodes !== undefined && {
      acceptableStatusCodes: statusRules(given.acceptableStatusCodes, 'acceptableStatusCodes', nothingOpened),
    }),
    ...(given.cookies !== undefined && { cookies: cookiePolicy(given.cookies) }),
    ...(given.bandwidthLimit !== undefined && {
      bandwidthLimit:
        given.bandwidthLimit === 'none'
          ? 'none'
          : bytesPerSecond(given.bandwidthLimit, 'bandwidthLimit', nothingOpened),
    }),
    ...(given.tls !== undefined && { tls: tlsOptions(given.tls, 'tls', nothingOpened) }),
    ...(given.proxy !== undefined && { proxy: proxyChoice(given.proxy, 'proxy', nothingOpened) }),
  }
}
