import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { test } from 'node:test'
import { needs } from '../support/needs.ts'

const endProcess = new URL('../../src/platform/end-process.ts', import.meta.url).href
/** A function becomes hot, and the thread of V8 that compiles it is at it for ten minutes. */
const program = (end: string) => `
  import { endProcess } from '${endProcess}'
  const add = (sum) => { for (let i = 0; i < 2000; i++) sum += i % 7; return sum }
  process.on('SIGTERM', () => {})
  let sum = 0
  for (const until = performance.now() + 300; performance.now() < until; ) sum = add(sum)
  ${end}`

for (const signal of ['SIGTERM', 'SIGKILL'] as const)
  test(
    `a process ends at once by ${signal}, whatever the threads of V8 are at`,
    { skip: needs('posix') },
    async (t) => {
      const args = ['--concurrent-recompilation-delay=600000', '--input-type=module', '--eval']
      const child = spawn(process.execPath, [...args, program(`endProcess('${signal}', 1)`)], { stdio: 'inherit' })
      t.after(() => child.kill('SIGKILL'))
      assert.deepEqual(await once(child, 'exit'), [null, signal])
    },
  )
