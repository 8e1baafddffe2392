import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import type { DaemonStatus } from '../../contract/verbs.ts'
import { LonghaulError } from '../../contract/errors.ts'
import { nearest } from '../../contract/nearest.ts'
import { homeFolder } from '../../platform/paths.ts'
import type { Command, Context } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { daemonLimit } from '../daemon-limit.ts'
import { runForeground } from '../foreground-daemon.ts'
import { limitNow, timetableLines } from '../render/bandwidth.ts'
import { jsonLine } from '../render/json-view.ts'
import { bytes, clockTime } from '../render/numbers.ts'
import { paragraph } from '../render/paragraph.ts'
import { sheet } from '../render/sheet.ts'
import type { SheetLine } from '../render/sheet.ts'

const verbs = ['run', 'start', 'stop', 'status', 'limit']
/** A daemon comes to its checkpoint within 5 s. */
const stopWithinMs = 10_000

export const daemon: Command = {
  name: 'daemon',
  usage: 'run [-- COMMAND] | start | stop | status | limit [RATE]',
  summary: 'the process that does the work: run it here, start, stop or ask it',
  details: [
    'It starts by itself with the first command that needs it and leaves by itself 10 s after the last work. `stop` ends it at a checkpoint: unfinished transfers go on when it starts again.',
    '`run` keeps it in the foreground, for a container or a service manager; with `-- COMMAND` it also runs that command, ends with it and gives its exit code.',
    '`limit` shows or sets how many bytes a second all transfers together may take; it holds at once and is kept. With `--when` it holds in some hours of the week, by the local clock, and another limit (or none) otherwise.',
  ],
  flags: [
    { name: 'when', value: 'HOURS', help: "of `limit`: 'Mon-Fri 08:00-18:00', 'sat,sun' or '22:00-06:00'" },
    { name: 'clear', help: 'of `limit`: no limit, and no hours' },
  ],
  examples: [
    'longhaul daemon status',
    'longhaul daemon stop',
    'longhaul daemon run -- node app.js',
    'longhaul daemon limit 5MB/s',
    "longhaul daemon limit 1MB/s --when 'Mon-Fri 08:00-18:00'",
  ],
  run: (input, context) => {
    const [verb = 'status', ...rest] = input.words
    if (verb === 'run') return runForeground(rest, context)
    if (verb === 'limit') return daemonLimit(rest, input, context)
    if (rest.length > 0 && verbs.includes(verb))
      throw new LonghaulError('INVALID_ARGUMENT', `longhaul daemon ${verb} takes no arguments.`)
    if (verb === 'start') return start(context)
    if (verb === 'stop') return stop(context)
    if (verb === 'status') return status(context)
    const guess = nearest(verb, verbs)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `There is no verb 'daemon ${verb}'. ${guess === undefined ? `Verbs: ${verbs.join(', ')}.` : `Did you mean longhaul daemon ${guess}?`}`,
    )
  },
}

async function start(context: Context): Promise<number> {
  const link = await context.daemon()
  const { pid } = await link.call('daemon.status', {})
  if (context.json) context.out(jsonLine('daemon.started', context.wallMs(), { pid }))
  else if (!context.quiet) context.out(`${context.words.daemonStarted(pid)}\n`)
  return exitCodes.done
}

async function stop(context: Context): Promise<number> {
  const link = await context.runningDaemon()
  if (link === undefined) return absent(context)
  const { pid, active, waiting } = await link.call('daemon.stop', {})
  await gone(pid)
  if (context.json) context.out(jsonLine('daemon.stopped', context.wallMs(), { pid, unfinished: active + waiting }))
  else if (!context.quiet) context.out(paragraph(context.words.daemonStopped(pid, active + waiting), context.output))
  return exitCodes.done
}

/** Nothing tells the end of a process that is not ours: it is looked at until it has gone. */
async function gone(pid: number): Promise<void> {
  for (let waitedMs = 0; waitedMs < stopWithinMs; waitedMs += 20) {
    if (hasEnded(pid)) return
    await pause(20)
  }
  throw new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `The daemon (pid ${pid}) was asked to stop and is still at it after 10 s. Nothing is lost.`,
    { hint: 'Ask longhaul daemon status again in a moment.' },
  )
}

function hasEnded(pid: number): boolean {
  try {
    process.kill(pid, 0)
    // In a container nobody may take note of its end: it stays as a zombie, which has let go of everything.
    return process.platform === 'linux' && / [ZX] [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return true
  }
}

async function status(context: Context): Promise<number> {
  const link = await context.runningDaemon()
  if (link === undefined) return absent(context)
  const facts = await link.call('daemon.status', {})
  if (context.json) {
    context.out(jsonLine('daemon.status', context.wallMs(), { running: true, ...facts }))
    return exitCodes.done
  }
  const since = clockTime(new Date(facts.startedAtMs), new Date(context.wallMs()))
  context.out(paragraph(context.words.daemonRuns(facts.pid, facts.home, since), context.output))
  context.out(sheet(linesOf(facts, context), context.output))
  return exitCodes.done
}

function linesOf(facts: DaemonStatus, { words, wallMs }: Context): readonly SheetLine[] {
  const { labels } = words
  const environment = Object.entries(facts.environment)
  return [
    [labels.version, `${facts.version}, protocol ${facts.protocol}, Node ${facts.node}`],
    [labels.survives, words.survives[facts.survives]],
    [labels.work, words.work(facts.counts, facts.sessions)],
    [labels.stays, facts.keptBy.length === 0 ? words.staysForNothing : facts.keptBy.join('; ')],
    ...(facts.journalWritable
      ? []
      : [[labels.journal, words.journalBroken((facts.journalProblem ?? '?').replace(/\.$/, ''))] as const]),
    ...(facts.bandwidth === undefined
      ? []
      : [
          [labels.bandwidth, limitNow(facts.bandwidth, words, wallMs())] as const,
          ...timetableLines(facts.bandwidth, words).map(([hours, rate]): SheetLine => ['', `${hours}: ${rate}`]),
        ]),
    [labels.memory, bytes(facts.rssBytes)],
    [labels.socket, facts.socket],
    ...environment.map(([name, value], index): SheetLine => {
      return [index === 0 ? labels.environment : '', `${name}=${value}`]
    }),
  ]
}

function absent(context: Context): number {
  const home = homeFolder()
  if (context.json) context.out(jsonLine('daemon.status', context.wallMs(), { running: false, home }))
  else if (!context.quiet) context.out(paragraph(context.words.daemonAbsent(home), context.output))
  return exitCodes.done
}
