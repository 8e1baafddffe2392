/** The daemon's explanation of a task (codes and values) as the public one: dates, errors, and one sentence. Pure. */
import { type ErrorJson, LonghaulError } from '../contract/errors.ts'
import type {
  Blocker,
  BlockerCode,
  BlockerJson,
  Explanation,
  ExplanationJson,
  RemedyAction,
} from '../contract/explanation.ts'
import { bytesText, rateText } from '../contract/units.ts'
import { type Language, sentencesIn } from './sentences.ts'

/** @param language of the sentence */
export function explanationFromJson(json: ExplanationJson, language: Language): Explanation {
  const nextWakeUp = dateOf(json.nextWakeUpMs)
  const deadline = dateOf(json.deadlineMs)
  return {
    phase: json.phase,
    why: sentenceOf(json, language),
    blockers: json.blockers.map(blockerFromJson),
    ...(nextWakeUp !== undefined && { nextWakeUp }),
    ...(deadline !== undefined && { deadline }),
    remedies: json.remedies.map((action) => ({ action, command: commandFor(action, json, language) })),
    kept: json.kept,
    attempts: json.attempts.map(({ number, startedAtMs, tookMs, bytes, proof, cause }) => ({
      number,
      startedAt: new Date(startedAtMs),
      tookMs,
      bytes,
      ...(proof !== undefined && { proof }),
      ...(cause !== undefined && { cause: LonghaulError.fromJSON(cause) }),
    })),
    ...(json.server !== undefined && { server: json.server }),
  }
}

function blockerFromJson({ code, untilMs, of, bytesPerSecond }: BlockerJson): Blocker {
  const until = dateOf(untilMs)
  return {
    code,
    ...(until !== undefined && { until }),
    ...(of !== undefined && { of }),
    ...(bytesPerSecond !== undefined && { bytesPerSecond }),
  }
}

/** A time that no `Date` holds is left out: all that could be said of it is that it is far away. */
export function dateOf(ms: number | undefined): Date | undefined {
  const date = new Date(ms ?? Number.NaN)
  return Number.isNaN(date.getTime()) ? undefined : date
}

/** Why the task does what it does, in one or two sentences of `language`. */
function sentenceOf(json: ExplanationJson, language: Language): string {
  const words = sentencesIn(language)
  const cause = json.cause === undefined ? undefined : causeText(json.cause)
  if (json.phase === 'completed') return cause === undefined ? words.ended.well : words.ended.withCause(cause)
  if (json.blockers.length === 0) {
    const silentSince = dateOf(json.silentSinceMs)
    const phase = silentSince === undefined ? words.phases[json.phase] : words.silent(timeText(silentSince, language))
    return cause === undefined ? phase : words.after(phase, cause)
  }
  const reasons = json.blockers
    .map((blocker) => words.blockers[blocker.code](valuesOf(blocker, json, language)))
    .join(words.and)
  // Only these are the consequence of a failure; a person's hold is not.
  const isFailure = json.blockers.some(({ code }) =>
    ['backoff', 'serverAskedToWait', 'disk', 'destination', 'crashLoop'].includes(code),
  )
  return cause === undefined || !isFailure ? reasons : words.because(reasons, cause)
}

function valuesOf(
  blocker: BlockerJson,
  json: ExplanationJson,
  language: Language,
): Parameters<ReturnType<typeof sentencesIn>['blockers']['held']>[0] {
  const until = dateOf(blocker.untilMs)
  return {
    // A sentence: of what a callback threw, not the stack.
    of: blocker.of?.split('\n', 1)[0],
    until: until === undefined ? undefined : timeText(until, language),
    ahead: json.ahead,
    rate: blocker.bytesPerSecond === undefined ? undefined : rateText(blocker.bytesPerSecond),
  }
}

function timeText(date: Date, language: Language): string {
  const format = new Intl.DateTimeFormat(language === 'zh' ? 'zh-Hans-CN' : 'en-GB', {
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  })
  return format.format(date)
}

function causeText({ code, message }: ErrorJson): string {
  return `${message} (${code})`
}

/** What to type, or to call where only the app can do it, or a sentence where no command does it. */
function commandFor(action: RemedyAction, json: ExplanationJson, language: Language): string {
  // The command line takes the last eight characters, as `ls` shows them.
  const short = json.task.slice(-8)
  switch (action) {
    case 'tryNow':
    case 'retry':
      return `longhaul retry ${short}`
    case 'release':
      return `longhaul release ${short}`
    case 'cancel':
      return `longhaul cancel ${short}`
    case 'resume':
      return 'task.resume()'
    case 'updateRequest':
      return 'task.updateRequest({ url, headers })'
    case 'answer':
      return 'session.activate()'
    case 'freeSpace':
      return sentencesIn(language).makeRoom(folderOf('disk', json), stillToCome(json))
    case 'reconnect':
      return sentencesIn(language).bringBack(folderOf('destination', json))
  }
}

function folderOf(code: BlockerCode, { blockers }: ExplanationJson): string | undefined {
  return blockers.find((blocker) => blocker.code === code)?.of
}

/** What the file still takes of the disk, where its length is known. */
function stillToCome({ kept }: ExplanationJson): string | undefined {
  return kept.total === undefined ? undefined : bytesText(Math.max(0, kept.total - kept.bytes))
}
