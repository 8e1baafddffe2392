import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { FaultServer, stallAfter, status } from '../../src/testing/index.ts'
import { CommandLine } from './command-line.ts'

const cli = await CommandLine.open()
after(() => cli[Symbol.asyncDispose]())
const server = await FaultServer.start()
after(() => server[Symbol.asyncDispose]())

/** Adds one and gives its code. */
async function add(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await cli.run(['add', ...args])
  assert.equal(code, 0, stderr)
  return stdout.trim()
}

/** No terminal of 80 columns wraps it. */
const isNarrow = (text: string): boolean => text.split('\n').every((line) => line.length < 80)

test('a list without tasks says what to do', async () => {
  await using fresh = await CommandLine.open()
  const { code, stdout } = await fresh.run([])
  assert.equal(code, 0)
  assert.match(stdout, /^No tasks\. {2}Fetch something: longhaul get URL/)
})

test('add prints the code of a task that wait then waits for', async () => {
  const url = server.file('/added.bin', { size: 1000, etag: '"1"' })
  const code = await add(url)
  assert.match(code, /^[\dA-Z]{4}$/)
  assert.deepEqual(await cli.run(['wait', code]), { code: 0, stdout: '', stderr: '' })
  assert.ok(existsSync(join(cli.folder, 'added.bin')))
  const whole = await cli.run(['add', '-q', server.file('/added2.bin', { size: 10 })])
  assert.match(whole.stdout, /^[\dA-Z]{26}\n$/)
})

test('wait tells the failure by its exit code, and 124 when its time is over', async () => {
  const failed = await add(server.answers('/waited-404.bin', status(404)))
  assert.equal((await cli.run(['wait', failed])).code, 4)
  const dated = await add('--at', '+2h', server.url('/waited-long.bin'))
  assert.equal((await cli.run(['wait', dated, '--timeout', '100ms'])).code, 124)
  assert.equal((await cli.run(['wait', dated, failed, '--any'])).code, 4)
  assert.equal((await cli.run(['cancel', dated])).code, 0)
  assert.equal((await cli.run(['wait', dated])).code, 10)
})

test('get and ls say why and for how long a task is queued whose server asked everybody to wait', async () => {
  await using own = await FaultServer.start()
  const busy = await add(own.answers('/first.bin', status(503, { 'Retry-After': '86400' })))
  await cli.start(['watch', busy]).shows(/HTTP 503/)
  const get = cli.start(['get', own.file('/second.bin', { size: 1000 })])
  const reason = /second\.bin:? +waiting: asked to wait, next try in (23h 59m|1d 0h)/
  await get.shows(reason)
  get.kill('SIGINT')
  await get.ended
  assert.match((await cli.run(['ls'])).stdout, reason)
  await cli.run(['cancel', '--all', '-y'])
})

test('hold keeps the bytes and release goes on', async () => {
  await using own = await FaultServer.start()
  const script = [stallAfter(100_000)]
  const code = await add(own.file('/held.bin', { size: 300_000, etag: '"1"', script }))
  await own.sent('/held.bin', 100_000)
  const held = await cli.run(['pause', code])
  assert.deepEqual(
    [held.code, held.stdout],
    [0, 'Held: 1 task. Their bytes are kept; longhaul release lets them go on.\n'],
  )
  assert.match((await cli.run(['ls'])).stdout, new RegExp(`^${code} {2}held\\.bin +held$`, 'm'))
  assert.match((await cli.run(['explain', code])).stdout, /You can {3}longhaul release/)
  assert.match((await cli.run(['hold', code])).stdout, /^Nothing changed/)
  assert.equal((await cli.run(['resume', code])).stdout, 'Released: 1 task.\n')
  own.release()
  assert.equal((await cli.run(['wait', code])).code, 0)
})

test('cancel ends a task, and retry starts a new one in its place', async () => {
  const url = server.file('/cancelled.bin', { size: 1000, etag: '"1"' })
  const code = await add('--at', '+2h', url)
  assert.match((await cli.run(['rm', code])).stdout, /^Cancelled: 1 task\./)
  assert.match((await cli.run(['ls', '-a'])).stdout, new RegExp(`^${code} {2}cancelled\\.bin +cancelled$`, 'm'))
  const again = await cli.run(['retry', code])
  const [, newCode] = /^Trying again: 1 task\. ([\dA-Z]{4})\n$/.exec(again.stdout) ?? []
  assert.ok(newCode !== undefined, again.stdout + again.stderr)
})

test('retry --failed leaves alone what was tried again already, so that failures do not double', async () => {
  await using own = await CommandLine.open()
  const url = server.answers('/gone-for-good.bin', status(404))
  await own.run(['get', '-q', url])
  for (let round = 0; round < 3; round++) {
    assert.match((await own.run(['retry', '--failed'])).stdout, /^Trying again: 1 task\. /)
    await own.run(['wait', '@last'])
  }
  const works = server.answers('/works-later.bin', status(503), status(404))
  await own.run(['get', '-q', works, '--max-attempts', '1'])
  server.file('/works-later.bin', { size: 1000, etag: '"1"' })
  assert.equal((await own.run(['get', '-q', works])).code, 0)
  assert.match((await own.run(['retry', '--failed'])).stdout, /^Trying again: 1 task\. /)
})

test('retry of what has succeeded asks whether it is still the newest, and the next get finds it as it was', async () => {
  await using own = await CommandLine.open()
  const url = server.file('/fine.bin', { size: 1000, etag: '"1"' })
  await own.run(['get', '-q', url])
  const { stdout } = await own.run(['retry', 'fine.bin'])
  assert.equal((await own.run(['wait', stdout.trim().split(' ').at(-1)!])).code, 0)
  assert.equal((await own.run(['get', '-q', url])).code, 0)
})

test('retry of what has succeeded with another place puts a file there', async () => {
  await using own = await CommandLine.open()
  const url = server.file('/twice.bin', { size: 1000, etag: '"1"' })
  await own.run(['get', '-q', url])
  const { stdout } = await own.run(['retry', 'twice.bin', '-o', 'copy.bin'])
  assert.equal((await own.run(['wait', stdout.trim().split(' ').at(-1)!])).code, 0)
  assert.deepEqual(readFileSync(join(own.folder, 'copy.bin')), server.bytes('/twice.bin'))
})

test('retry with a fresh address fetches the same file from there', async () => {
  const code = await add(server.answers('/expired.bin', status(403)))
  assert.equal((await cli.run(['wait', code])).code, 4)
  const fresh = server.file('/fresh.bin', { size: 1000, etag: '"1"' })
  const { stdout } = await cli.run(['retry', code, '--url', `${fresh}?sig=new`])
  assert.equal((await cli.run(['wait', stdout.trim().split(' ').at(-1)!])).code, 0)
  assert.equal((await cli.run(['retry', '--failed', '--url', fresh])).code, 2)
})

test('retry with another place puts a file there that could not be put where it should go', async () => {
  const url = server.file('/taken.bin', { size: 1000, etag: '"1"' })
  await cli.run(['get', '-q', url])
  // The other session does not know the file that is there.
  const code = await add(url, '--session', 'other')
  assert.equal((await cli.run(['wait', code])).code, 14)
  const { stdout } = await cli.run(['retry', code, '-o', 'elsewhere.bin'])
  assert.equal((await cli.run(['wait', stdout.trim().split(' ').at(-1)!])).code, 0)
  assert.deepEqual(readFileSync(join(cli.folder, 'elsewhere.bin')), server.bytes('/taken.bin'))
})

test('explain says why a task waits, until when, what was tried and what one can do', async () => {
  // Of its own: Retry-After closes the whole origin for other tasks.
  await using own = await FaultServer.start()
  const code = await add(own.answers('/busy.bin', status(503, { 'Retry-After': '600' })))
  const run = cli.start(['watch', code])
  await run.shows(/busy\.bin: HTTP 503/)
  run.kill('SIGINT')
  await run.ended
  const { code: exit, stdout } = await cli.run(['explain', code])
  assert.equal(exit, 0)
  const [head, ...lines] = stdout.split('\n')
  assert.match(
    head!,
    new RegExp(`^${code} {2}busy\\.bin +waiting: HTTP 503, asked to wait, try 2 in (?:9m \\d+s|10m 0s)$`),
  )
  assert.ok(isNarrow(stdout), stdout)
  const sheet = lines.join('\n')
  assert.match(sheet, /^ {2}Why {7}\S/m)
  assert.match(sheet, /^ {2}Kept {6}0 B$/m)
  const { stdout: refused } = await cli.run(['retry', code])
  assert.match(
    refused,
    /^Nothing to try now: [^]*its\s+server\s+asked\s+to\s+wait\.\s+`longhaul\s+explain\s+TASK`\s+says\s+which\.\n$/,
  )
  assert.ok(isNarrow(refused), refused)
  assert.match(sheet, /^ {2}Blocked {3}the server asked to wait, ends \d\d:\d\d:\d\d \((?:9m \d+s|10m 0s)\)$/m)
  assert.match(sheet, /^ {2}Deadline {2}.*, then it fails with TIMED_OUT$/m)
  assert.match(sheet, /^ {2}Tries {7}1 {2}\d\d:\d\d:\d\d +[\d.]+ s +- {2}HTTP 503$/m)
  assert.match(sheet, new RegExp(`^ {2}You can {3}.*longhaul cancel ${code}$`, 'm'))
  const zh = await cli.run(['explain', code], { env: { LANG: 'zh_CN.UTF-8' } })
  assert.match(zh.stdout, /等待：HTTP 503，服务器要求等待，/)
  const json = JSON.parse((await cli.run(['explain', code, '--json'])).stdout) as Record<string, unknown>
  assert.equal(json['phase'], 'waiting')
  await cli.run(['cancel', code])
})

test('show tells everything and masks what is secret', async () => {
  const url = server.file('/shown.bin', { size: 1000, etag: '"1"' })
  await cli.run(['get', '-q', `${url}?signature=secret`, '-H', 'Authorization: Bearer secret'])
  const { stdout } = await cli.run(['show', 'shown.bin'])
  assert.match(stdout, /^ {2}Request {3}GET http:\/\/\S+\/shown\.bin\?…$/m)
  assert.match(stdout, /^ +Authorization: \*\*\*$/m)
  assert.match(stdout, /^ {2}Response {2}200 /m)
  assert.match(stdout, /^ {2}Bytes {5}1000 \/ 1000 \(1\.0 kB of 1\.0 kB\)$/m)
  assert.match(stdout, new RegExp(`^ {2}To {8}${join(cli.folder, 'shown.bin')}$`, 'm'))
  assert.ok(!stdout.includes('secret'), stdout)
})

test('a task is named by its code, its id, the beginning of its file, its number, or @last', async () => {
  const code = await add('--at', '+2h', server.url('/unmistakable.bin'))
  const { id, taskIdentifier } = await cli.last()
  for (const name of [code, String(id), 'unmistak', `cli/${String(taskIdentifier)}`, '@last']) {
    const { stdout } = await cli.run(['show', name, '--json'])
    assert.equal((JSON.parse(stdout) as Record<string, unknown>)['id'], id, name)
  }
  await add('--at', '+2h', server.url('/twin-a.bin'))
  await add('--at', '+2h', server.url('/twin-b.bin'))
  const { code: exit, stderr } = await cli.run(['hold', 'twin'])
  assert.equal(exit, 2)
  assert.match(
    stderr,
    /'twin' names 2 tasks\. Nothing was done; name one of them:\s+\(INVALID_ARGUMENT\)\n {4}[\dA-Z]{4} {2}twin-b\.bin\n/,
  )
  await cli.run(['cancel', '--match', '*.bin', '--state', 'waiting'])
})

test('what does not exist exits with 12', async () => {
  for (const verb of ['show', 'hold', 'wait', 'retry', 'watch']) {
    const { code, stderr } = await cli.run([verb, 'nothing-like-it'])
    assert.equal(code, 12, verb)
    assert.match(stderr, /There is no task 'nothing-like-it'\. longhaul ls -a lists all of them\./)
  }
  assert.equal((await cli.run(['explain', 'DIGEST_MISMATHC'])).code, 12)
  assert.equal((await cli.run(['ls', '--session', 'no.such.session'])).code, 12)
  assert.equal((await cli.run(['wait', '--session', 'no.such.session'])).code, 12)
  for (const word of ['NOPE', 'nothing-like-it']) {
    const { code, stderr } = await cli.run(['explain', word])
    assert.equal(code, 12)
    assert.match(stderr, new RegExp(`'${word}' is neither a task nor an error code\\.`))
    assert.ok(isNarrow(stderr), stderr)
  }
})

test('filters choose tasks by session, state, host and name', async () => {
  await add(
    '--at',
    '+2h',
    '--session',
    'org.lab',
    server.url('/filter-a.iso'),
    server.url('/filter-b.txt'),
    '-d',
    'lab',
  )
  const names = async (...flags: readonly string[]): Promise<readonly string[]> => {
    const { stdout } = await cli.run(['ls', '--json', ...flags])
    return stdout.split('\n').flatMap((line) => {
      if (line === '') return []
      const { originalRequest } = JSON.parse(line) as { originalRequest: { url: string } }
      return [new URL(originalRequest.url).pathname]
    })
  }
  assert.deepEqual(await names('--session', 'org.lab'), ['/filter-a.iso', '/filter-b.txt'])
  assert.deepEqual(await names('--session', 'org.lab', '--match', '*.iso'), ['/filter-a.iso'])
  assert.deepEqual(await names('--session', 'org.lab', '--state', 'held'), [])
  assert.deepEqual(await names('--host', 'elsewhere.example'), [])
  assert.deepEqual(await names('--session', 'org.lab', '-n', '1'), ['/filter-a.iso'])
  const held = await cli.run(['hold', '--session', 'org.lab', '--json'])
  assert.equal((JSON.parse(held.stdout) as Record<string, unknown>)['changed'], 2)
  assert.deepEqual(await names('--state', 'held'), ['/filter-a.iso', '/filter-b.txt'])
  const { stdout } = await cli.run(['ls', '--session', 'org.lab', '-n', '1'])
  assert.match(
    stdout,
    /These are the first 1\. {2}All of them: longhaul ls --limit 0\n0 active {2}0 waiting {2}0 queued {2}2 held/,
  )
  await cli.run(['cancel', '--session', 'org.lab'])
})

test('watch shows what runs until it has ended, and says so when nothing does', async () => {
  await cli.run(['cancel', '--all'])
  assert.match((await cli.run(['watch'])).stderr, /^Nothing runs or waits\./)
  await using own = await FaultServer.start()
  const code = await add(own.file('/watched.bin', { size: 300_000, etag: '"1"', script: [stallAfter(100_000)] }))
  await own.sent('/watched.bin', 100_000)
  const run = cli.start(['top', '--timestamps'])
  await run.shows(new RegExp(`^\\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d ${code} watched\\.bin: started, 300 kB$`, 'm'))
  own.release()
  assert.equal((await run.ended).code, 0)
})

test('verbs that change many tasks want a task, a filter or --all', async () => {
  for (const verb of ['hold', 'release', 'cancel', 'retry']) {
    const { code, stderr } = await cli.run([verb])
    assert.equal(code, 2)
    assert.match(stderr.replace(/\s+/g, ' '), /wants a task.*Nothing was changed\./)
  }
})

test('a list of all tasks shows those that have not ended beside those that have, and a filter retries both', async () => {
  await using own = await CommandLine.open()
  const refusing = server.answers('/both.bin', status(503))
  const waits = (await own.run(['add', refusing])).stdout.trim()
  const ended = (await own.run(['add', server.answers('/both-404.bin', status(404))])).stdout.trim()
  await own.run(['wait', ended])
  const { stdout } = await own.run(['ls', '-a'])
  for (const code of [waits, ended]) assert.match(stdout, new RegExp(`^${code} `, 'm'))
  const retried = await own.run(['retry', '--session', 'cli'])
  assert.match(retried.stdout, /Trying again: 1 task/)
  await own.run(['cancel', '--all', '--yes'])
})
