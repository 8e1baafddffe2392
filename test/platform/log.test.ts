import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { LonghaulError } from '../../src/contract/errors.ts'
import { createFileLog } from '../../src/platform/log.ts'
import { RotatingFile } from '../../src/platform/rotating-file.ts'
import { needs } from '../support/needs.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

function lines(text: string): readonly Readonly<Record<string, unknown>>[] {
  return text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Readonly<Record<string, unknown>>)
}

test('a log line has time, level, message and fields, and an error its code and causes', async () => {
  const folder = await temporaryFolder()
  const log = createFileLog({ folder })
  log.info('started', { pid: 5, socket: '/s' })
  log.debug('not shown')
  log.error('failed', { error: new LonghaulError('STALLED', 'm', { cause: new Error('inner') }) })
  log.warn('also', { error: new TypeError('plain') })
  log.close()
  const [started, failed, also, ...rest] = lines(await readFile(log.path, 'utf8'))
  assert.deepEqual(rest, [])
  assert.match(String(started?.['time']), /^\d{4}-\d\d-\d\dT/)
  assert.deepEqual([started?.['level'], started?.['msg'], started?.['socket']], ['info', 'started', '/s'])
  const error = failed?.['error'] as Readonly<Record<string, unknown>>
  assert.deepEqual([failed?.['level'], error['code'], error['cause']], ['error', 'STALLED', { message: 'inner' }])
  assert.equal((also!['error'] as Readonly<Record<string, unknown>>)['message'], 'plain')
  assert.equal((await stat(log.path)).mode & 0o777, 0o600)
})

test('a line break in a message cannot forge a log line', async () => {
  const folder = await temporaryFolder()
  const log = createFileLog({ folder })
  log.info('one\n{"level":"info","msg":"forged"}', { field: 'a\nb' })
  log.close()
  assert.equal(lines(await readFile(log.path, 'utf8')).length, 1)
})

test('what was logged right before a crash is in the file', async () => {
  const folder = await temporaryFolder()
  const module = new URL('../../src/platform/log.ts', import.meta.url).href
  const program = `import { createFileLog } from ${JSON.stringify(module)}
    createFileLog({ folder: process.argv[1] }).error('last words')
    process.kill(process.pid, 'SIGKILL')`
  const run = spawnSync(process.execPath, ['--input-type=module', '--eval', program, folder])
  assert.equal(run.signal, 'SIGKILL')
  assert.match(await readFile(join(folder, 'daemon.log'), 'utf8'), /last words/)
})

test('a log file that has grown large is turned over, and only so many are kept', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'daemon.log')
  const file = new RotatingFile(path, { maximumBytes: 100, files: 3 })
  for (let i = 0; i < 40; i++) file.write(`line ${String(i).padStart(4, '0')} of twenty\n`)
  file.close()
  assert.deepEqual((await readdir(folder)).toSorted(), ['daemon.log', 'daemon.log.1', 'daemon.log.2'])
  const all = await Promise.all(
    ['daemon.log.2', 'daemon.log.1', 'daemon.log'].map((name) => readFile(join(folder, name), 'utf8')),
  )
  for (const text of all) assert.ok(text.length <= 100)
  const kept = all.join('').trimEnd().split('\n')
  assert.deepEqual(
    kept,
    Array.from({ length: kept.length }, (_, i) => `line ${String(40 - kept.length + i).padStart(4, '0')} of twenty`),
  )
  assert.ok(kept.length > 10)
})

test('a log goes on where an earlier process stopped', async () => {
  const folder = await temporaryFolder()
  const path = join(folder, 'daemon.log')
  for (const line of ['first\n', 'second\n']) {
    const file = new RotatingFile(path, { maximumBytes: 10 })
    file.write(line)
    file.close()
  }
  assert.equal(await readFile(`${path}.1`, 'utf8'), 'first\n')
  assert.equal(await readFile(path, 'utf8'), 'second\n')
})

test('a log that cannot be written never throws, and counts what was lost', { skip: needs('posix') }, async () => {
  const file = new RotatingFile(join(await temporaryFolder(), 'gone', 'daemon.log'))
  file.write('a\n')
  file.write('b\n')
  assert.equal(file.lost, 2)
  file.close()
})
