/**
 * What must hold whatever happened. Three moments: just after the fault, with no daemon there ({@link checkDestinations}); when
 * the next life has come up; and when it has told the story to its end ({@link checkRecovery}).
 */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { mustHold } from './breach.ts'
import type { Lives } from './lives.ts'
import type { Owner } from './owner.ts'
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
export async function checkRecovery(lives: Lives, story: Story, source?: string): Promise<void> {
  const { facts } = lives
  const { owner } = await lives.life(source)
  for (const { task, how } of story.chapters) {
    if (!facts.answered.has(task.id)) continue
    mustHold((await owner.find(task.id)) !== null, `enqueue of the task that is ${how} was answered, and it is gone`)
  }
  await story.tell(owner)
  checkDestinations(story)
  await checkTasks(story, owner)
  checkNumbers(story)
  const listed = readdirSync(story.folder).filter((name) => name !== 'lost+found')
  mustHold(listed.length === story.chapters.length, `files are left over: ${listed.join(', ')}`)
  checkJournal(lives)
}

async function checkTasks({ facts, chapters }: Story, owner: Owner): Promise<void> {
  for (const { task } of chapters) {
    const ends = [...facts.received.values()].filter(
      (event) => event.kind === 'didComplete' && event.task?.id === task.id,
    )
    mustHold(
      ends.length === 1,
      `${ends.length} ends of one task: numbers ${ends.map((end) => end.sequence).join(', ')}`,
    )
    const [end] = ends
    const error = end?.kind === 'didComplete' ? end.body.error : undefined
    mustHold(error === undefined, `a task failed: ${error?.code} ${error?.message}`)
    const found = await owner.find(task.id)
    mustHold(found !== null && found.state === 'completed', `the task is ${found?.state} after its end was told`)
  }
}

function checkNumbers({ facts }: Story): void {
  const numbers = [...facts.received.keys()].toSorted((a, b) => a - b)
  mustHold(
    numbers.every((number, i) => number === i + 1),
    `numbers are not consecutive: ${numbers.join(', ')}`,
  )
}

/** Read beside the daemon. */
function checkJournal({ home, facts }: Lives): void {
  const database = new DatabaseSync(join(home, 'journal.db'), { readOnly: true, timeout: 5000 })
  try {
    database.exec('begin')
    const { quick_check: sound } = database.prepare('pragma quick_check').get() as { quick_check: string }
    mustHold(sound === 'ok', `the journal is damaged: ${sound}`)
    const events = database.prepare('select sequence from event').all()
    const left = events.map(({ sequence }) => Number(sequence)).filter((sequence) => facts.acknowledged.has(sequence))
    mustHold(left.length === 0, `acknowledged events are still there: ${left.join(', ')}`)
    const open = database.prepare(`select count(*) n from task where gate <> 'done'`).get() as { n: number }
    mustHold(open.n === 0, `${open.n} tasks have not ended`)
    const kept = database.prepare('select count(*) n from part').get() as { n: number }
    mustHold(kept.n === 0, `${kept.n} partial files are still kept`)
  } finally {
    database.close()
  }
}
