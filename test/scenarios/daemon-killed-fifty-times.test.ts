/**
 * The daemon is killed fifty times while a batch of twenty files goes through it, at moments told by what happened (bytes
 * sent, events received, a start just made), never by time. One app owns the session all along and comes back by itself.
 * The moments come from a seed; `LONGHAUL_SEED=…` plays a run again as far as two processes can.
 */
import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { type Behaviour, cutAfter, drip, FaultServer, resetAfter } from '../../src/testing/index.ts'
import { tryParkedNow } from '../support/parked.ts'
import { Stage } from '../support/stage.ts'

const identifier = 'com.example.killed.daemon'
const kills = 50
const sizes = [
  0, 1, 1000, 65_536, 100_001, 200_000, 300_000, 400_000, 500_000, 600_000, 700_000, 800_000, 900_000, 1_000_000,
  1_200_000, 1_500_000, 2_000_000, 3_000_000, 5_000_000, 8_388_608,
]
/** Of one life, before it is killed: enough for some files to end in it, and not for the large ones. */
const mostBytes = 800_000
/** Fifty starts of a daemon take most of it: 40 s on an idle machine, several times that on a busy one. */
const timeout = 240_000

/** The same numbers for the same seed (mulberry32). */
function numbers(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

/** Every answer drips; about a third of them breaks on the way. */
function script(size: number, below: (n: number) => number): readonly Behaviour[] {
  return Array.from({ length: 200 }, () => {
    const slow = drip(8192, 3)
    if (size < 65_536 || below(3) > 0) return slow
    const breaks = below(2) === 0 ? cutAfter : resetAfter
    return { ...slow, ...breaks(1 + below(size - 1)) }
  })
}

/** What the journal holds as not acknowledged, and the next number, read beside the daemon. */
function outbox(home: string): { readonly next: number; readonly open: ReadonlySet<number> } {
  const db = new DatabaseSync(join(home, 'journal.db'), { readOnly: true, timeout: 5000 })
  try {
    db.exec('begin')
    const session = db.prepare('select id, next_sequence from session where identifier = ?').get(identifier)!
    const rows = db.prepare('select sequence from event where session = ?').all(session['id']!)
    return { next: Number(session['next_sequence']), open: new Set(rows.map(({ sequence }) => Number(sequence))) }
  } finally {
    db.close()
  }
}

test(
  'the daemon is killed fifty times: all files arrive whole, and every event is given once',
  { timeout },
  async (t) => {
    const seed = Number(process.env['LONGHAUL_SEED'] ?? randomInt(2 ** 31))
    t.diagnostic(`LONGHAUL_SEED=${seed}`)
    const below = numbers(seed)
    await using server = await FaultServer.start()
    await using stage = await Stage.open()
    const rows = sizes.map((size, n) => ({
      url: server.file(`/${n}.bin`, { size, etag: `"v${n}"`, script: script(size, below) }),
      to: stage.path(`${n}.bin`),
    }))
    const options = { configuration: { maximumActiveTasks: 4, retry: { initialDelay: '1ms', maximumDelay: '20ms' } } }
    const app = await stage.start({ identifier, options: options as never })
    await app.run(async ({ session }, given) => void (await session.enqueue(given, { start: true })), rows)

    const bytes = (): number => server.requests.reduce((sum, { bytesSent }) => sum + bytesSent, 0)
    const completed = (): number => stage.events(({ name }) => name === 'didComplete').length
    /** Reports that were there when these acknowledgements were known to be committed. */
    const known: { readonly acknowledged: (sequence: number) => boolean; readonly reports: number }[] = []
    let [parked, tried] = [0, 0]
    for (let kill = 1; kill <= kills; kill++) {
      const { pid } = await stage.newDaemon()
      const moment = below(4)
      if (moment === 0) {
        // At its start: the lock is published, the owner may not have come back yet.
      } else {
        const now = await tryParkedNow(app)
        if (now > 0) parked++
        tried += now
        const target = bytes() + below(mostBytes)
        const events = stage.events().length + 1 + below(3)
        // In an event's callback or just behind it, where acknowledgements are under way; else in the middle of bytes.
        const due =
          moment === 1
            ? () => stage.events().length >= events || bytes() >= target + mostBytes
            : () => bytes() >= target
        await server.until(due, `the moment of kill ${kill} (LONGHAUL_SEED=${seed})`)
      }
      assert.equal(await stage.killDaemon(), pid, `the daemon ended by itself before kill ${kill}`)
      const { next, open } = outbox(stage.home)
      known.push({
        acknowledged: (sequence) => sequence < next && !open.has(sequence),
        reports: stage.reports.which(() => true).length,
      })
    }
    const before = completed()
    t.diagnostic(`${before} of ${sizes.length} files were there after the last kill; parked in ${parked} lives`)
    await stage.newDaemon()
    tried += await tryParkedNow(app)
    assert.ok(tried > 0, 'some were parked, and said so')
    assert.ok(before < sizes.length, 'killed to the end in the middle of the batch')
    await stage.reports.until(() => completed() >= sizes.length, `all completed (LONGHAUL_SEED=${seed})`)
    // Whatever would come again has come once nothing is left.
    await app.run(async ({ longhaul }, name) => {
      for (;;) if ((await longhaul.sessions()).find((each) => each.identifier === name)!.unacknowledged === 0) return
    }, identifier)

    for (const [n, { to }] of rows.entries())
      assert.equal(await stage.digest(to), server.digest(`/${n}.bin`), `file ${n} of ${sizes[n]} bytes`)
    const events = stage.events()
    const ends = events.filter(({ name }) => name === 'didComplete')
    assert.deepEqual(
      ends.map(({ fields }) => fields['error']).filter((error) => error !== undefined),
      [],
    )
    assert.equal(new Set(ends.map(({ task }) => task)).size, sizes.length)
    assert.equal(new Set(ends.map(({ sequence }) => sequence)).size, sizes.length)
    assert.equal(
      ends.length,
      sizes.length,
      'one process was given each end once: what it had settled it only says again',
    )
    const sequences = [...new Set(events.map(({ sequence }) => sequence!))].toSorted((a, b) => a - b)
    assert.deepEqual(
      sequences,
      sequences.map((_, before) => before + 1),
      'consecutive',
    )
    assert.equal(outbox(stage.home).next, sequences.length + 1)
    for (const { acknowledged, reports } of known) {
      const again = stage.reports.all
        .slice(reports)
        .filter(({ what, sequence }) => what === 'event' && acknowledged(sequence!))
      assert.deepEqual(again, [], 'an event came again after its acknowledgement was committed')
    }
  },
)
