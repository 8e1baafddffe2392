// What is known of the machine's network, and when it is said to be another one.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createEnvironment } from '../../src/platform/environment.ts'
import { VirtualClock } from '../support/virtual-clock.ts'

test('another address is told within seconds, and so is that all are gone, but not that they are listed in another order', async () => {
  const clock = new VirtualClock()
  let addresses = ['eth0=192.0.2.1/24', 'eth0=2001:db8::1/64']
  const environment = createEnvironment(clock, () => addresses)
  const first = environment.now.networkId
  const told: string[] = []
  const end = environment.watch(({ networkId }) => void told.push(networkId))
  addresses = addresses.toReversed()
  await clock.advance(10_000)
  assert.deepEqual(told, [])
  addresses = []
  await clock.advance(5000)
  assert.deepEqual(told, [''])
  addresses = ['eth0=192.0.2.1/24', 'eth0=2001:db8::1/64']
  await clock.advance(5000)
  addresses = ['wlan0=198.51.100.7/24']
  await clock.advance(5000)
  assert.deepEqual(told.slice(1), [first, 'wlan0=198.51.100.7/24'])
  end()
})

test('a system that does not tell its addresses for a while has not changed its network', async () => {
  const clock = new VirtualClock()
  let isRefused = true
  const environment = createEnvironment(clock, () => {
    if (isRefused) throw new Error('too many files are open')
    return ['eth0=192.0.2.1/24']
  })
  assert.equal(environment.now.networkId, 'unknown')
  const told: string[] = []
  isRefused = false
  const end = environment.watch(({ networkId }) => void told.push(networkId))
  isRefused = true
  await clock.advance(10_000)
  isRefused = false
  await clock.advance(10_000)
  assert.deepEqual(told, [])
  end()
})

test('while nobody watches nothing wakes the daemon', async () => {
  const clock = new VirtualClock()
  const end = createEnvironment(clock, () => []).watch(() => {})
  await clock.advance(60_000)
  assert.equal(clock.armed, 1)
  end()
  assert.equal(clock.armed, 0)
})

test('what leads nowhere is no network', () => {
  const { networkId } = createEnvironment(new VirtualClock()).now
  assert.doesNotMatch(networkId, /=127\.|=::1|=fe80:|=169\.254\./)
})
