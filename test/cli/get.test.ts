import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { FaultServer, drip, resetAfter, stallAfter, status } from '../../src/testing/index.ts'
import { CommandLine } from './command-line.ts'

const size = 300_000
const cli = await CommandLine.open()
after(() => cli[Symbol.asyncDispose]())
const server = await FaultServer.start()
after(() => server[Symbol.asyncDispose]())

const contents = (name: string): Buffer => readFileSync(join(cli.folder, name))
const names = (): readonly string[] => readdirSync(cli.folder)
/** Without the short code at the beginning of each line. */
const told = (stderr: string): string => stderr.replace(/^[\dA-HJKMNP-TV-Z]{4}(?= )/gm, 'CODE')

test('get prints the path of the finished file and nothing else on standard output', async () => {
  const url = server.file('/plain.bin', { size, etag: '"1"' })
  const { code, stdout, stderr } = await cli.run(['get', url])
  assert.equal(stdout, `${join(cli.folder, 'plain.bin')}\n`)
  assert.match(told(stderr), /^CODE plain\.bin: done 300 kB in [\d.]+ s$/m)
  assert.equal(code, 0)
  assert.deepEqual(contents('plain.bin'), server.bytes('/plain.bin'))
})

test('a finished file that is asked for again is revalidated, and ends at once', async () => {
  const url = server.file('/again.bin', { size, etag: '"1"' })
  await cli.run(['get', url])
  const { code, stdout, stderr } = await cli.run([url])
  assert.equal(stdout, `${join(cli.folder, 'again.bin')}\n`)
  assert.match(told(stderr), /^CODE again\.bin: not modified, nothing to fetch$/m)
  assert.equal(code, 0)
  assert.equal(server.bytesSent('/again.bin'), size, 'the bytes came once')
})

test('a finished file that has changed on the server is fetched again', async () => {
  const url = server.file('/changing.bin', { size, etag: '"1"', seed: 'one' })
  await cli.run(['get', '-q', url])
  server.change('/changing.bin', { etag: '"2"', seed: 'two' })
  const { code } = await cli.run(['get', '-q', url])
  assert.equal(code, 0)
  assert.deepEqual(contents('changing.bin'), server.bytes('/changing.bin'))
})

test('two gets of one address at once are one transfer', async () => {
  await using own = await FaultServer.start()
  const url = own.file('/shared.bin', { size, etag: '"1"', script: [stallAfter(100_000)] })
  const one = cli.start(['get', url])
  await one.shows(/started, 300 kB/)
  const two = cli.start(['get', url])
  await two.shows(/Already on it \([\dA-Z]{4}, \d+ % here, started \d+ s ago\)\. Watching\./)
  own.release()
  const ends = await Promise.all([one.ended, two.ended])
  for (const { code, stdout } of ends) assert.deepEqual([code, stdout], [0, `${join(cli.folder, 'shared.bin')}\n`])
  assert.equal(own.requests.length, 1)
})

test('a try that goes on says from where', async () => {
  await using own = await FaultServer.start()
  const url = own.file('/onward.bin', { size, etag: '"1"', script: [resetAfter(100_000), stallAfter(100_000)] })
  const one = cli.start(['get', '--segments', '1', url])
  const [told] = await one.shows(/onward\.bin: goes on at .*|onward\.bin: started[^]*onward\.bin: started/)
  own.release()
  await one.ended
  assert.equal(told, 'onward.bin: goes on at 100 kB')
})

test('a status is told with what the server said, and exits with 4', async () => {
  const url = server.answers('/missing.bin', status(404, { 'Content-Type': 'text/plain' }, 'There is\nno such file.'))
  const { code, stdout, stderr } = await cli.run(['get', url])
  assert.equal(code, 4)
  assert.equal(stdout, '')
  assert.match(told(stderr), /^CODE missing\.bin: failed: HTTP 404$/m)
  assert.match(
    stderr,
    /What {6}http:\/\/\S+\/missing\.bin answered with status 404\.\n {2}Answer {4}There is no such file\.\n {2}Kept {6}nothing\n {2}Hint/,
  )
  assert.match(stderr, /You can {3}longhaul retry ([\dA-Z]{4}) {3}longhaul explain \1\n$/)
  assert.ok(!names().includes('missing.bin'))
})

test('of a page that only a browser can show, its title is told', async () => {
  const page = '<html>\n<head><title>400 No required SSL certificate was sent</title></head>\n<body>…</body></html>'
  const { stderr } = await cli.run(['get', server.answers('/page.bin', status(400, {}, page))])
  assert.match(stderr, /Answer {4}400 No required SSL certificate was sent\n/)
})

test('a server that cannot be reached exits with 3 when the tries are used up', async () => {
  const gone = await FaultServer.start()
  const url = gone.url('/nobody.bin')
  await gone[Symbol.asyncDispose]()
  const { code, stderr } = await cli.run(['get', '--max-attempts', '1', url])
  assert.equal(code, 3)
  assert.match(stderr, /nobody\.bin: failed: cannot connect/)
  assert.match(stderr, /Hint {6}Check that the server runs/)
})

test('a deadline that passes exits with 3 and names what came last', async () => {
  const url = server.answers('/late.bin', status(503))
  const { code, stderr } = await cli.run(['get', '--deadline', '300ms', url])
  assert.equal(code, 3)
  assert.match(stderr, /late\.bin: failed: deadline passed/)
  assert.match(stderr, /Cause {5}.*503/)
})

test('a file that the server names never replaces another one, which exits with 14', async () => {
  writeFileSync(join(cli.folder, 'mine.bin'), 'mine')
  const url = server.file('/mine.bin', { size: 50_000_000, etag: '"1"', script: [drip(100_000, 20)] })
  const { code, stdout, stderr } = await cli.run(['get', url])
  assert.equal(code, 14)
  assert.equal(stdout, '')
  assert.equal(contents('mine.bin').toString(), 'mine')
  assert.match(stderr, /There is already a file at \S+\/mine\.bin/)
  assert.match(stderr, /Hint {6}Take another place: longhaul retry [\dA-Z]{4} -o FILE\./)
  assert.ok(
    names().every((name) => !name.includes('mine.bin.')),
    'no part file is left',
  )
})

test('of a folder in the place of the file it is said that it is one, and another place is suggested', async () => {
  mkdirSync(join(cli.folder, 'photos'))
  const { code, stderr } = await cli.run(['get', server.file('/photos', { size, etag: '"1"' })])
  assert.equal(code, 7)
  assert.match(stderr, /What {6}There is a folder at/)
  assert.match(stderr, /Hint {6}Take another place: longhaul retry [\dA-Z]{4} -o FILE\. Or move away what\s+is there\./)
})

test('--force, --keep-both, --skip-existing and -o say what becomes of an existing file', async () => {
  const url = server.file('/there.bin', { size, etag: '"1"' })
  const path = join(cli.folder, 'there.bin')
  writeFileSync(path, 'mine')
  const skipped = await cli.run(['get', '--skip-existing', url, '-o', 'there.bin'])
  assert.deepEqual([skipped.code, skipped.stdout], [0, `${path}\n`])
  assert.match(skipped.stderr, /skipped, the file exists/)
  assert.equal(contents('there.bin').toString(), 'mine')
  const another = await cli.run([
    'get',
    '--skip-existing',
    url,
    '-o',
    'there.bin',
    '--digest',
    `sha-256:${'0'.repeat(64)}`,
  ])
  assert.equal(another.code, 9)
  assert.match(
    another.stderr.replace(/\s+/g, ' '),
    /It was left as it is, and nothing was fetched\..* Move it away, or/,
  )
  const mine = `sha-256:${createHash('sha256').update('mine').digest('hex')}`
  const verified = await cli.run(['get', '--skip-existing', url, '-o', 'there.bin', '--digest', mine])
  assert.equal(verified.code, 0)
  assert.match(verified.stderr, /skipped, the file exists, sha-256 matches/)
  symlinkSync('there.bin', join(cli.folder, 'link.bin'))
  const link = await cli.run(['get', '--skip-existing', url, '-o', 'link.bin', '--digest', mine])
  assert.equal(link.code, 14, link.stderr)
  assert.match(link.stderr.replace(/\s+/g, ' '), /there is a symbolic link, and links are not followed/)
  const both = await cli.run(['get', '--keep-both', url])
  assert.deepEqual([both.code, both.stdout], [0, `${join(cli.folder, 'there (1).bin')}\n`])
  const forced = await cli.run(['get', '--force', url, '--session', 'forced'])
  assert.equal(forced.code, 0, forced.stderr)
  assert.deepEqual(contents('there.bin'), server.bytes('/there.bin'))
})

test('a wrong digest exits with 9 and leaves the destination as it was; a right one is said', async () => {
  const url = server.file('/checked.bin', { size, etag: '"1"' })
  writeFileSync(join(cli.folder, 'checked.bin'), 'before')
  const wrong = await cli.run(['get', url, '-o', 'checked.bin', '--digest', `sha-256:${'0'.repeat(64)}`])
  assert.equal(wrong.code, 9)
  assert.equal(contents('checked.bin').toString(), 'before')
  const right = await cli.run(['get', url, '-o', 'right.bin', `--checksum=sha-256=${server.digest('/checked.bin')}`])
  assert.equal(right.code, 0)
  assert.match(right.stderr, /right\.bin: done 300 kB in [\d.]+ s, sha-256 matches/)
})

test('a digest that was wrong is corrected by giving the right one', async () => {
  const url = server.file('/corrected.bin', { size, etag: '"1"' })
  const get = (hex: string): ReturnType<typeof cli.run> => cli.run(['get', '-q', url, '--digest', `sha-256:${hex}`])
  assert.equal((await get('0'.repeat(64))).code, 9)
  const right = await get(server.digest('/corrected.bin'))
  assert.equal(right.code, 0, right.stderr)
  assert.deepEqual(contents('corrected.bin'), server.bytes('/corrected.bin'))
})

test('a list with wrong lines is refused with its name, the numbers of the lines and what is wrong, and starts nothing', async () => {
  await using fresh = await CommandLine.open()
  const good = server.file('/list-good.bin', { size: 1000, etag: '"1"' })
  const lines = ['# mirrors', good, '', 'example.com/a.bin', good, 'magnet:?xt=urn:btih:1', 'ftp://h/a']
  writeFileSync(join(fresh.folder, 'urls.txt'), lines.join('\r\n'))
  /** Lines are wrapped. */
  const oneLine = (text: string): string => text.replaceAll(/\s+/g, ' ')
  const said = (list: string): string =>
    `longhaul: ${list}, line 4: "example.com/a.bin" is not a valid URL. If a host is meant, write https://example.com/a.bin. ` +
    `Nothing was added. Also wrong: ${list}, line 6; ${list}, line 7.`
  const fromFile = await fresh.run(['get', '-i', 'urls.txt'])
  assert.equal(fromFile.code, 2)
  assert.ok(oneLine(fromFile.stderr).startsWith(said('urls.txt')), fromFile.stderr)
  const fromInput = await fresh.run(['add', '-i', '-', good], { input: lines.join('\n') })
  assert.equal(fromInput.code, 2)
  assert.ok(oneLine(fromInput.stderr).startsWith(said('standard input')), fromInput.stderr)
  assert.ok(!existsSync(join(fresh.home, 'lock')), 'no daemon was started')
  assert.equal(server.bytesSent('/list-good.bin'), 0)
})

test('a list of addresses into a folder: each path, and 11 when causes differ', async () => {
  const good = server.file('/list-a.bin', { size: 1000, etag: '"1"' })
  const missing = server.answers('/list-b.bin', status(404))
  const unknown = server.answers('/list-c.bin', status(401, { 'WWW-Authenticate': 'Basic realm="x"' }))
  const { code, stdout } = await cli.run(['get', '-i', '-', '-d', 'sub/folder'], {
    input: `# a comment\n${good}\n\n${missing}\r\n${unknown}\n${good}\n`,
  })
  assert.equal(stdout, `${join(cli.folder, 'sub/folder/list-a.bin')}\n`)
  assert.equal(code, 11)
})

test('--json prints one object a line, the summary last, and progress never on standard error', async () => {
  const url = server.file('/machine.bin', { size, etag: '"1"' })
  const { code, stdout, stderr } = await cli.run(['get', '--json', url])
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.equal(code, 0)
  assert.equal(stderr, '')
  assert.deepEqual([lines[0]!['type'], lines[0]!['new']], ['task.created', true])
  assert.deepEqual([lines.at(-2)!['type'], lines.at(-2)!['ok'], lines.at(-2)!['bytes']], ['task.completed', true, size])
  assert.deepEqual([lines.at(-1)!['type'], lines.at(-1)!['ok'], lines.at(-1)!['exit']], ['summary', 1, 0])
})

test('--json of a wrong argument is an error object and a summary', async () => {
  const { code, stdout } = await cli.run(['get', '--json', 'ftp://127.0.0.1/x'])
  const [error, summary] = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
  assert.equal(code, 2)
  assert.deepEqual([error!['type'], error!['code'], summary!['exit']], ['error', 'UNSUPPORTED_URL', 2])
})

test('-q leaves the path on standard output and is silent beside it', async () => {
  const url = server.file('/quiet.bin', { size, etag: '"1"' })
  assert.deepEqual(await cli.run(['get', '-q', url]), {
    code: 0,
    stdout: `${join(cli.folder, 'quiet.bin')}\n`,
    stderr: '',
  })
})

test('headers, user agent, referer and credentials reach the server, and a password on the line is warned of', async () => {
  const url = server.file('/asked.bin', { size: 10, etag: '"1"' })
  const flags = ['-H', 'X-One: 1', '-A', 'me/1', '-e', 'http://r.example/', '-u', 'me:pass']
  const { code, stderr } = await cli.run(['get', ...flags, url])
  assert.equal(code, 0)
  const { headers } = server.requestsFor('/asked.bin')[0]!
  assert.deepEqual(
    [headers['x-one'], headers['user-agent'], headers['referer'], headers['authorization']],
    ['1', 'me/1', 'http://r.example/', `Basic ${Buffer.from('me:pass').toString('base64')}`],
  )
  assert.match(stderr, /password is now in your shell history/)
  assert.ok(
    stderr.split('\n').every((line) => line.length < 80),
    stderr,
  )
  const shown = await cli.run(['show', 'asked.bin'])
  assert.match(shown.stdout, /Authorization: \*\*\*/)
  assert.ok(!shown.stdout.includes(headers['authorization']!))
})

test('--at and --after make it wait, and say for what', async () => {
  const url = server.file('/dated.bin', { size: 10, etag: '"1"' })
  const first = (await cli.run(['add', '--at', '+2h', url])).stdout.trim()
  const second = (await cli.run(['add', '--after', first, url, '-o', 'second.bin'])).stdout.trim()
  const { stdout } = await cli.run(['ls'])
  assert.match(stdout, new RegExp(`^${first} {2}dated\\.bin +waiting: begins in (?:2h 0m|1h 59m)$`, 'm'))
  assert.match(stdout, new RegExp(`^${second} {2}second\\.bin +waiting: for ${first}$`, 'm'))
  assert.equal((await cli.run(['cancel', first, second])).code, 0)
})

test('mistakes are told before a daemon is asked or a folder made', async () => {
  await using fresh = await CommandLine.open()
  const mistakes: readonly (readonly string[])[] = [
    ['get', 'http://127.0.0.1:1/x', '-o', 'no/such/a', '--digest', 'md5:00'],
    ['get', 'http://127.0.0.1:1/x', 'http://127.0.0.1:1/y', '-o', 'one'],
    ['get', 'not a url', '-d', 'made'],
    ['get', 'http://127.0.0.1:1/x', '-d', 'made', '--stall', '5'],
    ['get', 'http://127.0.0.1:1/x', '-d', 'made', '--force', '--keep-both'],
    ['get', 'http://127.0.0.1:1/x', '-d', 'made', '--at', 'later'],
    ['get', 'http://127.0.0.1:1/x', '-d', 'made', '--priority', 'urgent'],
    ['get', 'http://127.0.0.1:1/x', '-d', 'made', '--max-attempts', '0'],
    ['get', 'http://127.0.0.1:1/x', '-d', 'made', '--segments', '65'],
    ['get', 'http://127.0.0.1:1/x', '-d', 'made', '--segments', 'many'],
    ['get', '-d', 'made'],
  ]
  for (const args of mistakes) {
    const { code, stderr } = await fresh.run(args)
    assert.equal(code, 2, `${args.join(' ')}\n${stderr}`)
    assert.match(stderr.replace(/\s+/g, ' '), /Nothing was (?:started|added|changed)\. \([A-Z_]+\)/, args.join(' '))
  }
  assert.equal((await fresh.run(['get', '-i', 'no-list'])).code, 7)
  assert.equal((await fresh.run(['get', 'http://127.0.0.1:1/x', '--ca', 'no.pem'])).code, 7)
  writeFileSync(join(fresh.folder, 'key.pem'), '-----BEGIN PRIVATE KEY-----\n')
  const noAuthority = await fresh.run(['get', 'http://127.0.0.1:1/x', '--ca', 'key.pem'])
  assert.match(noAuthority.stderr, /--ca key\.pem holds no certificate/)
  assert.equal(noAuthority.code, 2)
  assert.deepEqual(readdirSync(fresh.folder), ['key.pem'])
  assert.deepEqual(readdirSync(fresh.home), [])
})
