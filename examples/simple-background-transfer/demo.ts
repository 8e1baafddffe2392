/**
 * `npm run demo`: the sample app's whole story, for real, in a temporary folder: a daemon, a slow server that cuts the line once,
 * an app that is killed in the middle and launched again when its file is there. It exits 1 if any claim of its last line is
 * false. Nothing is left behind, on Ctrl-C too.
 *
 * Flags: `--lang zh`, `--no-page`.
 */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { FaultServer, cutAfter, drip, together } from 'longhaul/testing'
import { encodePng, halfBlocks, paintSunrise } from './paint.ts'
import { openPage } from './page.ts'
import type { Shown } from './screen.ts'
import { textsOf } from './texts.ts'

const { values: flags } = parseArgs({ options: { lang: { type: 'string' }, 'no-page': { type: 'boolean' } } })
const texts = textsOf(flags.lang ?? process.env['LC_ALL'] ?? process.env['LANG'])
let began = performance.now()
const killAt = 0.4
const cutAt = 0.7
const rate = 128 * 1024
const stepsPerSecond = 20
/** The whole takes about 22 s; after this something stands still, and the demo says so. */
const limitMs = 55_000

const bytes = (count: number): string =>
  count < 1e6 ? `${Math.round(count / 1e3)} kB` : `${(count / 1e6).toFixed(2)} MB`
const seconds = (ms: number): string => (ms / 1000).toFixed(1)
const sha256 = (data: Uint8Array): string => createHash('sha256').update(data).digest('hex')

/** What is undone on every way out, the newest first. */
const undo: (() => unknown)[] = []
let leaving: Promise<never> | undefined
/** Ends the demo and leaves nothing behind; the first caller's reason counts. */
function leave(exitCode: number, why?: string): Promise<never> {
  leaving ??= (async () => {
    if (why !== undefined) process.stdout.write(`\n${why}\n`)
    for (const step of undo.toReversed()) await step()
    process.exit(exitCode)
  })()
  return leaving
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void leave(1, signal))
// A reader that went away: `npm run demo | head`.
process.stdout.on('error', () => void leave(1))
process.on('uncaughtException', (error) => void leave(1, error.message))

const folder = await mkdtemp(join(tmpdir(), 'longhaul-demo-'))
undo.push(() => rm(folder, { recursive: true, force: true }))
// Before the library is loaded: the demo has a daemon of its own and never meets the user's.
process.env['LONGHAUL_HOME'] = join(folder, 'home')
const { BackgroundSession } = await import('longhaul')

const longhaul = (...args: string[]): Promise<string> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [new URL('../../bin/longhaul.js', import.meta.url).pathname, ...args], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let out = ''
    child.stdout.on('data', (piece: Buffer) => (out += piece.toString()))
    child.on('error', reject)
    child.on('exit', (code) =>
      code === 0 ? resolve(out) : reject(new Error(`longhaul ${args.join(' ')}: exit ${code}`)),
    )
  })

const picture = join(folder, 'sunrise.png')
let shown = false
const page = await openPage(texts, () => (shown ? picture : undefined))
undo.push(() => page.close())
/** In 80 columns, continued under its own beginning. */
const say = (text: string, who: 'story' | 'app' = 'story', pid?: number): void => {
  // On the way out nothing is told any more.
  if (leaving !== undefined) return
  const time = seconds(performance.now() - began)
  const head = `${time.padStart(5)}  ${pid === undefined ? '' : `app ${String(pid).padEnd(7)} `}`
  process.stdout.write(`${head}${wrapped(text, 79 - head.length).join(`\n${' '.repeat(head.length)}`)}\n`)
  page.tell('line', { time, who, text })
}
/** At spaces; Chinese text, which has none, is short enough here. */
function wrapped(text: string, columns: number): readonly string[] {
  const lines = ['']
  for (const word of text.split(' ')) {
    const last = lines.at(-1)!
    const longer = last === '' ? word : `${last} ${word}`
    if (longer.length <= columns || last === '') lines[lines.length - 1] = longer
    else lines.push(word)
  }
  return lines
}

process.stdout.write(`       ${texts.title}\n       ${texts.otherLanguage}\n\n       ${texts.preparing}\n`)
const painted = paintSunrise(1920, 1280)
const source = encodePng(painted)
const server = await FaultServer.start({ patienceMs: limitMs })
undo.push(() => server.stop())
const line = drip(Math.ceil(rate / stepsPerSecond), 1000 / stepsPerSecond)
const url = server.file('/sunrise.png', {
  content: source,
  etag: '"9f2c"',
  headers: { 'Content-Type': 'image/png', 'Content-Disposition': 'attachment; filename="sunrise.png"' },
  script: [together(line, cutAfter(Math.floor(source.length * cutAt)))],
  afterwards: line,
})
const cut = async (): Promise<void> => {
  await server.until(() => server.requests[0]?.ended === 'as planned', 'the cut')
  say(texts.cut(Math.round(cutAt * 100)))
  say(texts.waits)
}
// On the way out nobody waits for it any more.
cut().catch(() => {})
const starting = longhaul('daemon', 'start')
undo.push(async () => {
  // Half started it could not be asked to stop.
  await starting.catch(() => {})
  await longhaul('daemon', 'stop', '--quiet').catch(() => {})
})
await starting
const status = JSON.parse((await longhaul('daemon', 'status', '--json')).trim()) as { pid: number }
// The clock of the story starts when everything is there.
began = performance.now()
say(texts.painting(bytes(source.length), `127.0.0.1:${server.port}`, `${bytes(rate)}/s`, status.pid))
// To the terminal only: on the page it says nothing.
if (flags['no-page'] !== true) process.stdout.write(`       ${texts.page(page.url)}\n`)

// ---------------------------------------------------------------- what the app shows

interface Run {
  readonly pid: number
  readonly launched: boolean
  readonly beganMs: number
  endedMs?: number
  exitCode?: number
}
const runs: Run[] = []
const sequences: number[] = []
const view: {
  pid?: number
  alive: boolean
  killed: boolean
  ended: boolean
  written: number
  expected?: number
  picture: boolean
} = { alive: false, killed: false, ended: false, written: 0, picture: false }
const killed = Promise.withResolvers<void>()
const finished = Promise.withResolvers<void>()
let tenth = 0
/** Of the first progress that was told; the rate shown is measured from there. */
let measuredFrom: { readonly written: number; readonly ms: number } | undefined

function take(message: Shown): void {
  let run = runs.find((one) => one.pid === message.pid)
  if (run === undefined) {
    run = { pid: message.pid, launched: message.launched === true, beganMs: performance.now() }
    runs.push(run)
    Object.assign(view, { pid: message.pid, alive: true, killed: false, ended: false })
  }
  if (message.line !== undefined) say(message.line, 'app', message.pid)
  if (message.sequence !== undefined) sequences.push(message.sequence)
  if (message.picture !== undefined) {
    shown = true
    view.picture = true
    if (process.stdout.isTTY && /truecolor|24bit/.test(process.env['COLORTERM'] ?? '')) {
      process.stdout.write(`${halfBlocks(painted, Math.min(60, (process.stdout.columns ?? 80) - 4))}\n`)
    }
  }
  if (message.written !== undefined) progress(run, message.written, message.expected)
  if (message.finished !== undefined) view.written = message.finished.bytes
  if (message.exitCode !== undefined) {
    run.exitCode = message.exitCode
    say(texts.exits(message.exitCode), 'app', message.pid)
    Object.assign(view, { alive: false, ended: true })
  }
  page.tell('app', view)
}

function progress(run: Run, written: number, expected: number | undefined): void {
  view.written = written
  if (expected === undefined) return
  view.expected = expected
  const fraction = written / expected
  if (Math.floor(fraction * 10) > tenth) {
    tenth = Math.floor(fraction * 10)
    const ms = performance.now()
    measuredFrom ??= { written: 0, ms: run.beganMs }
    const measured = ((written - measuredFrom.written) / (ms - measuredFrom.ms)) * 1000
    const left = `${Math.round((expected - written) / measured)} s`
    say(texts.progress(Math.floor(fraction * 100), `${bytes(measured)}/s`, left), 'app', run.pid)
    measuredFrom = { written, ms }
  }
  if (fraction < killAt || run.launched || view.killed) return
  process.kill(run.pid, 'SIGKILL')
  run.endedMs = performance.now()
  Object.assign(view, { alive: false, killed: true })
  say(texts.killedLine(Math.floor(fraction * 100)), 'app', run.pid)
  killed.resolve()
}

const screen = createServer((socket) => {
  let last: Shown | undefined
  createInterface({ input: socket }).on('line', (line) => {
    last = JSON.parse(line) as Shown
    take(last)
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    const run = runs.find((one) => one.pid === last?.pid)
    if (run === undefined || run.endedMs !== undefined) return
    run.endedMs = performance.now()
    if (run.launched) finished.resolve()
  })
})
await new Promise<void>((resolve) => screen.listen(0, '127.0.0.1', resolve))
const { port } = screen.address() as AddressInfo
undo.push(() => screen.close())

// ---------------------------------------------------------------- the story

const app = spawn(
  process.execPath,
  // The warning says that a daemon which is not installed launches nothing after a reboot: true, and not the story here.
  [
    ...process.execArgv,
    '--disable-warning=LONGHAUL_NOT_INSTALLED',
    new URL('app.ts', import.meta.url).pathname,
    url,
    picture,
  ],
  {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, DEMO_SCREEN: String(port) },
  },
)
undo.push(() => app.exitCode === null && app.signalCode === null && app.kill('SIGKILL'))
app.on('exit', (code) => {
  if (!view.killed)
    finished.reject(new Error(`The app ended by itself with code ${String(code)} before it could be killed.`))
})

/** What the daemon says of the task, for the right half of the page. Attached as a controller, without events. */
async function followDaemon(): Promise<void> {
  await killed.promise
  const session = await BackgroundSession.open({ identifier: 'com.example.SimpleBackgroundTransfer' })
  let attempts = 1
  for await (const { id } of session.tasks()) {
    const task = await session.task(id)
    if (task === undefined) continue
    for await (const { fraction, rate: speed } of task.updates({ interval: '200ms' })) {
      const { phase, attempts: tries, why } = await task.explain()
      if (phase === 'transferring' && tries.length > attempts) {
        attempts = tries.length
        const offset = tries.slice(0, -1).reduce((sum, one) => sum + one.bytes, 0)
        if (offset > 0) say(texts.resumed(bytes(offset)))
      }
      page.tell('task', {
        phase,
        daemonPid: status.pid,
        fraction,
        rate: speed,
        why,
        attempts: tries.map(({ number, bytes: got, cause }) => ({
          number,
          text: cause !== undefined ? `${bytes(got)}  ${cause.code}` : got > 0 ? bytes(got) : '…',
        })),
      })
    }
    say(texts.whole)
  }
  await session.close()
}

setTimeout(() => void leave(1, `Nothing came to an end within ${limitMs / 1000} s.`), limitMs).unref()
await Promise.all([followDaemon(), finished.promise])
await leave(await verdict())

/** Each claim of the last line, checked. */
async function verdict(): Promise<number> {
  const total = performance.now() - began
  const alive = runs.reduce((sum, run) => sum + ((run.endedMs ?? performance.now()) - run.beganMs), 0)
  const [first, second] = runs
  const copy = await readFile(picture).catch(() => new Uint8Array())
  const claims: readonly (readonly [holds: boolean, claim: string])[] = [
    [
      runs.length === 2 && first !== undefined && !first.launched && first.exitCode === undefined,
      'the app was killed once',
    ],
    [second?.launched === true && second.exitCode === 0, 'the launched app ended by itself with code 0'],
    [sha256(copy) === sha256(source), 'the file equals the source'],
    [
      server.bytesSent('/sunrise.png') <= source.length,
      `no byte was sent twice (${server.bytesSent('/sunrise.png')} for ${source.length})`,
    ],
    [
      server.requests.some(({ status: code, headers }) => code === 206 && headers['if-range'] === '"9f2c"'),
      'it went on with proof',
    ],
    [
      sequences.length > 0 && sequences.toSorted((a, b) => a - b).every((sequence, index) => sequence === index + 1),
      `events came once each (${sequences.join(' ')})`,
    ],
  ]
  const broken = claims.flatMap(([holds, claim]) => (holds ? [] : [claim]))
  const ok = broken.length === 0
  const numbers = `1–${sequences.length}`
  const text = ok
    ? `${texts.verdict(`${seconds(alive)} s`, `${seconds(total)} s`, bytes(server.bytesSent('/sunrise.png')), bytes(source.length), numbers)}      OK`
    : texts.broken(broken.join(' · '))
  process.stdout.write(
    `\n${seconds(total).padStart(5)}  ${wrapped(text, 72).join('\n       ')}\n       ${texts.next}\n`,
  )
  page.tell('verdict', { ok, text })
  // A browser that watches gets the time to fetch the picture.
  if (page.watched()) await new Promise((resolve) => setTimeout(resolve, 1500))
  return ok ? 0 : 1
}
