/** Errors that the journal writes down: plain from the start, since nobody throws them. */
import { errorTable, type ErrorCode, type ErrorJson } from '../contract/errors.ts'
import type { TaskId } from '../contract/words.ts'

export function errorOf(
  code: ErrorCode,
  message: string,
  details: { readonly task: TaskId; readonly cause?: ErrorJson | undefined; readonly hint?: string },
): ErrorJson {
  const { hint, retryable, urlErrorCode } = errorTable[code]
  return {
    code,
    message,
    hint: details.hint ?? hint,
    retryable,
    ...(urlErrorCode !== undefined && { urlErrorCode }),
    task: details.task,
    ...(details.cause !== undefined && { cause: details.cause }),
  }
}
