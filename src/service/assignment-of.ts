/** What the journal knows of an attempt, as the engine is told it: values of the task over those of its session. */
import type { HeaderPairs } from '../contract/task.ts'
import type { StartedAttempt } from '../journal/journal.ts'
import type { Assignment } from '../transfer/assignment.ts'

/** @param spool folder of files that have no destination */
export function assignmentOf(started: StartedAttempt, spool: string): Assignment {
  const { configuration, policy, destination, request } = started
  return {
    task: started.task,
    session: started.session,
    fence: started.fence,
    attempt: started.attempt,
    request: { ...request, headers: mergeHeaders(request.headers, configuration.httpAdditionalHeaders) },
    policy: {
      stallMs: policy.timeoutIntervalForRequestMs ?? configuration.timeoutIntervalForRequestMs,
      cookies: configuration.cookies,
      acceptableStatusCodes: policy.acceptableStatusCodes ?? configuration.acceptableStatusCodes,
      tls: { ...configuration.tls, ...policy.tls },
      proxy: policy.proxy ?? configuration.proxy,
      keepHeadersAcrossOrigins: policy.keepHeadersAcrossOrigins ?? [],
      allowPrivateRedirects: policy.allowPrivateRedirects ?? false,
      maximumSegments: policy.maximumSegments ?? configuration.maximumSegmentsPerTask,
      bandwidthLimit: policy.bandwidthLimit,
    },
    expectedDigests: started.expectedDigests ?? [],
    expectedLength: started.expectedLength,
    folder: destination.kind === 'spool' ? spool : destination.folder,
    folderIdentity: started.folderIdentity,
    name: destination.kind === 'file' ? destination.name : undefined,
    spooled: destination.kind === 'spool',
    ifExists: started.ifExists,
    umask: started.umask,
    part: started.part,
    intent: started.intent,
    delivered: started.delivered,
    restarts: started.restarts,
  }
}

/** The request's own header wins; names are compared without case (RFC 9110 §5.1). */
export function mergeHeaders(own: HeaderPairs, additional: HeaderPairs): HeaderPairs {
  const names = new Set(own.map(([name]) => name.toLowerCase()))
  return [...own, ...additional.filter(([name]) => !names.has(name.toLowerCase()))]
}
