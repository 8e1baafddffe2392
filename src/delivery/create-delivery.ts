/** Composes {@link Delivery} of its three parts: owners, their windows of events, launches. */
import type { Journal } from '../journal/journal.ts'
import type { World } from '../world/world.ts'
import type { Delivery } from './delivery.ts'
import { Launches } from './launches.ts'
import { type Owner, Owners } from './owners.ts'
import { Pump } from './pump.ts'

export interface DeliveryOptions {
  readonly world: Pick<World, 'clock' | 'random' | 'launcher' | 'log'>
  readonly journal: Journal
  /** The daemon's own listed environment, which launched apps inherit. */
  readonly environment: Readonly<Record<string, string>>
  readonly home: string
}

export function createDelivery({ world, journal, environment, home }: DeliveryOptions): Delivery {
  const { clock, random, launcher, log } = world
  const owners: Owners = new Owners({
    journal,
    clock,
    log,
    makePump: (owner) => new Pump({ ...owner, journal, clock, log }),
    left: (session) => launches.ownerLeft(session),
  })
  const launches: Launches = new Launches({
    journal,
    launcher,
    clock,
    random,
    log,
    environment,
    home,
    isTaken: (session) => owners.isTaken(session),
  })

  const isStill = (owner: Owner): boolean => owners.find(owner.session) === owner

  return {
    async attach(caller, session, own) {
      const launched = own.launchToken !== undefined && (await launches.recognise(session, own.launchToken))
      const owner = await owners.attach(caller, session, own)
      // Its connection may have ended in the turns since; then the launch has been told that it left, and must not hear
      // after that that it came.
      if (isStill(owner)) {
        // Also where the launch is over, since its user had started the app meanwhile: what was launched waits for it.
        if (own.launchToken !== undefined) owner.pump.expectFinish(own.finishSeen === true ? 'written' : 'not written')
        if (launched) launches.attached(session.id)
        else launches.ownerAppeared(session.id)
      }
      return { fence: owner.fence, launched }
    },

    async activate(caller, session, fence) {
      owners.require(caller, session, fence).pump.activate()
    },

    close: (caller, session, fence) => owners.close(caller, session, fence),

    async acknowledge(caller, session, fence, sequences) {
      const owner = owners.require(caller, session, fence)
      const answer = await owner.pump.acknowledge(sequences)
      // Fenced by the journal: `require` finds the newer owner, or none, and says so.
      if (answer === undefined) {
        owners.forget(session.id, owner)
        owners.require(caller, session, fence)
        return { acknowledged: 0 }
      }
      launches.acknowledged(session.id, answer.acknowledged, owner.pump.finishedCleanly)
      if (answer.over) owners.forget(session.id, owner)
      return { acknowledged: answer.acknowledged }
    },

    refuse: (caller, session, fence, sequence, reason) =>
      owners.require(caller, session, fence).pump.refuse(sequence, reason),

    slow: (caller, session, fence, sequence, running) =>
      owners.require(caller, session, fence).pump.slow(sequence, running),

    async launchCompleted(session, token) {
      launches.completed(session.id, token)
    },

    stillWorking(caller, session, { foreground }) {
      if (owners.find(session.id)?.caller === caller) launches.stillWorking(session.id, foreground)
    },

    gone: (caller) => owners.gone(caller),

    changed({ events, launch }) {
      for (const session of events) owners.find(session)?.pump.nudge()
      for (const session of new Set([...events, ...launch])) launches.look(session)
    },

    pass: (session, event) => owners.find(session)?.pump.pass(event),
    ownerPid: (session) => owners.find(session)?.caller.pid,
    blockers: (session, task) => [
      ...(owners.find(session)?.pump.blockers(task) ?? []),
      ...(owners.isTaken(session) ? [] : launches.blockers(session)),
    ],
    nextLaunchMs: (session) => launches.nextLaunchMs(session),
    keptBy: () => launches.keptBy(),
    start: (owned) => launches.start(owned),

    async stop() {
      owners.stop()
      launches.stop()
    },
  }
}
