/**
 * What must hold whatever happened. Three moments: just after the fault, with no daemon there; when the next life has come up;
 * and at the end, when the story has been told to its end by a daemon that nothing hinders.
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { mustHold } from './breach.ts'
import { DaemonUnderTest } from './daemon-under-test.ts'
import { Owner } from './owner.ts'
import type { Story } from './story.ts'

/** At every moment: old or whole and right; and right once somebody was told so. */
export function checkDestinations(story: Story): void {
  const { facts } = story
  for (const chapter of story.chapters) {
    const found = story.whatIsAt(chapter)
    const before = chapter.how === 'replaces' ? 'old' : 'nothing'
    const end = facts.received.values().find(({ kind, task }) => kind === 'didComplete' && task?.id === chapter.task.id)
    const told = end?.kind === 'didComplete' && end.body.error === undefined
    mustHold(
      found === 'right' || (found === before && !told),
      `${chapter.path.slice(story.folder.length + 1)} is ${found}${told ? ', and its end was told' : ''}`,
    )
  }
}

/** A daemon comes up; what was answered is there; the story goes on to its end, and everything is as it must be then. */
export async function checkRecovery(story: Story, source?: string): Promise<void> {
  const { facts } = story
  await using daemon = await DaemonUnderTest.start({ home: story.home, source })
  const owner = await Owner.attach(daemon, facts)
  try {
    for (const { task, how } of story.chapters) {
      if (!facts.answered.has(task.id)) continue
      mustHold((await owner.find(task.id)) !== null, `enqueue was answered, and the task that is ${how} is gone`)
    }
    await story.tell(owner)
    // An event with a lower number than the last end's may still be on its way to its acknowledgement.
    await checkEnd(story, owner)
  } finally {
    owner.close()
  }
  await daemon.kill()
  checkJournal(story)
}

async function checkEnd(story: Story, owner: Owner): Promise<void> {
  const { facts, chapters } = story
  checkDestinations(story)
  for (const { task } of chapters) {
    const ends = [...facts.received.values()].filter((event) => event.kind === 'didComplete' && event.task?.id === task.id)
    mustHold(ends.length === 1, `${ends.length} ends of one task: numbers ${ends.map((end) => end.sequence).join(', ')}`)
    const [end] = ends
    mustHold(
      end?.kind === 'didComplete' && end.body.error === undefined,
      `a task failed: ${end?.kind === 'didComplete' ? end.body.error?.message : ''}`,
    )
    const found = await owner.find(task.id)
    mustHold(found !== null && found.state === 'completed', `the task is ${found?.state} after its end was told`)
  }
  const numbers = [...facts.received.keys()].toSorted((a, b) => a - b)
  mustHold(
    numbers.every((number, i) => number === i + 1),
    `numbers are not consecutive: ${numbers.join(', ')}`,
  )
  const listed = readdirSync(story.folder).filter((name) => name !== 'lost+found')
  mustHold(listed.length === chapters.length, `files are left over: ${listed.join(', ')}`)
}

/** Read when no daemon is there any more. */
export function checkJournal(story: Story): void {
  const database = new DatabaseSync(join(story.home, 'journal.db'))
  try {
    const { quick_check: sound } = database.prepare('pragma quick_check').get() as { quick_check: string }
    mustHold(sound === 'ok', `the journal is damaged: ${sound}`)
    const events = database.prepare('select sequence from event').all().map(({ sequence }) => Number(sequence))
    const left = events.filter((sequence) => story.facts.acknowledged.has(sequence))
    mustHold(left.length === 0, `acknowledged events are still there: ${left.join(', ')}`)
    const open = database.prepare(`select count(*) n from task where gate <> 'done'`).get() as { n: number }
    mustHold(open.n === 0, `${open.n} tasks have not ended`)
  } finally {
    database.close()
  }
}
