import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { CommandLine } from './command-line.ts'

const cli = await CommandLine.open()
after(() => cli[Symbol.asyncDispose]())

/** Addresses as of a store that signs them. */
const signed = (count: number, length: number): readonly string[] =>
  Array.from({ length: count }, (_, n) => `http://127.0.0.1:1/${n}?signature=`.padEnd(length, 'x'))

test('a list whose records would be more than one answer has room for is added, and found again', async () => {
  const list = { input: signed(1000, 350).join('\n') }
  const add = ['add', '-q', '-i', '-', '-d', 'out', '--at', '+2h']
  const { code, stdout, stderr } = await cli.run(add, list)
  assert.deepEqual([code, stderr], [0, ''])
  const ids = stdout.trim().split('\n')
  assert.equal(new Set(ids).size, 1000)
  const again = await cli.run([...add, '--json'], list)
  assert.equal(again.code, 0, again.stderr)
  const lines = again.stdout.trim().split('\n').slice(0, -1)
  assert.deepEqual(
    lines
      .map((line) => JSON.parse(line) as { id: string; session: string; new: boolean })
      .map((one) => [one.id, one.new]),
    ids.map((id) => [id, false]),
  )
})

test('watch shows every one of many tasks with long addresses, to the last', async () => {
  const added = await cli.run(['add', '-q', '-i', '-', '-d', 'out', '--at', '+2h', '--session', 'long'], {
    input: signed(300, 2400).join('\n'),
  })
  assert.equal(added.code, 0, added.stderr)
  const ids = added.stdout.trim().split('\n')
  const watch = cli.start(['watch', '--json', '--session', 'long'])
  await watch.shows(/task\.created/)
  assert.equal((await cli.run(['cancel', '--session', 'long', '--yes'])).code, 0)
  const { stdout } = await watch.ended
  const lines = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { type: string; id: string })
  const of = (type: string): readonly string[] => lines.flatMap((line) => (line.type === type ? [line.id] : [])).sort()
  assert.deepEqual(of('task.created'), ids.toSorted())
  assert.deepEqual(of('task.completed'), ids.toSorted())
})
