// Records of tasks as the daemon would send them, and the terminals that show them.
import type { ErrorCode, ErrorJson } from '../../src/contract/errors.ts'
import { LonghaulError } from '../../src/contract/errors.ts'
import type { BlockerJson, ExplanationJson } from '../../src/contract/explanation.ts'
import type { ProgressJson, TaskRecord } from '../../src/contract/task.ts'
import type { Seen } from '../../src/cli/render/progress-view.ts'
import type { Terminal } from '../../src/cli/render/terminal.ts'

export const wallMs: number = Date.parse('2026-11-24T13:40:00Z')

export type Facts = Partial<Omit<TaskRecord, 'progress'>> & {
  /** File at the destination. */
  readonly name?: string
  readonly progress?: Partial<ProgressJson>
}

let made = 0

/** A transferring task, 58 % of 300 MB, unless said otherwise. Each has another id. */
export function taskRecord({ name, progress, ...facts }: Facts = {}): TaskRecord {
  made++
  const request = { url: 'https://cdn.example/pub/big.iso?sig=secret', method: 'GET', headers: [] }
  return {
    id: `01ARZ3NDEKTSV4RRFFQ690${String(made).padStart(4, '0')}`,
    taskIdentifier: made,
    session: 'cli',
    kind: 'download',
    state: 'running',
    phase: 'transferring',
    gate: 'active',
    tags: [],
    priority: 0.5,
    originalRequest: request,
    currentRequest: request,
    progress: { received: 174e6, sent: 0, total: 300e6, fraction: 0.58, rate: 21.3e6, etaMs: 130_000, ...progress },
    destination: { kind: 'file', folder: '/home/someone', name: name ?? 'big.iso' },
    attempts: 1,
    createdAtMs: wallMs - 60_000,
    ...facts,
  }
}

/** No total is known: what of the progress depends on it is absent. */
export function withoutTotal(task: TaskRecord): TaskRecord {
  const { received, sent, rate } = task.progress
  return { ...task, progress: { received, sent, rate } }
}

export function completed(facts: Facts = {}): TaskRecord {
  return taskRecord({
    state: 'completed',
    phase: 'completed',
    gate: 'done',
    completedAtMs: wallMs,
    result: {
      path: `/home/someone/${facts.name ?? 'big.iso'}`,
      bytes: 300e6,
      lengthVerified: true,
      notModified: false,
    },
    ...facts,
  })
}

/** The same task at a later moment. */
export function later(task: TaskRecord, facts: Facts): TaskRecord {
  return { ...task, ...facts, progress: { ...task.progress, ...facts.progress } }
}

export function errorJson(code: ErrorCode, message = 'It broke.', status?: number): ErrorJson {
  return new LonghaulError(code, message, { status }).toJSON()
}

export function explanation(task: TaskRecord, facts: Partial<ExplanationJson> = {}): ExplanationJson {
  const kept = { bytes: task.progress.received, total: 300e6 }
  return {
    task: task.id,
    phase: task.phase,
    blockers: [],
    remedies: ['tryNow', 'cancel'],
    kept,
    attempts: [],
    ...facts,
  }
}

export function backoff(task: TaskRecord, waitMs: number, cause: ErrorJson): ExplanationJson {
  const blocker: BlockerJson = { code: 'backoff', untilMs: wallMs + waitMs }
  return explanation(task, { phase: 'waiting', blockers: [blocker], nextWakeUpMs: wallMs + waitMs, cause })
}

/** @param kept bytes that were safe when the attempt began */
export function seen(task: TaskRecord, why?: ExplanationJson, kept: number | undefined = why?.kept.bytes): Seen {
  return { task, lastByteMs: wallMs, explanation: why, kept, goesOn: false }
}

export function terminal(facts: Partial<Terminal> = {}): Terminal {
  return { live: true, color: false, ascii: false, columns: 80, rows: 24, language: 'en', ...facts }
}
