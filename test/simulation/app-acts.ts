// What a user of a simulated app does to a task or a session. Each returns what came of it, in a few words for the trace.
import type { BackgroundSession } from '../../src/client/session.ts'
import type { DownloadTask } from '../../src/client/task.ts'
import type { SessionAct, TaskAct } from './app-plan.ts'

export async function actOn(task: DownloadTask<number>, act: Exclude<TaskAct, 'retry'>, nth: number): Promise<string> {
  switch (act) {
    case 'suspend':
      await task.suspend()
      return stateOf(task)
    case 'resume':
      await task.resume()
      return stateOf(task)
    case 'cancel':
      return (await task.cancel()).cancelled ? 'cancelled' : 'it had ended'
    case 'try now':
      await task.tryNow()
      return stateOf(task)
    case 'hold':
      await task.hold()
      return stateOf(task)
    case 'release':
      await task.release()
      return stateOf(task)
    case 'refresh':
      await task.refresh()
      return stateOf(task)
    case 'explain': {
      const { phase, blockers } = await task.explain()
      return [phase, ...blockers.map(({ code }) => code)].join(' ')
    }
    case 'watch': {
      let seen = 0
      for await (const progress of task.updates({ interval: '1s' }))
        if (++seen === 5) return `${progress.received} bytes`
      return `ended after ${seen} looks`
    }
    case 'new headers':
    case 'new headers at once':
      await task.updateRequest({ headers: { 'x-turn': String(nth) }, restart: act === 'new headers at once' })
      return stateOf(task)
    case 'priority':
      await task.setPriority((nth % 10) / 10)
      return stateOf(task)
  }
}

export async function actOnSession(
  session: BackgroundSession<number>,
  act: Exclude<SessionAct, 'die' | 'exit' | 'open again' | 'take over' | 'close'>,
): Promise<string | undefined> {
  switch (act) {
    case 'hold all':
      return `${await session.hold()} tasks`
    case 'release all':
      return `${await session.release()} tasks`
    case 'cancel all':
      return `${await session.cancel({})} tasks`
    case 'try all now': {
      let count = 0
      for await (const { id } of session.tasks()) {
        await (await session.task(id))?.tryNow()
        count++
      }
      return `${count} tasks`
    }
    case 'counts':
      return JSON.stringify(await session.counts())
    case 'list': {
      let count = 0
      for (const list of [session.tasks(), session.history()]) for await (const { state } of list) if (state) count++
      return `${count} tasks`
    }
    case 'finish and invalidate':
      await session.finishTasksAndInvalidate()
      return undefined
    case 'cancel and invalidate':
      await session.invalidateAndCancel()
      return undefined
  }
}

/** However often it was suspended. */
export async function resumeWholly(task: DownloadTask<number> | undefined): Promise<void> {
  while (task?.snapshot.state === 'suspended') await task.resume()
}

function stateOf(task: DownloadTask<number>): string {
  return `${task.snapshot.state}, ${task.snapshot.phase}`
}
