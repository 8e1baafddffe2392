/** The table that people read, 80 columns wide, and the JSON that machines keep. Pure. */
import { type Finding, type Result, verdictOf } from './row.ts'

export interface RowReport {
  readonly row: string
  readonly what: string
  /** Absent: it was not run. */
  readonly result?: Result
  /** Why not. */
  readonly skipped?: string
}

const columns = { what: 44, value: 10, must: 8, aim: 8 }

export const heading: string = [
  'row / measure'.padEnd(columns.what),
  'value'.padStart(columns.value),
  'must'.padStart(columns.must),
  'aim'.padStart(columns.aim),
].join('')

export function rowLines({ row, what, result, skipped }: RowReport): readonly string[] {
  const title = `${row}: ${what}`
  if (result === undefined) return [title, `  NOT RUN: ${skipped ?? 'no reason was given'}`]
  return [
    title,
    ...result.taken.map(({ name, wallMs, cpuMs, rssBytes }) => {
      const took = `${(wallMs / 1000).toFixed(2)} s  cpu ${(cpuMs / 1000).toFixed(2)} s`
      return `  ${name.padEnd(columns.what - 2)}${took.padEnd(24)}${mebibytes(rssBytes).padStart(8)}`
    }),
    ...result.findings.map(findingLine),
    ...result.notes.map((note) => `  (${note})`),
  ]
}

/** The commands as they were run, each once. */
export function commandLines(reports: readonly RowReport[]): readonly string[] {
  const taken = reports.flatMap(({ result }) => result?.taken ?? [])
  return [...new Set(taken.map(({ name, command }) => `  ${name}: ${command}`))]
}

function findingLine(finding: Finding): string {
  const { what, bound } = finding
  const verdict = verdictOf(finding)
  const label = `  ${what}`
  return [
    label.padEnd(columns.what),
    shown(finding.value, finding).padStart(columns.value),
    (bound === undefined ? '' : shown(bound.must, finding)).padStart(columns.must),
    (bound === undefined ? '' : shown(bound.aim, finding)).padStart(columns.aim),
    verdict === undefined ? '' : `  ${verdict === 'aim' ? 'ok, aim' : verdict}`,
  ]
    .join('')
    .trimEnd()
}

function shown(value: number, { unit }: Finding): string {
  if (unit === undefined) return value.toFixed(2)
  return `${Number.isInteger(value) ? value : value.toFixed(value < 10 ? 2 : 1)} ${unit}`
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`
}
