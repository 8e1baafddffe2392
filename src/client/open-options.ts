/** What `BackgroundSession.open` takes, checked as a whole before anything is asked of the daemon. */
import {
  checkIdentifier,
  type DaemonOptions,
  type LaunchCommand,
  type SessionConfiguration,
} from '../contract/session.ts'
import type { DurationLike } from '../contract/units.ts'
import type { Params } from '../contract/verbs.ts'
import type { AppWorld } from '../world/app-world.ts'
import { explicitConfiguration } from './configuration.ts'
import { methodsOf } from './delegate.ts'
import { checkNames, requireFields } from './known-names.ts'
import { launchCommandOf, launchEnvironmentOf, launchWhenOf } from './launch-command.ts'
import { flag, wholeNumber } from './policies.ts'
import type { SessionDelegate } from './session-events.ts'

/** `M` is the app's own metadata type; it is stored as JSON (at most 64 KiB) and checked only for that. */
export interface OpenOptions<M = undefined> {
  /** 1–255 visible characters; reverse-DNS advised. The name under which everything is found again. */
  readonly identifier: string
  /** Copied. Values that are left out keep what is stored. */
  readonly configuration?: SessionConfiguration | undefined
  /** Refuse (CONFIGURATION_MISMATCH) rather than apply explicit values that differ from the stored ones. @default false */
  readonly strictConfiguration?: boolean | undefined
  /**
   * How to start this app when its session needs it. `'self'` repeats this process's command (without inspector, watch and
   * test-runner flags; NODE_OPTIONS is not repeated); null forgets the stored one, leaving it out keeps it.
   */
  readonly launch?: LaunchCommand | 'self' | null | undefined
  /** @default 'allCompleted' */
  readonly launchWhen?:
    | 'allCompleted'
    | { readonly atLeast?: number | undefined; readonly after?: DurationLike | undefined }
    | undefined
  /** With a delegate this process is the owner; without, a controller. */
  readonly delegate?: SessionDelegate<M> | undefined
  /** Events handled at once; those of one task never overlap. @default 1 */
  readonly delegateConcurrency?: number | undefined
  /** Become the owner although another process is: it is told (`didLoseOwnership`) and its late acknowledgements are refused. @default false */
  readonly takeover?: boolean | undefined
  readonly daemon?: DaemonOptions | undefined
}

/** All of it in plain form. */
export interface CheckedOpen {
  readonly open: Omit<Params<'session.open'>, 'own'>
  /** Undefined without a delegate. */
  readonly methods: readonly string[] | undefined
  readonly concurrency: number
  readonly takeover: boolean
}

const nothingOpened = 'Nothing was opened.'

/** @throws INVALID_ARGUMENT naming the option */
export function checkOpenOptions(options: OpenOptions<never>, world: AppWorld): CheckedOpen {
  requireFields(options, 'options', nothingOpened)
  checkNames(
    options,
    'options of open',
    {
      known: [
        'identifier',
        'configuration',
        'strictConfiguration',
        'launch',
        'launchWhen',
        'delegate',
        'delegateConcurrency',
        'takeover',
        'daemon',
      ],
    },
    nothingOpened,
  )
  const launch = launchCommandOf(options.launch, world)
  const launchWhen = launchWhenOf(options.launchWhen)
  const { strictConfiguration, delegateConcurrency, takeover } = options
  return {
    open: {
      identifier: checkIdentifier(options.identifier),
      configuration: explicitConfiguration(options.configuration),
      strictConfiguration:
        strictConfiguration === undefined ? false : flag(strictConfiguration, 'strictConfiguration', nothingOpened),
      launchEnvironment: launchEnvironmentOf(world.process.env),
      ...(launch !== undefined && { launch }),
      ...(launchWhen !== undefined && { launchWhen }),
    },
    methods: options.delegate === undefined ? undefined : methodsOf(options.delegate),
    concurrency:
      delegateConcurrency === undefined
        ? 1
        : wholeNumber(delegateConcurrency, 'delegateConcurrency', { from: 1, to: 1000 }, nothingOpened),
    takeover: takeover === undefined ? false : flag(takeover, 'takeover', nothingOpened),
  }
}
