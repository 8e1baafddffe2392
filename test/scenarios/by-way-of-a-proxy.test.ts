/** A proxy from the words of a user to its socket: what goes through it, what is found again, and who sees its password. */
import assert from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { BackgroundSession, isLonghaulError } from 'longhaul'
import { CommandLine } from '../cli/command-line.ts'
import { start } from '../daemon/running.ts'
import { cutAfter, FaultServer, ok } from '../../src/testing/index.ts'
import { ProxyServer } from '../support/proxy-server.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const name = 'files.example'
const password = 'swordfish'

/** All that a daemon wrote into its log. */
async function logOf(home: string): Promise<string> {
  const folder = join(home, 'log')
  const texts = (await readdir(folder)).map((file) => readFile(join(folder, file), 'utf8'))
  return (await Promise.all(texts)).join('\n')
}

test('a download of the command line goes by way of a proxy, is resumed there, and nobody is shown its password', async () => {
  await using server = await FaultServer.start({ name })
  await using proxy = await ProxyServer.start({ credential: `me:${password}` })
  await using cli = await CommandLine.open()
  const url = server.file('/a.bin', { size: 800_000, etag: '"1"', script: [cutAfter(300_000), ok()] })
  const address = proxy.url.replace('//', `//me:${password}@`)
  const ended = await cli.run(['get', url, '-o', 'a.bin', '--proxy', address])
  assert.equal(ended.code, 0, ended.stderr)
  assert.ok((await readFile(join(cli.folder, 'a.bin'))).equals(server.bytes('/a.bin')))
  assert.equal(proxy.told.length, server.requests.length + 1, 'the first 407 taught the daemon what to show')
  assert.equal(server.requests.length, 2)
  assert.equal(server.requests[1]?.headers['range'], 'bytes=300000-')
  const shown = [ended, await cli.run(['show']), await logOf(cli.home)]
  for (const text of shown.map((each) => JSON.stringify(each))) assert.ok(!/swordfish|bWU6/.test(text), text)
})

test('the proxy of the environment serves whoever says nothing, and none serves whoever says so', async () => {
  await using server = await FaultServer.start()
  await using proxy = await ProxyServer.start({ kind: 'socks5' })
  await using cli = await CommandLine.open()
  const env = { ALL_PROXY: proxy.url, NO_PROXY: '<-loopback>' }
  // None is kept, so that each goes its own way anew.
  const script = Array.from({ length: 4 }, () => ({ closes: 'announced' as const }))
  const url = server.file('/a.bin', { size: 1000, script })
  assert.equal((await cli.run(['get', url, '-o', 'a'], { env })).code, 0)
  assert.equal((await cli.run(['get', url, '-o', 'b', '--proxy', 'none'], { env })).code, 0)
  const { port } = new URL(url)
  assert.deepEqual(proxy.told, [`127.0.0.1:${port}`])
  // This machine itself is reached straight, unless that is asked for.
  assert.equal((await cli.run(['get', url, '-o', 'c', '--proxy', proxy.url])).code, 0)
  assert.equal(proxy.told.length, 1)
  assert.equal(
    (await cli.run(['get', url, '-o', 'd', '--proxy', proxy.url, '--proxy-bypass', 'a.example <-loopback>'])).code,
    0,
  )
  assert.equal(proxy.told.length, 2)
})

test('a proxy that wants a password fails the download at once, in words', async () => {
  await using proxy = await ProxyServer.start({ credential: `me:${password}` })
  await using cli = await CommandLine.open()
  const ended = await cli.run(['get', `http://${name}/a?token=1`, '-o', 'a', '--proxy', proxy.url])
  assert.equal(ended.code, 3)
  assert.match(ended.stderr, /PROXY_FAILED/)
  assert.match(ended.stderr, /the proxy http:\/\/127\.0\.0\.1:\d+ wants a user and a password \(407\)/)
  assert.equal(proxy.told.length, 1)
})

test('a session keeps its proxy over the death of the daemon, and gives its password back to nobody', async (t) => {
  await using server = await FaultServer.start({ name })
  await using proxy = await ProxyServer.start({ kind: 'socks5', credential: `me:${password}` })
  const running = await start(t)
  const options = { identifier: 'com.example.proxied', daemon: { home: running.home, start: 'never' } } as const
  const configuration = { proxy: { url: proxy.url, credential: { user: 'me', password } } }
  const folder = await temporaryFolder()
  {
    await using session = await BackgroundSession.open({ ...options, configuration })
    assert.deepEqual(session.configuration.proxy, { url: proxy.url, bypass: [] })
    await assert.rejects(
      BackgroundSession.open({
        ...options,
        strictConfiguration: true,
        configuration: { proxy: { url: proxy.url, credential: { user: 'me', password: 'other' } } },
      }),
      (error) => isLonghaulError(error, 'CONFIGURATION_MISMATCH') && !error.message.includes(password),
    )
  }
  await running.stop('SIGKILL')
  await start(t, { home: running.home })
  await using session = await BackgroundSession.open(options)
  const task = await session.download(server.file('/a.bin', { size: 100_000 }), { to: join(folder, 'a.bin') })
  const { path, metrics } = await task.finished()
  assert.ok((await readFile(path)).equals(server.bytes('/a.bin')))
  assert.deepEqual(proxy.credentials, [`me:${password}`])
  assert.equal(metrics.transactions[0]?.proxied, true)
  assert.ok(!JSON.stringify([task.snapshot, await task.explain()]).includes(password))
  assert.ok(!(await logOf(running.home)).includes(password))
})
