import type { Engine } from '../../../src/transfer/assignment.ts'
import { Absences } from '../../../src/transfer/download/absences.ts'
import type { TransferWorld } from '../../../src/transfer/download/attempt.ts'
import { Buffers } from '../../../src/transfer/download/buffers.ts'
import { download } from '../../../src/transfer/download/download.ts'
import { Room } from '../../../src/transfer/files/room.ts'
import { Origins } from '../../../src/transfer/origins.ts'
import type { Bench } from './bench.ts'

/** An engine whose server is known to serve so many connections at once, so that as many are opened without a wait for a rate. */
export function knowing(bench: Bench, connections: number, changed: Partial<TransferWorld> = {}): Engine {
  const world = { ...bench.world, ...changed }
  const origins = new Origins()
  origins.remember(new URL(bench.server.url('/')).origin, { kind: 'served', connections }, world.clock.steady())
  const shared = {
    absences: new Absences(),
    buffers: new Buffers(),
    origins,
    room: new Room(world.clock),
    sizes: bench.sizes,
  }
  return {
    ...bench.engine(changed),
    run: (assignment, report, signal) => download(assignment, report, { ...world, ...shared }, signal),
  }
}
