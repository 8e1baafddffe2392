import { spawn } from 'node:child_process'
import { LonghaulError } from '../../contract/errors.ts'
import { homeFolder } from '../../platform/paths.ts'
import { daemonEntry } from '../../platform/start-daemon.ts'
import type { Command, Context, Input } from '../command.ts'
import { exitCodes } from '../exit-codes.ts'
import { jsonLine } from '../render/json-view.ts'
import { bytes, clockTime } from '../render/numbers.ts'

export const daemon: Command = {
  name: 'daemon',
  usage: 'run | start | stop | status',
  summary: 'the process that does the work: run it here, start, stop or ask it',
  details: [
    'It starts by itself with the first command that needs it and leaves by itself 10 s after the last work. `stop` ends it at a checkpoint: unfinished transfers go on when it starts again.',
    '`run` keeps it in the foreground, for a container or a service manager; with `-- COMMAND` it also runs that command and ends with it.',
  ],
  flags: [],
  examples: ['longhaul daemon status', 'longhaul daemon stop', 'longhaul daemon run -- node app.js'],
  run: (input, context) => {
    const [verb, ...rest] = input.words
    if (verb === 'run') return run(rest, context)
    if (verb === 'start') return start(context)
    if (verb === 'stop') return stop(context)
    if (verb === 'status' || verb === undefined) return status(input, context)
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `longhaul daemon ${verb}: there is no such verb. Verbs: run, start, stop, status.`,
    )
  },
}

async function start(context: Context): Promise<number> {
  const link = await context.daemon()
  const { pid } = await link.call('daemon.status', {})
  if (context.json) context.out(jsonLine('daemon.started', Date.now(), { pid }))
  else if (!context.quiet) context.out(`${context.words.daemonStarted(pid)}\n`)
  return exitCodes.done
}

async function stop(context: Context): Promise<number> {
  const link = await context.runningDaemon()
  if (link === undefined) return absent(context)
  const { pid, active, waiting } = await link.call('daemon.stop', {})
  await gone(pid)
  if (context.json) context.out(jsonLine('daemon.stopped', Date.now(), { pid, unfinished: active + waiting }))
  else if (!context.quiet) context.out(`${context.words.daemonStopped(pid, active + waiting)}\n`)
  return exitCodes.done
}

/** The daemon ends at a checkpoint, which takes a moment; within 10 s, else it is said to be still at it. */
async function gone(pid: number): Promise<void> {
  for (let tries = 0; tries < 200; tries++) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `The daemon (pid ${pid}) was asked to stop and is still at it after 10 s. Nothing is lost; ask longhaul daemon status.`,
  )
}

async function status(_input: Input, context: Context): Promise<number> {
  const link = await context.runningDaemon()
  if (link === undefined) return absent(context)
  const facts = await link.call('daemon.status', {})
  if (context.json) {
    context.out(jsonLine('daemon.status', Date.now(), { running: true, ...facts }))
    return exitCodes.done
  }
  const { counts } = facts
  context.out(
    `${context.words.daemonRuns(facts.pid, facts.home, clockTime(new Date(facts.startedAtMs), new Date()))}\n`,
  )
  const lines: [string, string][] = [
    ['Version', `${facts.version}, protocol ${facts.protocol}, Node ${facts.node}`],
    ['Survives', survival[facts.survives]],
    ['Socket', facts.socket],
    [
      'Work',
      `${counts.active} active, ${counts.waiting} waiting, ${counts.queued} queued, ${counts.held} held, ${counts.suspended} suspended, ${counts.completed} completed, in ${facts.sessions} sessions`,
    ],
    [
      'Stays for',
      facts.keptBy.length === 0 ? 'nothing: it leaves 10 s after the last connection' : facts.keptBy.join('; '),
    ],
    ['Memory', bytes(facts.rssBytes)],
  ]
  if (!facts.journalWritable)
    lines.push([
      'Journal',
      `cannot be written: ${facts.journalProblem ?? 'unknown'}. Nothing new starts; it is tried again each second.`,
    ])
  for (const [label, text] of lines) context.out(`  ${label.padEnd(10)} ${text}\n`)
  context.out('  Environment\n')
  for (const [name, value] of Object.entries(facts.environment))
    context.out(`    ${name}=${/proxy/i.test(name) ? value.replace(/\/\/[^@/]*@/, '//***@') : value}\n`)
  return exitCodes.done
}

const survival = {
  installed: 'app exit and kill, daemon crash, logout, reboot, power cut',
  'on demand': 'app exit and kill; after a daemon crash or a reboot work goes on with the next command or app',
  tethered: 'until this container or service ends; then it goes on from the journal when it comes again',
} as const

function absent(context: Context): number {
  const home = homeFolder()
  if (context.json) context.out(jsonLine('daemon.status', Date.now(), { running: false, home }))
  else if (!context.quiet) context.out(`${context.words.daemonAbsent(home)}\n`)
  return exitCodes.done
}

/** The daemon in the foreground; with a command behind `--`, until that command ends. */
async function run(command: readonly string[], context: Context): Promise<number> {
  const child = spawn(process.execPath, [...process.execArgv, daemonEntry(), '--home', homeFolder(), '--stay'], {
    stdio: 'inherit',
  })
  const ended = Promise.withResolvers<number>()
  child.on('exit', (code) => ended.resolve(code ?? exitCodes.terminated))
  child.on('error', (error) =>
    ended.reject(
      new LonghaulError('DAEMON_UNAVAILABLE', `The daemon could not be started: ${error.message}`, { cause: error }),
    ),
  )
  const pass = (): void => void child.kill('SIGTERM')
  context.left.addEventListener('abort', pass, { once: true })
  if (command.length === 0) return ended.promise
  const [file, ...args] = command
  const app = spawn(file!, args, { stdio: 'inherit' })
  const appCode = await new Promise<number>((resolve, reject) => {
    app.on('exit', (code) => resolve(code ?? exitCodes.terminated))
    app.on('error', (error) =>
      reject(
        new LonghaulError('INVALID_ARGUMENT', `${file!} could not be started: ${error.message}`, { cause: error }),
      ),
    )
    context.left.addEventListener('abort', () => void app.kill('SIGTERM'), { once: true })
  }).finally(pass)
  await ended.promise
  return appCode
}
