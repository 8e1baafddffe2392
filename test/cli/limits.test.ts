import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { BandwidthStatus } from '../../src/contract/bandwidth.ts'
import type { ExplanationJson } from '../../src/contract/explanation.ts'
import { FaultServer } from '../../src/testing/index.ts'
import { CommandLine } from './command-line.ts'

async function limitOf(cli: CommandLine, ...words: string[]): Promise<BandwidthStatus> {
  const { stdout, stderr, code } = await cli.run(['daemon', 'limit', ...words, '--json'])
  assert.equal(code, 0, stderr)
  return JSON.parse(stdout) as BandwidthStatus
}

/** As the daemon explains it once a limit keeps it waiting. */
async function slowed(cli: CommandLine, code: string): Promise<ExplanationJson> {
  for (;;) {
    const explained = JSON.parse((await cli.run(['explain', code, '--json'])).stdout) as ExplanationJson
    if (explained.blockers.length > 0) return explained
  }
}

test('the limit of all transfers is set, shown, kept over a restart of the daemon, and taken away', async () => {
  await using cli = await CommandLine.open()
  assert.equal((await cli.run(['daemon', 'limit'])).stdout, 'no bandwidth limit\n')
  assert.equal((await cli.run(['daemon', 'limit', '5MB/s'])).stdout, 'at most 5 MB/s for all transfers together\n')
  assert.equal((await limitOf(cli, 'none', '--when', 'sat,sun')).windows.length, 1)
  await cli.run(['daemon', 'stop'])
  const { stdout } = await cli.run(['daemon', 'limit', '1M', '--when', 'Mon-Fri 08:00-18:00'])
  assert.match(stdout, /^ {2}Sat,Sun +no limit$/m)
  assert.match(stdout, /^ {2}Mon-Fri 08:00-18:00 +1 MB\/s$/m)
  assert.match(stdout, /^ {2}otherwise +5 MB\/s$/m)
  const status = (await cli.run(['daemon', 'status'])).stdout
  assert.match(status, /^ {2}Limit +(?:at most|no bandwidth limit)/m)
  assert.match(status, /^ +Mon-Fri 08:00-18:00: 1 MB\/s$/m)
  const { windows, limit } = await limitOf(cli, '--clear')
  assert.deepEqual({ windows, limit }, { windows: [], limit: undefined })
})

test('a limit that says nothing that can be kept is refused, and what there was stays', async () => {
  await using cli = await CommandLine.open()
  await limitOf(cli, '7MB/s')
  for (const [words, says] of [
    [['fast'], /write a rate as 2MB\/s/],
    [['0'], /Write none for no limit/],
    [['1M', '2M'], /'2M' is too much/],
    [['--when', 'Mon-Fri'], /no rate/],
    [['1M', '--when', 'noon'], /write days, hours or both/],
    [['1M', '--clear'], /stands alone/],
  ] as const) {
    const { code, stderr } = await cli.run(['daemon', 'limit', ...words])
    assert.equal(code, 2, stderr)
    assert.match(stderr.replaceAll(/\s+/g, ' '), says)
  }
  assert.equal((await limitOf(cli)).limit, 7_000_000)
})

test('a download with --limit-rate says what slows it down, and goes on at once when the limit is lifted', async () => {
  await using server = await FaultServer.start()
  await using cli = await CommandLine.open()
  const url = server.file('/big.bin', { size: 2_000_000, etag: '"1"' })
  const code = (await cli.run(['add', url, '--limit-rate', '20kB/s'])).stdout.trim()
  const { blockers, phase } = await slowed(cli, code)
  assert.equal(phase, 'transferring')
  assert.deepEqual(blockers, [{ code: 'bandwidth', of: 'task', bytesPerSecond: 20_000 }])
  const { stdout } = await cli.run(['explain', code])
  assert.match(stdout, /slowed down to 20 kB\/s by its own bandwidth\s+limit/)
  // At 20 kB/s it would take a hundred seconds.
  const got = await cli.run(['get', url, '--limit-rate', 'none'])
  assert.equal(got.code, 0, got.stderr)
  assert.ok(readFileSync(join(cli.folder, 'big.bin')).equals(server.bytes('/big.bin')))
})

test('a limit of the daemon that is set while bytes come slows them down, and none lets them go', async () => {
  await using server = await FaultServer.start()
  await using cli = await CommandLine.open()
  await limitOf(cli, '50kB/s')
  const url = server.file('/big.bin', { size: 3_000_000, etag: '"1"' })
  const code = (await cli.run(['add', url])).stdout.trim()
  const [blocker] = (await slowed(cli, code)).blockers
  assert.deepEqual(blocker, { code: 'bandwidth', of: 'daemon', bytesPerSecond: 50_000 })
  await limitOf(cli, 'none')
  assert.equal((await cli.run(['wait', code])).code, 0)
  assert.ok(readFileSync(join(cli.folder, 'big.bin')).equals(server.bytes('/big.bin')))
})
