import assert from 'node:assert/strict'
import { test } from 'node:test'
import { en } from '../../src/cli/render/words-en.ts'
import { zh } from '../../src/cli/render/words-zh.ts'
import { explanationFromJson } from '../../src/client/explain.ts'
import { House } from './house.ts'

test('explain tells what was learnt of the server of a task, and nothing where nothing was', async () => {
  const house = await House.open()
  await house.openSession()
  const id = await house.add({ request: { url: 'https://a.test/x', method: 'GET', headers: [] } })
  assert.equal((await house.call('task.explain', { id })).server, undefined)
  house.engine.origins.set('https://a.test', { connections: 4, refusedAbove: 4, ranges: 'yes', untilMs: 1 })
  const explained = await house.call('task.explain', { id })
  const server = { origin: 'https://a.test', connections: 4, refusedAbove: 4, ranges: 'yes' } as const
  assert.deepEqual(explained.server, server)
  assert.deepEqual(explanationFromJson(explained, 'en').server, server)
  assert.equal(en.server(server), 'https://a.test, served 4 connections at once, wants no more than 4, gives ranges')
  assert.equal(en.server({ origin: 'https://a.test', ranges: 'no' }), 'https://a.test, gives no ranges')
  assert.match(zh.server(server), /4 个连接/)
  await house.close()
})

test('explain names the server that gives the file, where the address of a task leads to another one', async () => {
  const house = await House.open()
  await house.openSession()
  const id = await house.add({ request: { url: 'https://a.test/x', method: 'GET', headers: [] } })
  const known = { connections: 1, untilMs: 1 }
  for (const origin of ['https://a.test', 'https://mirror.test']) house.engine.origins.set(origin, known)
  assert.equal((await house.call('task.explain', { id })).server?.origin, 'https://a.test')
  await house.engine.of(id).reserve('https://mirror.test/y')
  assert.equal((await house.call('task.explain', { id })).server?.origin, 'https://mirror.test')
  await house.close()
})
