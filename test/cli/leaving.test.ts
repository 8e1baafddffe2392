import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { needs } from '../support/needs.ts'
import { FaultServer, stallAfter } from '../../src/testing/index.ts'
import { CommandLine } from './command-line.ts'

const size = 300_000

interface Stalled extends AsyncDisposable {
  readonly cli: CommandLine
  readonly server: FaultServer
  readonly url: string
}

/** A file whose first 100 kB come at once, the rest when the server is released. */
async function stalled(): Promise<Stalled> {
  const cli = await CommandLine.open()
  const server = await FaultServer.start()
  const url = server.file('/big.bin', { size, etag: '"1"', script: [stallAfter(100_000)] })
  return {
    cli,
    server,
    url,
    [Symbol.asyncDispose]: async () => {
      await cli[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

for (const [signal, exit] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 143],
] as const) {
  test(
    `${signal} leaves the transfer running, exits with ${exit}, and the same command attaches again`,
    {
      skip: needs('posix'),
    },
    async () => {
      await using stage = await stalled()
      const { cli, server, url } = stage
      const first = cli.start(['get', url])
      await first.shows(/started, 300 kB/)
      await server.sent('/big.bin', 100_000)
      first.kill(signal)
      const left = await first.ended
      assert.equal(left.code, exit)
      assert.equal(left.stdout, '')
      assert.match(
        left.stderr,
        /Left running: 1 transfer\.\n {2}Come back {2}longhaul watch ([\dA-Z]{4}) {3}Stop {2}longhaul cancel \1\n$/,
      )
      const second = cli.start([url])
      await second.shows(/Already on it/)
      server.release()
      const { code, stdout } = await second.ended
      assert.deepEqual([code, stdout], [0, `${cli.folder}/big.bin\n`])
      assert.equal(server.requests.length, 1, 'the transfer was never interrupted')
    },
  )
}

for (const hangup of ['handed on', 'kept'])
  test(
    `a terminal that closes ends the command with 143, its hang-up ${hangup} by the shell`,
    { skip: needs('script', 'linux') },
    async () => {
      await using stage = await stalled()
      const { cli, server, url } = stage
      assert.equal((await cli.run(['add', url])).code, 0)
      await server.sent('/big.bin', 100_000)
      const told = Promise.withResolvers<string>()
      await using listener = createServer((socket) => void text(socket).then(told.resolve, told.reject))
      const path = join(cli.home, 'told.sock')
      await once(listener.listen(path), 'listening')
      const shell = [process.execPath, join(import.meta.dirname, 'fixtures/terminal-shell.ts'), path, hangup]
      const run = cli.inTerminal(['watch'], { by: shell })
      await run.shows(/Ctrl-C leaves it running/)
      run.kill('SIGKILL')
      assert.equal(await told.promise, '143')
      server.release()
      assert.equal((await cli.run(['wait', '@last'])).code, 0)
    },
  )

test('--foreground: Ctrl-C cancels', { skip: needs('posix') }, async () => {
  await using stage = await stalled()
  const run = stage.cli.start(['get', '--foreground', stage.url])
  await run.shows(/started, 300 kB/)
  run.kill('SIGINT')
  const { code, stderr } = await run.ended
  assert.equal(code, 130)
  assert.match(stderr, /Cancelled: 1 transfer\./)
  const { stdout } = await stage.cli.run(['ls', '-a'])
  assert.match(stdout, /big\.bin +cancelled(?:, [\d.]+ kB kept)?$/m)
})

test(
  'a reader that closes ends the command with 141 and leaves the transfer running',
  {
    skip: needs('posix'),
  },
  async () => {
    await using stage = await stalled()
    const { cli, server, url } = stage
    const run = cli.start(['get', '--json', url])
    await run.shows(/task\.created/)
    await server.sent('/big.bin', 100_000)
    run.closeReader()
    server.release()
    assert.equal((await run.ended).code, 141)
    assert.equal((await cli.run(['wait', '@last'])).code, 0)
  },
)

test('longhaul ls into a reader that has seen enough ends at once', { skip: needs('posix') }, async () => {
  await using stage = await stalled()
  const { cli, url } = stage
  const list = Array.from({ length: 3000 }, (_, index) => `${url}?${index}`).join('\n')
  // One address each: the query is not part of what makes a transfer the same, the path is.
  const addresses = list.replaceAll('/big.bin?', '/big.bin/')
  const added = await cli.run(['add', '-q', '--at', '+2h', '-i', '-'], { input: addresses })
  assert.equal(added.code, 0, added.stderr)
  assert.equal(added.stdout.trim().split('\n').length, 3000)
  const run = cli.start(['ls', '--json', '-n', '0'])
  await run.shows(/"id"/)
  run.closeReader()
  assert.equal((await run.ended).code, 141)
})

test(
  'a daemon that is killed under a watching get is found again, and the transfer goes on',
  {
    skip: needs('posix'),
  },
  async () => {
    await using stage = await stalled()
    const { cli, server, url } = stage
    const run = cli.start(['get', url])
    await run.shows(/started, 300 kB/)
    const status = JSON.parse((await cli.run(['daemon', 'status', '--json'])).stdout) as { pid: number }
    process.kill(status.pid, 'SIGKILL')
    server.release()
    const { code, stdout } = await run.ended
    assert.deepEqual([code, stdout], [0, `${cli.folder}/big.bin\n`])
  },
)

for (const [signal, exit] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`${signal} while a list is read from standard input leaves at once`, { skip: needs('posix') }, async () => {
    await using cli = await CommandLine.open()
    const run = cli.start(['get', '-i', '-'], { inputEnds: false })
    // More than fits between the two: when it is gone, the list is being read.
    await run.takes('# a comment\n'.repeat(400_000))
    run.kill(signal)
    const { code, stdout, stderr } = await run.ended
    assert.deepEqual([code, stdout, stderr], [exit, '', ''])
  })
}
