/**
 * `npm run torture [-- --row NAME] [--quick]`: the crash matrix with faults of the real system. Prints one line a row; exits
 * with 1 when an invariant was broken or a control was not caught. See README.md beside this file.
 */
import { parseArgs } from 'node:util'
import { rows } from './rows.ts'
import { runRow } from './run-row.ts'

const values = readOptions()
const wanted =
  values.row.length === 0 ? rows : rows.filter(({ name }) => values.row.some((part) => name.includes(part)))
if (wanted.length === 0) refuse(['No row has that in its name. There are:', ...rows.map(({ name }) => `  ${name}`)])

const width = Math.max(...wanted.map(({ name }) => name.length))
const print = (line: string): void => void process.stdout.write(`${line}\n`)
print(`${'row'.padEnd(width)}  points  result`)
// Disks are unmounted and processes ended by those who made them, on their way out.
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort())
let bad = 0
for (const row of wanted) {
  const ran = await runRow(row, { extent: values.quick ? 'quick' : 'whole', lanes: 2, signal: stop.signal })
  if (stop.signal.aborted) {
    print('stopped before its end')
    bad++
    break
  }
  const result = ran.note === '' ? ran.verdict : `${ran.verdict}: ${ran.note}`
  print(`${row.name.padEnd(width)}  ${String(ran.points).padStart(6)}  ${result} (${(ran.tookMs / 1000).toFixed(1)} s)`)
  for (const breach of row.kind === 'row' ? ran.breaches : []) print(`    ${breach}`)
  if (ran.isBad) bad++
}
if (bad > 0) print(`\n${bad} of ${wanted.length} rows are not as they must be`)
process.exitCode = bad > 0 ? 1 : 0

function readOptions(): { readonly row: readonly string[]; readonly quick: boolean } {
  try {
    return parseArgs({
      options: { row: { type: 'string', multiple: true, default: [] }, quick: { type: 'boolean', default: false } },
    }).values
  } catch (error) {
    return refuse([error instanceof Error ? error.message : String(error)])
  }
}

function refuse(lines: readonly string[]): never {
  process.stderr.write(`${lines.join('\n')}\n`)
  process.exit(2)
}
