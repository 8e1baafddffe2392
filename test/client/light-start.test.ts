import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import test from 'node:test'

/** What Node has loaded of its own by the end of this program. */
function loadedBy(program: string): readonly string[] {
  const told = `${program}\nconsole.log(JSON.stringify(process.moduleLoadList))`
  const { stdout, stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', told], {
    encoding: 'utf8',
  })
  assert.equal(status, 0, stderr)
  return JSON.parse(stdout) as readonly string[]
}

const source = new URL('../../src/client/requests.ts', import.meta.url).href
const fetchOfNode = 'NativeModule internal/deps/undici/undici'

test('a request in plain fields does not make Node load fetch, which costs more than the rest of a short command', () => {
  const plain = `const { requestFacts } = await import('${source}')
    requestFacts({ url: 'https://example.com/a', headers: [['Accept', 'b']] })
    requestFacts({ url: 'https://example.com/a', headers: { Accept: 'b' } })
    requestFacts('https://example.com/a')`
  assert.ok(!loadedBy(plain).includes(fetchOfNode))
  assert.ok(loadedBy(`${plain}\nnew Request('https://example.com/a')`).includes(fetchOfNode), 'it is told by that name')
})
