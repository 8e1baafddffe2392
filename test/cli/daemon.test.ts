import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { isHeld } from '../../src/platform/instance-lock.ts'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { CommandLine } from './command-line.ts'

interface Status {
  readonly running: boolean
  readonly pid: number
  readonly survives: string
  readonly keptBy: readonly string[]
}

async function statusOf(cli: CommandLine): Promise<Status> {
  return JSON.parse((await cli.run(['daemon', 'status', '--json'])).stdout) as Status
}

test('what a daemon that stops says fits a terminal of 80 columns', async () => {
  await using cli = await CommandLine.open()
  await cli.run(['add', '--at', '+2h', 'http://127.0.0.1:9/later.bin'])
  const { stdout } = await cli.run(['daemon', 'stop'])
  assert.match(stdout, /has stopped at a checkpoint\. Not\s+finished: 1 transfer/)
  assert.ok(
    stdout.split('\n').every((line) => line.length < 80),
    stdout,
  )
})

test('status does not start a daemon, start does, and stop ends it at a checkpoint', async () => {
  await using cli = await CommandLine.open()
  const none = await cli.run(['daemon', 'status'])
  assert.equal(none.code, 0)
  assert.match(none.stdout, new RegExp(`^No daemon runs for ${cli.home}\\. `))
  assert.equal((await statusOf(cli)).running, false)
  assert.match((await cli.run(['daemon', 'stop'])).stdout, /^No daemon runs/)

  const started = await cli.run(['daemon', 'start'])
  const [, pid] = /^The daemon runs \(pid (\d+)\)\.\n$/.exec(started.stdout) ?? []
  assert.equal((await statusOf(cli)).pid, Number(pid))
  assert.equal((await cli.run(['daemon', 'start'])).stdout, started.stdout, 'there is one')
  const { stdout } = await cli.run(['daemon'], { env: { https_proxy: 'http://me:secret@127.0.0.1:1' } })
  assert.match(
    stdout,
    new RegExp(`^The daemon runs: pid ${pid!}, home ${cli.home}, since \\d\\d:\\d\\d:\\d\\d\\.$`, 'm'),
  )
  for (const label of ['Version', 'Survives', 'Work', 'Stays for', 'Memory', 'Socket', 'Sees'])
    assert.match(stdout, new RegExp(`^ {2}${label} +\\S`, 'm'))
  assert.match(stdout, /^ +LANG=C\.UTF-8$/m)
  assert.equal((await cli.run(['daemon', 'stop'])).stdout, `The daemon (pid ${pid!}) has stopped at a checkpoint.\n`)
  assert.equal((await statusOf(cli)).running, false)
})

test('the password of a proxy that the daemon sees is masked', async () => {
  await using cli = await CommandLine.open()
  const env = {
    https_proxy: 'http://me:secret@127.0.0.1:1',
    ALL_PROXY: 'me:secret/@@127.0.0.1:2',
    no_proxy: 'a.example',
  }
  await cli.run(['daemon', 'start'], { env })
  const { stdout } = await cli.run(['daemon', 'status'])
  assert.match(stdout, /https_proxy=http:\/\/\*\*\*@127\.0\.0\.1:1$/m)
  assert.match(stdout, /ALL_PROXY=\*\*\*@127\.0\.0\.1:2$/m)
  assert.match(stdout, /no_proxy=a\.example$/m)
  const { stdout: json } = await cli.run(['daemon', 'status', '--json'])
  assert.match(json, /"https_proxy":"http:\/\/\*\*\*@127\.0\.0\.1:1"/)
  for (const said of [stdout, json]) assert.ok(!said.includes('secret'))
})

test('stop says how many transfers wait, and the next command lets them go on', async () => {
  await using server = await FaultServer.start()
  await using cli = await CommandLine.open()
  const script = [stallAfter(100_000)]
  const code = (await cli.run(['add', server.file('/half.bin', { size: 300_000, etag: '"1"', script })])).stdout.trim()
  await server.sent('/half.bin', 100_000)
  const { stdout } = await cli.run(['daemon', 'stop'])
  // Wrapped somewhere, as long as the pid is.
  assert.match(
    stdout.replaceAll(/\s+/g, ' '),
    /stopped at a checkpoint\. Not finished: 1 transfer, to go on when it starts again/,
  )
  assert.equal((await cli.run(['wait', code])).code, 0)
  assert.match(server.requests[1]!.headers['range'] ?? '', /^bytes=\d+-$/)
})

test('run keeps the daemon in the foreground until it is told to go', { skip: needs('posix') }, async () => {
  await using cli = await CommandLine.open()
  const run = cli.start(['daemon', 'run'])
  await run.shows(/The daemon is ready/)
  const { pid } = await statusOf(cli)
  const second = await cli.run(['daemon', 'run'])
  assert.equal(second.code, 13)
  assert.match(second.stderr.replace(/\s+/g, ' '), new RegExp(`A daemon runs already for \\S+ \\(pid ${pid}\\)`))
  run.kill('SIGTERM')
  assert.equal((await run.ended).code, 0)
  assert.equal((await statusOf(cli)).running, false)
})

test('run tells by its code that the daemon did not stop but was killed', { skip: needs('posix') }, async () => {
  await using cli = await CommandLine.open()
  const run = cli.start(['daemon', 'run'])
  await run.shows(/The daemon is ready/)
  const { pid } = await statusOf(cli)
  assert.ok(pid !== undefined)
  process.kill(pid, 'SIGKILL')
  assert.equal((await run.ended).code, 137)
})

test('run with a command gives it the daemon, ends with it, and exits with its code', async () => {
  await using server = await FaultServer.start()
  await using cli = await CommandLine.open()
  const program = join(cli.folder, 'app.mjs')
  // Started by a plain Node, as an app would be; what it does is the command line again.
  const longhaul = new URL('../../bin/longhaul.js', import.meta.url)
  writeFileSync(
    program,
    `import { spawnSync } from 'node:child_process'
     const longhaul = (...args) => spawnSync(process.execPath, [${JSON.stringify(longhaul.pathname)}, ...args], { encoding: 'utf8' })
     console.log(longhaul('daemon', 'status', '--json').stdout.trim())
     console.log(longhaul('get', '-q', process.argv[2]).stdout.trim())
     process.exitCode = 7`,
  )
  const url = server.file('/inside.bin', { size: 1000, etag: '"1"' })
  const { code, stdout } = await cli.run(['daemon', 'run', '--', process.execPath, program, url])
  assert.equal(code, 7)
  const lines = stdout.trim().split('\n')
  const status = JSON.parse(lines.find((line) => line.startsWith('{'))!) as Status
  assert.deepEqual([status.running, status.survives], [true, 'tethered'])
  assert.ok(lines.includes(join(cli.folder, 'inside.bin')), stdout)
  assert.equal((await statusOf(cli)).running, false)
  const missing = await cli.run(['daemon', 'run', '--', 'no-such-program'])
  assert.equal(missing.code, 2)
  assert.match(missing.stderr, /no-such-program could not be started/)
  assert.equal((await statusOf(cli)).running, false)
})

test('run passes a signal on to its command first', { skip: needs('posix') }, async () => {
  await using cli = await CommandLine.open()
  const program = `process.on('SIGTERM', () => { console.log('told to go'); process.exit(3) }); setInterval(() => {}, 1000); console.log('app is up')`
  const run = cli.start(['daemon', 'run', '--', process.execPath, '-e', program])
  await run.shows(/app is up/)
  run.kill('SIGTERM')
  const { code, stdout } = await run.ended
  assert.match(stdout, /told to go/)
  assert.equal(code, 3)
})

test('a verb of daemon that does not exist is told the nearest', async () => {
  await using cli = await CommandLine.open()
  const { code, stderr } = await cli.run(['daemon', 'statsu'])
  assert.equal(code, 2)
  assert.match(stderr.replace(/\s+/g, ' '), /Did you mean longhaul daemon status\?/)
  assert.equal((await cli.run(['daemon', 'stop', 'now'])).code, 2)
})

test('a home that cannot be used is told with what to do', { skip: needs('posix') }, async () => {
  await using cli = await CommandLine.open()
  writeFileSync(join(cli.folder, 'a-file'), '')
  const { code, stderr } = await cli.run(['ls'], { env: { LONGHAUL_HOME: join(cli.folder, 'a-file', 'home') } })
  assert.equal(code, 7)
  assert.match(stderr.replace(/\s+/g, ' '), /Set LONGHAUL_HOME to a folder that you may write to/)
})

test(
  'stop never says that no daemon runs when one does whose secret file is damaged',
  { skip: needs('posix') },
  async () => {
    await using cli = await CommandLine.open()
    await cli.run(['daemon', 'start'])
    const { pid } = await statusOf(cli)
    const secret = join(cli.home, 'secret')
    writeFileSync(secret, 'abc')
    try {
      for (const verb of ['stop', 'status']) {
        const { code, stdout, stderr } = await cli.run(['daemon', verb])
        assert.equal(code, 13)
        assert.equal(stdout, '')
        const said = stderr.replace(/\s+/g, ' ')
        assert.match(said, new RegExp(`A daemon \\(process ${pid}\\) runs for`))
        assert.match(said, /is damaged: it has 3 bytes/)
        assert.match(said, new RegExp(`\`kill ${pid}\` ends it at a checkpoint; then remove`))
      }
    } finally {
      process.kill(pid, 'SIGTERM')
      rmSync(secret)
    }
    while (isHeld(cli.home)) await pause(20)
    const { code, stdout } = await cli.run(['daemon', 'stop'])
    assert.equal(code, 0)
    assert.match(stdout, /^No daemon runs/)
  },
)
