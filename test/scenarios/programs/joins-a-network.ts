// Run in a network namespace of its own, where there is no address but those that it gives itself. See network-that-changes.test.ts.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { Stage } from '../../support/stage.ts'

const address = '10.77.0.1'
const bytes = 'here at last'

execFileSync('ip', ['link', 'set', 'lo', 'up'])
const asked: string[] = []
const busy = createServer((request, response) => {
  asked.push(request.url!)
  response.writeHead(503, { 'retry-after': '3600' }).end()
}).listen(8081, '127.0.0.1')
const server = createServer((_, response) => void response.end(bytes)).listen(8080, '0.0.0.0')
{
  await using stage = await Stage.open()
  const app = await stage.start({
    identifier: 'com.example.network',
    options: {
      configuration: { retry: { initialDelay: '10h', maximumDelay: '10h' }, timeoutIntervalForResource: '7d' },
    } as never,
  })
  const start = (url: string, to: string): Promise<string> =>
    app.run(async ({ session }, from, place) => (await session.download(from, { to: place })).id, url, stage.path(to))
  const waiting = await start('http://127.0.0.1:8081/busy', 'busy.bin')
  const id = await start(`http://${address}:8080/file`, 'file.bin')
  await stage.event('didRetry', ({ task }) => task === waiting)
  const { fields } = await stage.event('didRetry', ({ task }) => task === id)
  assert.match(JSON.stringify(fields), /NOT_CONNECTED_TO_INTERNET|CANNOT_CONNECT_TO_HOST/)

  execFileSync('ip', ['addr', 'add', `${address}/32`, 'dev', 'lo'])
  await stage.event('didComplete', ({ task, fields: ended }) => task === id && ended['error'] === undefined)
  assert.equal(await readFile(stage.path('file.bin'), 'utf8'), bytes)
  assert.deepEqual(asked, ['/busy'])
}
busy.close()
server.close()
