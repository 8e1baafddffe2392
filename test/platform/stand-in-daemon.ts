// A daemon without insides, for the tests of starting one: lock, socket, one line for each who connects. What is to go wrong comes
// by the environment that the test adds.
import { existsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { alreadyRunningExit } from '../../src/platform/daemon-process.ts'
import { takeInstanceLock } from '../../src/platform/instance-lock.ts'
import { homePaths, prepareHome } from '../../src/platform/paths.ts'

const home = process.argv[process.argv.indexOf('--home') + 1]!
const wrong = process.env['STAND_IN_WRONG']
if (wrong === 'dies') throw new Error('the journal cannot be opened: disk I/O error')
await prepareHome(home)
const lock = takeInstanceLock(home)
if (lock === undefined) process.exit(alreadyRunningExit)
if (wrong === 'always killed') process.kill(process.pid, 'SIGKILL')
const marker = `${home}/died-once`
if (wrong === 'winner dies' && !existsSync(marker)) {
  writeFileSync(marker, '')
  process.kill(process.pid, 'SIGKILL')
}
const socket = `${homePaths(home).run}/s`
const server = createServer((connection) => {
  const facts = { pid: process.pid, cwd: process.cwd(), env: process.env, execArgv: process.execArgv }
  connection.end(JSON.stringify(facts))
})
server.listen(socket, () => {
  if (wrong === 'never listens') server.close()
  else lock.publish({ pid: process.pid, bootId: '', socket, version: '0.1.0', protocols: [1], startedAt: Date.now() })
})
if (wrong === 'never listens') setInterval(() => {}, 1e6)
