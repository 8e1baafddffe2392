/** Why a process is not the owner of a session, or no more. */
import { LonghaulError } from '../contract/errors.ts'

export function inUseHere(identifier: string, pid: number): LonghaulError {
  return new LonghaulError(
    'SESSION_IN_USE',
    `Another object of this process (pid ${pid}) already receives the events of ${identifier}. Nothing was opened; that one is not disturbed.`,
    {
      ownerPid: pid,
      hint: 'Use BackgroundSession.shared(), close the other one, open without a delegate, or pass takeover: true.',
    },
  )
}

export function takenOver(identifier: string, cause?: unknown): LonghaulError {
  return new LonghaulError(
    'SESSION_TAKEN_OVER',
    `${identifier} was taken over; events that were not acknowledged go to its new owner.`,
    { cause },
  )
}

export function invalid(identifier: string): LonghaulError {
  return new LonghaulError(
    'SESSION_INVALIDATED',
    `${identifier} was invalidated, and its last event is acknowledged. Its name can be used again.`,
  )
}
