import assert from 'node:assert/strict'
import { test } from 'node:test'
import { width } from '../../src/cli/render/text.ts'
import { FaultServer, stallAfter, status } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { TerminalScreen } from '../support/terminal-screen.ts'
import { CommandLine } from './command-line.ts'

const skip = needs('posix', 'script')
const size = 300_000

/** What a person sees who runs this in a terminal that was empty before. */
function screenOf(output: string, columns = 80, rows = 24): TerminalScreen {
  const screen = new TerminalScreen(columns, rows)
  // A terminal driver echoes Ctrl-C as two signs.
  screen.write(output.replaceAll('\u0003', '^C'))
  return screen
}

const anonymous = (lines: readonly string[]): readonly string[] =>
  lines.map((line) => line.replace(/^[\dA-Z]{4}(?= )/, 'CODE').replace(/\d+(?:\.\d)? ([kM]?B\/s|s\b)/g, 'N $1'))

test('get in a terminal draws a bar, and Ctrl-C leaves with the last picture and the hint', { skip }, async () => {
  await using server = await FaultServer.start()
  await using cli = await CommandLine.open()
  const script = [stallAfter(150_000)]
  const url = server.file('/screen.bin', { size, etag: '"1"', script })
  const run = cli.inTerminal(['get', url])
  await run.shows(/ 50 %/)
  run.type('\u0003')
  const { code, stdout } = await run.ended
  assert.equal(code, 130)
  const screen = screenOf(stdout)
  assert.equal(screen.cursor.visible, true)
  assert.equal(screen.wraps, 0)
  assert.match(screen.lines[0]!, /^[\dA-Z]{4} {2}screen\.bin {2}██████████░░░░░░░░░░ {2}50 % +[\d.]+ [kM]?B\/s/)
  assert.equal(screen.lines[1], 'Left running: 1 transfer.')
  assert.match(screen.lines[2]!, /^ {2}Come back {2}longhaul watch [\dA-Z]{4} {3}Stop {2}longhaul cancel [\dA-Z]{4}$/)
  assert.equal(screen.lines.length, 3)
})

test('several gets in a terminal end as one line each, with what failed told below', { skip }, async () => {
  await using server = await FaultServer.start()
  await using cli = await CommandLine.open()
  const good = server.file('/good.bin', { size, etag: '"1"' })
  const missing = server.answers('/missing.bin', status(404))
  const run = cli.inTerminal(['get', good, missing], { env: { NO_COLOR: '1' } })
  const { code, stdout } = await run.ended
  assert.equal(code, 4)
  assert.ok(!/\[\d+m/.test(stdout), 'no colour')
  const screen = screenOf(stdout)
  assert.equal(screen.cursor.visible, true)
  const lines = anonymous(screen.lines)
  assert.deepEqual(lines.slice(0, 2).toSorted(), [
    'CODE  good.bin     done 300 kB in N s',
    'CODE  missing.bin  failed: HTTP 404',
  ])
  assert.ok(lines.includes(`${cli.folder}/good.bin`))
  assert.ok(lines.some((line) => line.startsWith('CODE  missing.bin  HTTP_STATUS')))
  for (const line of screen.lines) assert.ok(width(line) < 80, line)
})

test('a narrow terminal, a wide one and Chinese are never wrapped', { skip }, async () => {
  for (const [columns, env] of [
    [40, {}],
    [130, {}],
    [60, { LANG: 'zh_CN.UTF-8' }],
  ] as const) {
    await using server = await FaultServer.start()
    await using cli = await CommandLine.open()
    const script = [stallAfter(150_000)]
    const url = server.file('/%E4%B8%AD%E6%96%87-a-long-name-of-a-file-%E4%B8%AD%E6%96%87.tar.gz', {
      size,
      etag: '"1"',
      script,
    })
    const run = cli.inTerminal(['get', url], { columns, env })
    await run.shows(/ 50 %/)
    server.release()
    const { code, stdout } = await run.ended
    assert.equal(code, 0, stdout)
    const frames = stdout.slice(0, stdout.lastIndexOf('\u001B[?25h'))
    const screen = screenOf(frames, columns)
    assert.equal(screen.wraps, 0, `${columns} columns\n${screen.lines.join('\n')}`)
    if ('LANG' in env) assert.match(stdout, /Ctrl-C 离开，传输继续.*\[=+> +\]\S* {2}50 %/s)
  }
})

test('TERM=dumb, CI and --plain get lines without any control sequence', { skip }, async () => {
  await using server = await FaultServer.start()
  await using cli = await CommandLine.open()
  // Else each of them starts one, and one that comes late finds the lock free again when the test has stopped the first.
  assert.equal((await cli.run(['daemon', 'start'])).code, 0)
  const url = server.file('/plain.bin', { size, etag: '"1"' })
  const ways = [
    cli.inTerminal(['get', url, '-o', 'one'], { env: { TERM: 'dumb' } }),
    cli.inTerminal(['get', url, '-o', 'two'], { env: { CI: 'true', NO_COLOR: '1' } }),
    cli.inTerminal(['get', url, '-o', 'three', '--plain']),
  ]
  for (const way of ways) {
    const { code, stdout } = await way.ended
    assert.equal(code, 0)
    assert.match(stdout, /^[\dA-Z]{4} (?:one|two|three): done 300 kB in [\d.]+ s\r$/m)
    assert.ok(!stdout.includes('\u001B'), JSON.stringify(stdout))
  }
})
