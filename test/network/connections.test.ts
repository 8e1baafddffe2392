/** The book of connections, without a network. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Connections, type Kept } from '../../src/network/connections.ts'

function connection(usable = true): Kept {
  const { promise: gone, resolve: destroy } = Promise.withResolvers<void>()
  return { gone, usable, ref: () => {}, unref: () => {}, destroy }
}

test('nothing is kept of an origin to which no connection waits', async () => {
  const connections = new Connections<Kept>()
  const [one, other, spent] = [connection(), connection(), connection(false)]
  for (const each of [one, other, spent]) {
    connections.adopt('key', each)
    connections.give('key', each)
  }
  assert.equal(connections.take('key'), other)
  assert.equal(connections.origins, 1)
  assert.equal(connections.take('key'), one)
  assert.equal(connections.origins, 0)
  connections.give('key', one)
  assert.equal(connections.origins, 1)
  for (const each of [one, other]) each.destroy()
  await Promise.all([one.gone, other.gone])
  assert.equal(connections.origins, 0)
  assert.equal(connections.all.size, 0)
})
