/** The first door for events: the methods of the app's delegate. */
import type { LonghaulError } from '../contract/errors.ts'
import type { DurableEventJson, PassingEventJson } from '../contract/events.ts'
import type { TaskId } from '../contract/words.ts'
import type { AppWorld } from '../world/app-world.ts'
import type { DownloadHandle } from './download-handle.ts'
import { eventObject, retryEvent, writeDataEvent } from './event-objects.ts'
import type { Consumer } from './ownership.ts'
import type { SessionDelegate } from './session-events.ts'
import type { TaskHandles } from './task-handles.ts'

export interface DelegateDoorOptions<M> {
  readonly delegate: SessionDelegate<M>
  readonly handles: TaskHandles<M>
  readonly acknowledged: (event: DurableEventJson) => void
  readonly lost: (error: LonghaulError) => void
}

/** Loosely typed here, once: the table of `session-events` and `delegate`'s checks say what the methods take. */
type AnyMethod = (...given: readonly unknown[]) => unknown

export function delegateDoor<M>(options: DelegateDoorOptions<M>): Consumer {
  const { delegate, handles } = options
  /** Tasks whose handle is being fetched; progress of theirs that comes meanwhile is dropped, newer follows. */
  const fetching = new Set<TaskId>()
  const method = (name: keyof SessionDelegate): AnyMethod | undefined => delegate[name] as AnyMethod | undefined

  const pass = (event: PassingEventJson, task: DownloadHandle<M>): void => {
    if (event.kind === 'didWriteData') task.seeProgress(event.progress)
    const call = method(event.kind)
    if (call === undefined) return
    const object = event.kind === 'didWriteData' ? writeDataEvent(event) : retryEvent(event)
    reportThrown(handles.link.world, event.kind, () => call.call(delegate, task, object))
  }

  return {
    async run(event, signal) {
      const call = method(event.kind)
      if (call === undefined) {
        // The task shows what it says all the same.
        if (event.task !== undefined) handles.handle(event.task)
        return
      }
      const object = eventObject<M>(event, handles, signal)
      // As a method: `this` is the delegate.
      await (object.task === undefined ? call.call(delegate, object) : call.call(delegate, object.task, object))
    },
    pass(event) {
      const known = handles.get(event.task)
      if (known !== undefined) return pass(event, known)
      if (method(event.kind) === undefined || fetching.has(event.task)) return
      fetching.add(event.task)
      void handles.link
        .call('task.get', { id: event.task }, { keepAlive: false })
        .then((record) => record !== null && pass(event, handles.handle(record)))
        // Progress may be lost; the daemon is told of no failure here.
        .catch(() => {})
        .finally(() => fetching.delete(event.task))
    },
    acknowledged(event) {
      if (event.kind === 'didComplete' && event.task !== undefined) handles.forget(event.task.id)
      options.acknowledged(event)
    },
    lost(error: LonghaulError) {
      options.lost(error)
      const call = method('didLoseOwnership')
      if (call !== undefined) reportThrown(handles.link.world, 'didLoseOwnership', () => call.call(delegate, error))
    },
  }
}

/** Nobody repeats these events, so what a method throws is only told to the developer. */
function reportThrown(world: AppWorld, name: string, run: () => unknown): void {
  const report = (error: unknown): void => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    world.warn(`The delegate's ${name} threw. ${text}`, 'LONGHAUL_CALLBACK_THREW')
  }
  try {
    const returned = run()
    if (returned instanceof Promise) returned.catch(report)
  } catch (error) {
    report(error)
  }
}
