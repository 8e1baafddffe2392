/** Verbs about sessions: created or found again, owned, counted, ended. */
import { LonghaulError } from '../contract/errors.ts'
import { withoutCredential } from '../contract/proxy.ts'
import type { ExplicitConfiguration } from '../contract/session.ts'
import type { SessionFacts } from '../journal/journal.ts'
import { type Asking, type Inside, sessionNamed, type Verbs } from './inside.ts'
import { now } from './moment.ts'
import { sealedProxy } from './proxy-secrets.ts'

export type SessionVerb =
  | 'session.open'
  | 'session.activate'
  | 'session.close'
  | 'session.finish'
  | 'session.drop'
  | 'session.hold'
  | 'session.setCredential'
  | 'session.counts'
  | 'session.list'
  | 'session.launchCompleted'
  | 'session.stillWorking'
  | 'event.acknowledge'
  | 'event.refuse'
  | 'event.slow'

export function sessionVerbs(inside: Inside): Verbs<SessionVerb> {
  const { world, journal, delivery, housekeeping, accounts } = inside
  const named = (identifier: string): Promise<SessionFacts> => sessionNamed(journal, identifier)
  return {
    'session.open': async (params, asking) => open(inside, await withSealedProxy(inside, params), asking),
    'session.activate': async ({ identifier, fence }, { caller }) => {
      await delivery.activate(caller, await named(identifier), fence)
      return null
    },
    'session.close': async ({ identifier, fence }, { caller }) => {
      // It may be gone already: its last event was acknowledged.
      const session = await journal.findSession({ identifier })
      if (session !== undefined && fence !== undefined) await delivery.close(caller, session, fence)
      return null
    },
    'session.finish': async ({ identifier, how }) => {
      const answer = await journal.invalidate({ session: (await named(identifier)).id, how, at: now(world.clock) })
      housekeeping.sweep()
      return answer
    },
    'session.drop': async ({ identifier }) => {
      const session = await named(identifier)
      const ownerPid = delivery.ownerPid(session.id)
      if (ownerPid !== undefined)
        throw new LonghaulError(
          'SESSION_IN_USE',
          `The session '${identifier}' is owned by the process ${ownerPid}. Nothing was dropped; end that process first, or let it invalidate the session.`,
          { ownerPid },
        )
      const dropped = await journal.dropSession({ session: session.id, at: now(world.clock) })
      housekeeping.sweep()
      return dropped
    },
    'session.hold': async ({ identifier, held }) => {
      await journal.holdSession({ session: (await named(identifier)).id, held, at: now(world.clock) })
      return null
    },
    'session.setCredential': async ({ identifier, origin, credential }) => {
      await accounts.set((await named(identifier)).id, origin, credential)
      return null
    },
    'session.counts': async ({ identifier, filter }) =>
      journal.counts({
        ...(identifier !== undefined && { session: (await named(identifier)).id }),
        ...(filter !== undefined && { filter }),
      }),
    'session.list': async () => {
      const sessions = await journal.listSessions({})
      return sessions.map(({ session, counts, unacknowledged }) => {
        const ownerPid = delivery.ownerPid(session.id)
        const nextLaunchMs = delivery.nextLaunchMs(session.id)
        return {
          identifier: session.identifier,
          counts,
          unacknowledged,
          ...(ownerPid !== undefined && { ownerPid }),
          ...(session.launch !== undefined && { launch: session.launch }),
          ...(nextLaunchMs !== undefined && { nextLaunchMs }),
        }
      })
    },
    'session.launchCompleted': async ({ identifier, launchToken }) => {
      const session = await journal.findSession({ identifier })
      if (session !== undefined) await delivery.launchCompleted(session, launchToken)
      return null
    },
    'session.stillWorking': async ({ identifier, foreground }, { caller }) => {
      delivery.stillWorking(caller, await named(identifier), { foreground })
      return null
    },
    'event.acknowledge': async ({ session, fence, sequences }, { caller }) => {
      const facts = await named(session)
      const answer = await delivery.acknowledge(caller, facts, fence, sequences)
      // Its last event may have been among them.
      if (facts.state !== 'open') housekeeping.sweep()
      return answer
    },
    'event.refuse': async ({ session, fence, sequence, reason }, { caller }) => {
      delivery.refuse(caller, await named(session), fence, sequence, reason)
      return null
    },
    'event.slow': async ({ session, fence, sequence, running }, { caller }) => {
      delivery.slow(caller, await named(session), fence, sequence, running)
      return null
    },
  }
}

type OpenSession = Verbs<'session.open'>['session.open']

async function withSealedProxy(
  { world, journal }: Inside,
  params: Parameters<OpenSession>[0],
): Promise<Parameters<OpenSession>[0]> {
  const { identifier, configuration } = params
  const { proxy } = configuration
  if (typeof proxy !== 'object' || proxy.credential === undefined) return params
  const stored = await journal.findSession({ identifier })
  const sealed = await sealedProxy(world.vault, proxy, stored?.configuration.proxy)
  return { ...params, configuration: { ...configuration, proxy: sealed } }
}

/**
 * A refused owner must have changed nothing, so the place is taken before the configuration is applied; and a strict opener
 * whose values differ must not have disturbed the present owner, so that is found out before the place is taken.
 */
async function open(
  { world, journal, delivery, facts, bandwidth }: Inside,
  params: Parameters<OpenSession>[0],
  { caller }: Asking,
): ReturnType<OpenSession> {
  const { identifier, configuration, strictConfiguration, own } = params
  refuseUnbuilt(configuration)
  const request = {
    identifier,
    configuration,
    ...(params.launch !== undefined && { launch: params.launch }),
    ...(params.launchWhen !== undefined && { launchWhen: params.launchWhen }),
    ...(params.launchEnvironment !== undefined && { launchEnvironment: params.launchEnvironment }),
  }
  const at = now(world.clock)
  let created = false
  let attached: { readonly session: SessionFacts; readonly fence: number; readonly launched: boolean } | undefined
  if (own !== undefined) {
    let found = strictConfiguration ? undefined : await journal.findSession({ identifier })
    if (found === undefined) {
      const looked = await journal.openSession({
        identifier,
        configuration,
        at,
        strict: strictConfiguration,
        owner: false,
      })
      found = looked.session
      created = looked.created
    }
    attached = { session: found, ...(await delivery.attach(caller, found, own)) }
  }
  const opened = await journal
    .openSession({ ...request, at, strict: strictConfiguration, owner: own !== undefined })
    .catch(async (error: unknown) => {
      // It will not learn its fence, so it must not keep the place.
      if (attached !== undefined) await delivery.close(caller, attached.session, attached.fence)
      throw error
    })
  // The limit is the session's, not of each of its tasks: those that have started keep to it as well.
  bandwidth.opened(opened.session)
  return {
    identifier,
    created: created || opened.created,
    configuration: {
      ...opened.session.configuration,
      proxy: withoutCredential(opened.session.configuration.proxy),
    },
    changedConfiguration: opened.changed,
    survives: facts.survives,
    launched: attached?.launched ?? false,
    ...(attached !== undefined && { fence: attached.fence }),
  }
}

/** What is promised but not built must not be taken in silence. */
function refuseUnbuilt(configuration: ExplicitConfiguration): void {
  const unbuilt = [
    configuration.discretionary === true && 'discretionary: true',
    configuration.allowsExpensiveNetworkAccess === false && 'allowsExpensiveNetworkAccess: false',
    configuration.allowsConstrainedNetworkAccess === false && 'allowsConstrainedNetworkAccess: false',
  ].filter((each) => each !== false)
  if (unbuilt.length > 0)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `configuration: ${unbuilt.join(', ')} is not in this version. Nothing was opened; leave it out.`,
    )
}
