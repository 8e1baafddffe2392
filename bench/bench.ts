/**
 * How fast Longhaul is beside the tools that people use, and what it costs:
 *
 *     npm run bench -- [ROW …] [--rounds 5] [--scale 1] [--folder DIR] [--json FILE] [--list]
 *
 * Everything runs on this machine and its loopback: servers, peers and daemons are started here and ended by their ids. Ratios are
 * medians of the ratios of the same round. Exits with 1 when a bound was missed or a row failed, with 2 for a wrong argument.
 */
import { accessSync, constants, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { machineFacts, missing, peerVersions } from './machine.ts'
import { commandLines, heading, rowLines, type RowReport } from './report.ts'
import { type Row, verdictOf } from './row.ts'
import { rows } from './rows.ts'
import { fileSystemOf, Stage } from './stage.ts'

const print = (line: string): void => void process.stdout.write(`${line}\n`)
const { wanted, rounds, scale, folder, json } = readArguments()
const stop = new AbortController()
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.on(signal, () => stop.abort(new Error(`Ended by ${signal}.`)))

const facts = { ...machineFacts(), fileSystem: fileSystemOf(folder), rounds, scale, peers: peerVersions() }
print(`${facts.date}, commit ${facts.commit}, Node ${process.versions.node}`)
print(`${facts.machine}; ${facts.fileSystem}`)
for (const peer of facts.peers) print(`  ${peer}`)
print(`${rounds} rounds${scale === 1 ? '' : `, SCALE ${scale}: a quick look, the bounds are for scale 1`}`)
print(`\n${heading}`)

const reports: RowReport[] = []
for (const row of wanted) {
  const report = await runRow(row)
  reports.push(report)
  for (const line of rowLines(report)) print(line)
  if (stop.signal.aborted) break
}
print('\ncommands')
for (const line of commandLines(reports)) print(line)
if (json !== undefined) writeFileSync(json, `${JSON.stringify({ ...facts, rows: reports }, undefined, 2)}\n`)
const missed = reports.flatMap(({ result }) => result?.findings.filter((each) => verdictOf(each) === 'missed') ?? [])
const notRun = reports.filter(({ result }) => result === undefined)
print(`\n${missed.length} bounds missed, ${notRun.length} of ${wanted.length} rows not run`)
process.exitCode = missed.length + notRun.length > 0 ? 1 : 0

async function runRow(row: Row): Promise<RowReport> {
  const { name, what, needs } = row
  const lacking = missing(['cc', ...needs])
  if (lacking.length > 0) return { row: name, what, skipped: `it needs ${lacking.join(', ')}, not on this machine` }
  try {
    await using stage = await Stage.make({ rounds, scale, parent: folder, signal: stop.signal })
    return { row: name, what, result: await row.run(stage) }
  } catch (error) {
    return { row: name, what, skipped: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

/** Before a row runs: each would fail for this one reason. */
function requireFolder(folder: string): void {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true)
    throw new Error(`--folder ${folder}: there is no such folder; make it, or name one that exists.`)
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch {
    throw new Error(`--folder ${folder}: it may not be written to; name one that may.`)
  }
}

interface Arguments {
  readonly wanted: readonly Row[]
  readonly rounds: number
  readonly scale: number
  readonly folder: string
  readonly json: string | undefined
}

function readArguments(): Arguments {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string', default: '5' },
        scale: { type: 'string', default: '1' },
        folder: { type: 'string', default: tmpdir() },
        json: { type: 'string' },
        list: { type: 'boolean', default: false },
      },
    })
    if (values.list) {
      for (const { name, what } of rows) print(`${name.padEnd(16)}${what}`)
      process.exit(0)
    }
    const unknown = positionals.filter((name) => !rows.some((row) => row.name === name))
    if (unknown.length > 0) throw new Error(`There is no row ${unknown.join(', ')}; --list names them.`)
    const wanted = positionals.length === 0 ? rows : rows.filter(({ name }) => positionals.includes(name))
    const [rounds, scale] = [Number(values.rounds), Number(values.scale)]
    if (!(Number.isInteger(rounds) && rounds > 0))
      throw new Error(`--rounds ${values.rounds}: write a number from 1 up.`)
    if (!(scale > 0 && scale <= 1)) throw new Error(`--scale ${values.scale}: write a number above 0, up to 1.`)
    requireFolder(values.folder)
    return { wanted, rounds, scale, folder: values.folder, json: values.json }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
    return process.exit(2)
  }
}
