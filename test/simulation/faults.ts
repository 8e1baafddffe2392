// Deliberate faults: mistakes that somebody could make in src/, each as a replacement of a few words of it. A fault that the
// simulator does not find is a hole in the simulator (deliberate-faults.test.ts). Long, because it is one table; to add a
// fault is to add a row. The text must occur exactly once in the file, and what comes out must still be TypeScript.

type Replacement = readonly [text: string, by: string]

export interface DeliberateFault {
  readonly name: string
  /** What is wrong, in one sentence. */
  readonly says: string
  /** Of the project: `src/…`. */
  readonly file: string
  readonly replace: Replacement
  /** Where other guards would make up for the first. */
  readonly also?: readonly Replacement[]
  /** Name of the rule that has to see it, where others may see what follows from it. @default any */
  readonly by?: string
  /** Where the search begins, for one that takes hundreds of seeds: near one that finds it. @default 1 */
  readonly from?: number
}

const attempts = 'src/journal/attempts.ts'
const endings = 'src/journal/endings.ts'
const outbox = 'src/journal/outbox.ts'
const publish = 'src/transfer/files/publish.ts'
const delivery = 'src/transfer/download/delivery.ts'
const checkpoints = 'src/transfer/download/checkpoints.ts'
const representation = 'src/transfer/download/representation.ts'
const launches = 'src/delivery/launches.ts'
const inbox = 'src/client/inbox.ts'

export const deliberateFaults: readonly DeliberateFault[] = [
  // ---------------------------------------------------------------- bytes on the disk
  {
    name: 'checkpoint-without-sync',
    says: 'A checkpoint is recorded without a sync of its bytes.',
    file: checkpoints,
    replace: [`    await part.sync('data')\n`, ''],
  },
  {
    name: 'first-checkpoint-without-folder-sync',
    says: 'A checkpoint is recorded for a part whose name a power cut can still take away.',
    file: 'src/transfer/files/part-file.ts',
    replace: ['    await this.folder.sync()\n', ''],
  },
  {
    name: 'bytes-counted-before-written',
    says: 'A checkpoint counts bytes that have come and are not written yet.',
    file: 'src/transfer/download/laying.ts',
    replace: [
      'ranges: () => this.#ranges,',
      'ranges: () => withRange(this.#ranges, 0, Math.max(0, ...[...this.#segments].map((one) => one.position))),',
    ],
  },
  {
    name: 'publish-without-sync',
    says: 'The finished part is put into its place without a sync.',
    file: delivery,
    replace: [`  await part.sync('all')\n`, ''],
  },
  {
    name: 'digest-not-verified',
    says: 'A digest that does not match is no reason to refuse the bytes.',
    file: 'src/transfer/download/verification.ts',
    replace: ['claims.find(({ algorithm, hex }) => digests.get(algorithm) !== hex)', 'claims.find(() => false)'],
  },

  // ---------------------------------------------------------------- several connections
  {
    name: 'joined-range-not-judged',
    says: 'What a further connection sends is laid whatever it says of itself.',
    file: 'src/transfer/download/joining.ts',
    replace: [
      `if (judgement.fits && judgement.to >= least) return { kind: 'joined', answer, to: judgement.to }`,
      `if (judgement.fits || to > 0) return { kind: 'joined', answer, to: judgement.fits ? judgement.to : to }`,
    ],
  },
  {
    name: 'joined-from-elsewhere',
    says: 'What a further connection sends is laid also where its address led to another place.',
    file: 'src/transfer/download/joining.ts',
    replace: ['comparable(known, sourceOf(facts.request.url, answer.response.url))', 'known'],
  },
  {
    name: 'holes-forgotten',
    says: 'A download goes on behind the last byte that is there, whatever is missing before.',
    file: 'src/transfer/download/pieces.ts',
    replace: [
      'this.#free = missing(had, total ?? Infinity)',
      'this.#free = missing(had.length === 0 ? had : [[0, had.at(-1)![1]]], total ?? Infinity)',
    ],
    from: 130,
  },
  {
    name: 'rest-of-a-broken-connection-forgotten',
    says: 'What a connection that broke off had still to fetch is fetched by nobody.',
    file: 'src/transfer/download/pieces.ts',
    replace: ['if (held.position < held.to) this.#free = withRange(this.#free, held.position, held.to)', ''],
    from: 1080,
  },

  {
    name: 'connection-given-away-too-early',
    says: 'The next task gets the connection of one whose bytes still come.',
    file: 'src/service/transfers.ts',
    replace: ['if (run.fetched) fetched.push(task)', 'fetched.push(task)'],
    by: 'no more connections than an origin may have',
  },
  {
    name: 'ceiling-of-an-origin-forgotten',
    says: 'Further connections of one file are lent whatever the origin may have.',
    file: 'src/service/further-connections.ts',
    replace: ['this.count(holder.origin) >= this.#mostOf(holder.origin) || ', ''],
    by: 'no more connections than an origin may have',
  },

  // ---------------------------------------------------------------- publishing
  {
    name: 'rename-before-intent',
    says: 'The file is put into its place before the intent is recorded.',
    file: delivery,
    replace: [
      '    if (recorded || (await recordIntent(attempt, intent))) {',
      '    if (!recorded) await place(folder, part, intent)\n    if (recorded || (await recordIntent(attempt, intent))) {',
    ],
  },
  {
    name: 'another-name-in-the-folder',
    says: 'A file whose name is taken gets a number, whether its app wanted both or not.',
    file: 'src/transfer/files/destination.ts',
    replace: [`if (ifExists !== 'keepBoth') {`, `if (ifExists === 'skip') {`],
    by: 'bytes at a destination are old, or whole and right',
  },
  {
    name: 'finish-without-folder-sync',
    says: 'A renamed file is told finished before its folder is synced.',
    file: publish,
    replace: [': error\n  }\n  await folder.sync()\n', ': error\n  }\n'],
  },
  {
    name: 'unlink-before-link-is-safe',
    says: 'The name of the part is given up before the one at the destination is safe.',
    file: publish,
    replace: ['  await folder.sync()\n  await folder.unlink(part)\n', '  await folder.unlink(part)\n'],
  },
  {
    name: 'no-sync-after-unlink',
    says: 'A linked file is told finished although its part may come back under its old name.',
    file: publish,
    replace: ['  await folder.unlink(part)\n  await folder.sync()\n', '  await folder.unlink(part)\n'],
  },
  {
    name: 'recovered-without-folder-sync',
    says: 'A file that is found in its place after a crash is told finished before its folder is synced.',
    from: 110,
    file: publish,
    replace: ['    else await folder.sync()\n', ''],
  },
  {
    name: 'intent-not-recovered',
    says: 'The attempt after a crash is not told of the intent that was recorded.',
    from: 695,
    file: attempts,
    replace: ['    intent: intentOf(task, boot),\n', '    intent: undefined,\n'],
  },
  {
    name: 'cancel-wins-after-intent',
    says: 'A cancel after the intent ends the task at once, whether its file is in its place or not.',
    file: endings,
    replace: ['  if (task.intent === null) {\n', '  if (task.outcome === null) {\n'],
  },
  {
    name: 'given-up-part-not-owed',
    says: 'A part that is given up is forgotten instead of unlinked.',
    file: 'src/journal/files.ts',
    replace: ['  owe(work, row.identity === null ? { ...row, ...intended(work.store, task) } : row, dueMs)\n', ''],
  },

  // ---------------------------------------------------------------- the journal's commits
  {
    name: 'commit-left-out',
    says: 'A group is answered and rolled back.',
    file: 'src/journal/group.ts',
    replace: [`database.exec('commit')`, `database.exec('rollback')`],
  },
  {
    name: 'failed-commit-answered',
    says: 'A commit that failed is answered as if it had not.',
    file: 'src/journal/group.ts',
    replace: [
      `database.exec('commit')`,
      `try { database.exec('commit') } catch { if (database.isTransaction) database.exec('rollback') }`,
    ],
  },
  {
    name: 'answer-before-commit',
    says: 'A group is answered first and committed with the next one.',
    file: 'src/journal/group.ts',
    replace: [`    database.exec('commit')\n`, ''],
    also: [
      [
        `    database.exec('begin')\n`,
        `    if (database.isTransaction) database.exec('commit')\n    database.exec('begin')\n`,
      ],
    ],
  },
  {
    name: 'refused-command-kept',
    says: 'What a command wrote before it was refused stays.',
    file: 'src/journal/group.ts',
    replace: [`'rollback to command; release command'`, `'release command'`],
  },
  {
    name: 'event-in-its-own-transaction',
    says: 'An event and what comes before it are committed without the change that follows.',
    from: 100,
    file: outbox,
    replace: [
      '  const sequence = takeNumber(work, session, event.kind)\n',
      `  for (const sql of ['release command', 'commit', 'begin', 'savepoint command']) work.store.exec(sql)
  const sequence = takeNumber(work, session, event.kind)\n`,
    ],
  },

  // ---------------------------------------------------------------- fences
  {
    name: 'fence-not-raised-at-start',
    says: 'An attempt gets the fence of the one before it.',
    file: attempts,
    replace: ['      fence: found.fence + 1,\n', '      fence: found.fence,\n'],
  },
  {
    name: 'intent-not-fenced',
    says: 'An intent is recorded whoever records it, also after a cancel.',
    from: 110,
    file: attempts,
    replace: [
      '  const task = running(store, input.task, input.fence)\n  if (task === undefined) return fenced\n  // Only a second',
      '  const task = findTask(store, input.task)\n  if (task === undefined) return fenced\n  // Only a second',
    ],
  },
  {
    name: 'finish-not-fenced',
    says: 'A task is finished by whoever says so, also after a cancel.',
    from: 140,
    file: attempts,
    replace: [
      '  const { at, result } = input\n  const task = running(store, input.task, input.fence)\n',
      '  const { at, result } = input\n  const task = findTask(store, input.task)\n',
    ],
  },
  {
    name: 'end-not-fenced',
    says: 'The end of an attempt counts also when its task has ended.',
    file: attempts,
    replace: [
      '  const { at, end, measure } = input\n  const found = running(work.store, input.task, input.fence)\n',
      '  const { at, end, measure } = input\n  const found = findTask(work.store, input.task)\n',
    ],
  },
  {
    name: 'owner-not-fenced',
    says: 'A former owner may still acknowledge.',
    from: 200,
    file: outbox,
    replace: ['  return row?.owner_fence === fence\n', '  return row !== undefined\n'],
  },

  // ---------------------------------------------------------------- events
  {
    name: 'acknowledges-earlier-events',
    says: 'With an event all earlier ones of its session are deleted.',
    file: outbox,
    replace: ['session = ? and sequence = ? and deliveries > 0', 'session = ? and sequence <= ? and deliveries > 0'],
  },
  {
    name: 'acknowledgement-not-kept',
    says: 'An event that was delivered only once stays after its acknowledgement.',
    file: outbox,
    replace: ['sequence = ? and deliveries > 0', 'sequence = ? and deliveries > 1'],
  },
  {
    name: 'redelivered-lies',
    says: 'An event that comes again says that it comes for the first time.',
    file: outbox,
    replace: ['redelivered: row.deliveries > 0', 'redelivered: false'],
  },
  {
    name: 'number-used-again',
    says: 'The next number is taken from the events that are left.',
    file: outbox,
    replace: [
      'select next_sequence as next from session where id = ?',
      'select coalesce((select max(sequence) from event where event.session = session.id), 0) + 1 as next from session where id = ?',
    ],
  },
  {
    name: 'events-not-announced',
    says: 'Nobody is told that an event was written.',
    file: outbox,
    replace: ['  work.events.add(session)\n', ''],
  },
  {
    name: 'finish-events-too-early',
    says: 'didFinishEvents is written while other events are not acknowledged.',
    file: 'src/delivery/pump.ts',
    replace: ['if (this.#open.size > 0 || this.#taking) return', 'if (this.#taking) return'],
  },
  {
    name: 'finish-events-twice',
    says: 'A launched app that connects again is told didFinishEvents once more.',
    from: 320,
    file: 'src/delivery/pump.ts',
    replace: [`    if (which === 'written') this.#finish = 'queued'\n`, ''],
  },

  // ---------------------------------------------------------------- waiting
  {
    name: 'active-forgotten-at-restart',
    says: 'Attempts of the life before are taken for running.',
    file: 'src/journal/life.ts',
    replace: ['where running is not null order by id', 'where running is not null and intent is not null order by id'],
  },
  {
    name: 'timer-only-while-active',
    says: 'No timer is armed for tasks that wait while nothing runs, as after a restart.',
    file: 'src/service/loop.ts',
    replace: ['    if (busy) this.#arm(', '    if (schedule.active.length > 0) this.#arm('],
  },
  {
    name: 'timer-not-set-again',
    says: 'After a turn no timer is set: what is due by itself waits until something else happens.',
    file: 'src/service/loop.ts',
    replace: ['    if (busy) this.#arm(', '    this.#disarm()\n    if (busy && this.#stopped) this.#arm('],
    by: 'every task has a reason and a next wake-up',
  },
  {
    name: 'later-timer-kept',
    says: 'A timer that is set already stays, also where something is due before it.',
    file: 'src/service/loop.ts',
    replace: [
      '    this.#disarm()\n    if (this.#stopped) return\n',
      '    if (this.#stopped || this.#timer !== undefined) return\n',
    ],
    by: 'every task has a reason and a next wake-up',
  },
  {
    name: 'wake-up-left-out',
    says: 'A task that waits for room or for a folder has no wake-up.',
    file: 'src/journal/lanes.ts',
    replace: [
      `task.gate !== 'disk' && task.gate !== 'destination') return null`,
      `task.gate !== 'publishing') return null`,
    ],
    by: 'every task has a reason and a next wake-up',
  },
  {
    name: 'wake-up-without-deadline',
    says: 'A task that waits for its next try is not woken for its deadline.',
    file: 'src/journal/lanes.ts',
    replace: [
      '  return Math.min(task.wait_until ?? Infinity, task.deadline_at ?? Infinity)',
      '  return task.wait_until',
    ],
    by: 'every task has a reason and a next wake-up',
  },
  {
    name: 'ready-not-announced',
    says: 'Nobody is told that a task became ready.',
    file: 'src/journal/lanes.ts',
    replace: ['  if (isReady || (before.wake_at !== after.wake_at', '  if ((before.wake_at !== after.wake_at'],
  },
  {
    name: 'back-off-does-not-grow',
    says: 'Each failure counts as the first one.',
    file: attempts,
    replace: ['failures: end.progressed ? 1 : task.failures + 1', 'failures: 0'],
  },
  {
    name: 'retry-after-ignored',
    says: 'A server that asked to wait is asked again as if it had not.',
    file: 'src/scheduler/retry.ts',
    replace: [
      `const askedMs = failure.kind === 'network' ? failure.retryAfterMs : undefined`,
      'const askedMs: number | undefined = undefined',
    ],
  },
  {
    name: 'try-now-ignores-server',
    says: 'Who asks for haste is given it, also where the server asked to wait.',
    file: 'src/journal/changes.ts',
    replace: [
      'if (task.wait === null || (task.server_asked !== 0 && task.parked === 0)) return false',
      'if (task.wait === null) return false',
    ],
    by: 'servers are left in peace',
  },
  {
    name: 'failures-not-counted',
    says: 'Attempts that failed do not count against the number that a task may have.',
    from: 250,
    file: attempts,
    replace: ['    failed: task.failed + 1,\n', '    failed: task.failed,\n'],
    by: 'no more attempts than were allowed',
  },
  {
    name: 'suspend-without-mark',
    says: 'A suspend stops the attempt and leaves nothing that keeps the next one from starting.',
    file: 'src/journal/changes.ts',
    replace: ['{ suspends: task.suspends + 1, ', '{ suspends: task.suspends, '],
    by: 'n suspends want n resumes',
  },
  {
    name: 'one-resume-for-all',
    says: 'One resume makes up for all suspends.',
    file: 'src/journal/changes.ts',
    replace: ['suspends: task.suspends - 1', 'suspends: 0'],
    by: 'n suspends want n resumes',
  },
  {
    name: 'deadline-starts-anew',
    says: 'Each attempt, and so each restart, gives a task the whole time again.',
    from: 140,
    file: 'src/journal/lanes.ts',
    replace: ['(budget_left ?? deadlineMs(store, task))', 'deadlineMs(store, task)'],
  },
  {
    name: 'outlook-outlives-the-queue',
    says: 'A task that became ready is not seen while what was seen before holds on.',
    file: 'src/service/loop.ts',
    replace: [`    this.#want('a look')\n`, `    this.#want('a place')\n`],
  },
  {
    name: 'seat-never-left',
    says: 'An attempt that has ended keeps its place.',
    file: 'src/service/transfers.ts',
    replace: [`    if (run !== undefined) this.#sit(run, 'none')\n`, ''],
  },
  {
    name: 'suspend-lets-run',
    says: 'An attempt that runs goes on although its task was suspended.',
    file: 'src/journal/changes.ts',
    replace: [`, ...stopped(work, task, at, 'suspended') }`, ' }'],
  },
  {
    name: 'stopped-attempt-not-fenced',
    says: 'What an attempt writes after its task was cancelled or suspended still counts.',
    file: endings,
    replace: ['    running: null,\n', '    ...(end.stop === undefined && { running: null }),\n'],
    also: [
      [
        '    fence: task.fence + (end.stop === undefined ? 2 : 1),\n',
        '    ...(end.stop === undefined && { fence: task.fence + 2 }),\n',
      ],
    ],
  },

  {
    name: 'crowd-never-over',
    says: 'Nobody looks when one more may be tried of an origin that refused some.',
    file: 'src/scheduler/plan.ts',
    replace: ['[lane.closedUntilMs, thinnedOutMs(lane, view)]', '[lane.closedUntilMs]'],
    by: 'every task has a reason and a next wake-up',
  },

  // ---------------------------------------------------------------- going on from kept bytes
  {
    name: 'joins-coded-ranges',
    says: 'A range that was coded on its way is joined to plain bytes.',
    file: representation,
    replace: ["if (isCoded(headers)) return no('the server coded the range')", ''],
  },
  {
    name: 'validator-not-compared',
    says: 'Kept bytes are gone on from whatever ETag the rest has.',
    file: representation,
    replace: [`=== 'strong ETag' && sameStrongEtag(known.etag, etag))`, `=== 'strong ETag')`],
    also: [
      [
        'if (known.etag !== undefined && etag !== undefined && known.etag !== etag)\n    return other',
        'if (offset < 0)\n    return other',
      ],
    ],
  },
  {
    name: 'resumed-from-elsewhere',
    says: 'Kept bytes are gone on from also where their address leads to another place now.',
    file: 'src/transfer/download/opening.ts',
    replace: ['comparable(kept.representation, source)', 'kept.representation'],
    from: 100,
    by: 'bytes at a destination are old, or whole and right',
  },
  {
    name: 'resume-without-validator',
    says: 'Kept bytes are gone on from without anything that proves them.',
    file: representation,
    replace: [
      '  return no(\n    condition === undefined\n',
      `  if (offset > 0) return fitting('plain range')\n  return no(\n    condition === undefined\n`,
    ],
  },
  {
    name: 'range-start-not-checked',
    says: 'The rest is laid where it was asked for, wherever the server says that it begins.',
    file: representation,
    replace: ['if (range.from !== offset) return lie(', 'if (range.from < 0) return lie('],
    from: 30,
  },
  {
    name: 'cut-body-taken-for-whole',
    says: 'A body that breaks off is taken for its end.',
    file: 'src/transfer/download/laying.ts',
    replace: [
      '      const end = await answer.receive(sink)\n',
      `      const end = await answer.receive(sink).catch((): BodyEnd => ({ proof: 'close', bytes: 0, trailers: [] }))\n`,
    ],
  },

  // ---------------------------------------------------------------- launches and owners
  {
    name: 'launch-although-owned',
    says: 'An app is launched for a session that somebody owns.',
    file: launches,
    replace: [
      '    if (this.#options.isTaken(session)) return this.#unwant(session)\n    if (this.#looking',
      '    if (this.#looking',
    ],
    also: [
      ['if (facts === undefined || this.#options.isTaken(session)) return', 'if (facts === undefined) return'],
      ['      for (const { id } of due.map(({ session }) => session)) if (isTaken(id)) this.ownerAppeared(id)\n', ''],
    ],
  },
  {
    name: 'launch-beside-its-copy',
    says: 'An app that gives no sign of work is left alone instead of ended, and launched again beside itself.',
    file: 'src/delivery/launch.ts',
    replace: [
      '    if (this.isLeft) return this.#finish()\n    this.#overdue = true\n',
      '    this.#overdue = true\n    if (!this.adopted) return this.#finish()\n',
    ],
    by: 'one owner, one launch',
  },
  {
    name: 'launch-not-recorded',
    says: 'A daemon that is restarted knows nothing of the app that it launched, and launches another.',
    from: 1430,
    file: launches,
    replace: ['state: { ...state, current: { token: launch.token } }', 'state'],
  },
  {
    name: 'launch-back-off-ignored',
    says: 'An app that fails is launched again at once.',
    file: 'src/delivery/launch-rule.ts',
    replace: ['if (state.notBeforeMs <= atMs) return', 'if (state.failures >= 0) return'],
  },

  // ---------------------------------------------------------------- the client
  {
    name: 'acknowledged-before-callback',
    says: 'An event is acknowledged when its callback begins.',
    file: inbox,
    replace: [
      `        this.#put({ ...entry, state: 'running' })\n`,
      `        this.#put({ ...entry, state: 'running' })\n        actions.push({ do: 'acknowledge', sequences: [entry.event.sequence] })\n`,
    ],
  },
  {
    name: 'thrown-callback-acknowledged',
    says: 'An event whose callback threw is acknowledged.',
    file: 'src/client/ownership.ts',
    replace: [
      `    if (thrown === undefined) return this.#step({ kind: 'returned', sequence })`,
      `    if (this.#ended === undefined) return this.#step({ kind: 'returned', sequence })`,
    ],
  },
  {
    name: 'events-of-a-task-overtake',
    says: 'An event runs while an earlier one of its task does.',
    file: inbox,
    replace: ['const first = !busy.has(task) && !busy.has(undefined) &&', 'const first = !busy.has(undefined) &&'],
  },
  {
    name: 'running-callback-runs-again',
    says: 'A callback that runs while the connection breaks is started a second time.',
    from: 130,
    file: inbox,
    replace: [`entry.state === 'running' || entry.state === 'settled')`, `entry.state === 'settled')`],
  },
]
