// A daemon whose tasks all wait does without undici.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'

const transport = fileURLToPath(new URL('../../src/network/transport.ts', import.meta.url))
const load = fileURLToPath(new URL('../../src/network/load-undici.ts', import.meta.url))

test('undici is loaded by the first request, not by the daemon', () => {
  const program = `
    import { createRequire } from 'node:module'
    const { cache } = createRequire(process.cwd() + '/')
    const count = () => Object.keys(cache).filter((path) => /[\\\\/]undici[\\\\/]/.test(path)).length
    const { createTransport } = await import(${JSON.stringify(transport)})
    createTransport()
    const before = count()
    const { loadUndici } = await import(${JSON.stringify(load)})
    loadUndici()
    console.log(JSON.stringify([before, count() > 10]))`
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', program], { encoding: 'utf8' })
  assert.deepEqual(JSON.parse(said), [0, true])
})
