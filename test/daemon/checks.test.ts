import assert from 'node:assert/strict'
import test from 'node:test'
import { isLonghaulError } from '../../src/contract/errors.ts'
import type { NewTask } from '../../src/contract/task.ts'
import type { Verb } from '../../src/contract/verbs.ts'
import { checkParams, verbs } from '../../src/daemon/checks.ts'

const id = '01HF7YAT000000000000000001'
const task: NewTask = {
  id,
  kind: 'download',
  request: { url: 'https://example.com/a?b=c', method: 'GET', headers: [['Accept', '*/*']] },
  destination: { kind: 'file', folder: '/home/u', name: 'a.bin' },
  ifExists: 'replace',
  umask: 0o022,
  description: 'A file',
  metadata: '{"a":1}',
  tags: ['x'],
  key: 'k',
  priority: 0.5,
  earliestBeginMs: 1_700_000_000_000,
  after: [id],
  expectedDigests: [{ algorithm: 'sha-256', hex: '0'.repeat(64) }],
  expectedLength: 0,
  policy: { timeoutIntervalForRequestMs: 1000, acceptableStatusCodes: [200, { from: 204, to: 206 }] },
  start: true,
}
const open = { identifier: 'com.example.app', configuration: {}, strictConfiguration: false }

/** What a client sends. */
const good: readonly (readonly [Verb, object])[] = [
  ['session.open', open],
  [
    'session.open',
    {
      ...open,
      configuration: { acceptableStatusCodes: 'any', httpAdditionalHeaders: [['X-App', 'ü']], maximumActiveTasks: 1 },
      launch: { command: '/usr/bin/node', args: ['a.js'], cwd: '/', env: { A: 'b' } },
      launchWhen: { atLeast: 1 },
      launchEnvironment: { DISPLAY: ':0' },
      own: { methods: ['didComplete'], takeover: true, fence: 3, launchToken: 'abc', finishSeen: true },
    },
  ],
  ['session.open', { ...open, launch: null }],
  ['session.close', { identifier: 'a' }],
  ['task.add', { session: 'a', tasks: [task, { ...task, destination: { kind: 'spool' } }] }],
  ['task.get', { id }],
  ['task.get', { session: 'a', taskIdentifier: 1 }],
  ['task.page', { filter: { match: '*.iso', group: 'active' }, completed: false, limit: 100 }],
  ['task.change', { targets: { ids: [id] }, change: { kind: 'cancel' } }],
  ['task.change', { targets: { session: 'a', filter: {} }, change: { kind: 'priority', priority: 1 } }],
  ['task.change', { targets: { filter: {} }, change: { kind: 'request', restart: false } }],
  ['event.acknowledge', { session: 'a', fence: 1, sequences: [1, 2] }],
  ['watch.start', { watch: 1, session: 'a', intervalMs: 100 }],
  ['daemon.status', {}],
]

test('what a client asks for passes the door unchanged', () => {
  for (const [verb, params] of good) assert.deepEqual(checkParams(verb, params), params)
})

test('fields that are not known are left out, at every depth', () => {
  const params = { ...open, colour: 'red', own: { methods: [], takeover: false, mood: 'good' } }
  assert.deepEqual(checkParams('session.open', params), { ...open, own: { methods: [], takeover: false } })
})

test('a bad value is refused with its code and the name of its field', () => {
  const added = (change: object): object => ({ session: 'a', tasks: [{ ...task, ...change }] })
  const requested = (change: object): object => added({ request: { ...task.request, ...change } })
  const configured = (configuration: object): object => ({ ...open, configuration })
  const bad: readonly (readonly [Verb, unknown, string, string])[] = [
    ['session.open', { ...open, identifier: '' }, 'identifier', 'INVALID_ARGUMENT'],
    ['session.open', { ...open, identifier: 'a b' }, 'identifier', 'INVALID_ARGUMENT'],
    ['session.open', { ...open, identifier: 'a\u0000b' }, 'identifier', 'INVALID_ARGUMENT'],
    ['session.open', { ...open, identifier: 'x'.repeat(256) }, 'identifier', 'INVALID_ARGUMENT'],
    ['session.open', { ...open, identifier: undefined }, 'identifier', 'INVALID_ARGUMENT'],
    ['session.open', configured({ maximumActiveTasks: 0 }), 'configuration.maximumActiveTasks', 'INVALID_ARGUMENT'],
    ['session.open', configured({ maximumActiveTasks: 1.5 }), 'configuration.maximumActiveTasks', 'INVALID_ARGUMENT'],
    [
      'session.open',
      configured({ timeoutIntervalForRequestMs: -1 }),
      'configuration.timeoutIntervalForRequestMs',
      'INVALID_ARGUMENT',
    ],
    [
      'session.open',
      configured({ timeoutIntervalForRequestMs: null }),
      'configuration.timeoutIntervalForRequestMs',
      'INVALID_ARGUMENT',
    ],
    [
      'session.open',
      configured({ httpAdditionalHeaders: [['Authorization', 'x']] }),
      'configuration.httpAdditionalHeaders[0][0]',
      'INVALID_ARGUMENT',
    ],
    ['session.open', { ...open, launch: { command: 'node' } }, 'launch.command', 'INVALID_ARGUMENT'],
    ['session.open', { ...open, launch: { command: '/n', env: { 'A=B': 'x' } } }, 'launch.env.A=B', 'INVALID_ARGUMENT'],
    ['session.open', { ...open, launch: { command: '/n', args: ['a\0b'] } }, 'launch.args[0]', 'INVALID_ARGUMENT'],
    ['task.add', added({ id: 'abc' }), 'tasks[0].id', 'INVALID_ARGUMENT'],
    ['task.add', added({ kind: 'upload' }), 'tasks[0].kind', 'INVALID_ARGUMENT'],
    ['task.add', added({ umask: 0o1000 }), 'tasks[0].umask', 'INVALID_ARGUMENT'],
    ['task.add', added({ priority: 2 }), 'tasks[0].priority', 'INVALID_ARGUMENT'],
    ['task.add', added({ metadata: '{' }), 'tasks[0].metadata', 'INVALID_ARGUMENT'],
    ['task.add', added({ expectedLength: -1 }), 'tasks[0].expectedLength', 'INVALID_ARGUMENT'],
    ['task.add', requested({ url: 'example.com/a' }), 'tasks[0].request.url', 'BAD_URL'],
    ['task.add', requested({ url: 'https://exa mple.com/a' }), 'tasks[0].request.url', 'BAD_URL'],
    ['task.add', requested({ url: 'https://example.com/a\nb' }), 'tasks[0].request.url', 'BAD_URL'],
    ['task.add', requested({ url: 'file:///etc/passwd' }), 'tasks[0].request.url', 'UNSUPPORTED_URL'],
    ['task.add', requested({ method: 'GET /x HTTP/1.1' }), 'tasks[0].request.method', 'INVALID_ARGUMENT'],
    ['task.add', requested({ headers: [['X', 'a\r\nHost: b']] }), 'tasks[0].request.headers[0][1]', 'INVALID_ARGUMENT'],
    ['task.add', requested({ headers: [['X: y', 'a']] }), 'tasks[0].request.headers[0][0]', 'INVALID_ARGUMENT'],
    [
      'task.add',
      requested({ headers: [['Transfer-Encoding', 'chunked']] }),
      'tasks[0].request.headers[0][0]',
      'INVALID_ARGUMENT',
    ],
    ['task.add', requested({ headers: [['X', 'a'.repeat(70_000)]] }), 'tasks[0].request.headers', 'INVALID_ARGUMENT'],
    [
      'task.add',
      added({ destination: { kind: 'file', folder: 'relative', name: 'a' } }),
      'tasks[0].destination.folder',
      'INVALID_ARGUMENT',
    ],
    [
      'task.add',
      added({ destination: { kind: 'file', folder: '/a\0b', name: 'a' } }),
      'tasks[0].destination.folder',
      'INVALID_ARGUMENT',
    ],
    [
      'task.add',
      added({ destination: { kind: 'file', folder: '/a', name: '../b' } }),
      'tasks[0].destination.name',
      'INVALID_ARGUMENT',
    ],
    [
      'task.add',
      added({ destination: { kind: 'file', folder: '/a', name: '..' } }),
      'tasks[0].destination.name',
      'INVALID_ARGUMENT',
    ],
    ['task.add', { session: 'a', tasks: Array.from({ length: 1001 }, () => task) }, 'tasks', 'INVALID_ARGUMENT'],
    ['task.page', { filter: {}, completed: true, limit: 100_000 }, 'limit', 'INVALID_ARGUMENT'],
    ['task.change', { targets: { ids: ['x'] }, change: { kind: 'cancel' } }, 'targets.ids[0]', 'INVALID_ARGUMENT'],
    ['task.change', { targets: { ids: [id] }, change: { kind: 'explode' } }, 'change.kind', 'INVALID_ARGUMENT'],
    ['event.acknowledge', { session: 'a', fence: 1, sequences: [-1] }, 'sequences[0]', 'INVALID_ARGUMENT'],
    ['event.acknowledge', { session: 'a', fence: '1', sequences: [1] }, 'fence', 'INVALID_ARGUMENT'],
    ['daemon.status', [], 'daemon.status', 'INVALID_ARGUMENT'],
    ['daemon.status', null, 'daemon.status', 'INVALID_ARGUMENT'],
  ]
  for (const [verb, params, field, code] of bad) {
    assert.throws(
      () => checkParams(verb, params),
      (error) => {
        assert(isLonghaulError(error), String(error))
        assert.equal(error.message.slice(0, error.message.indexOf(': ')), field)
        assert.equal(error.code, code, error.message)
        assert.match(error.message, /Nothing was changed\.$/)
        return true
      },
      `${verb} ${field}`,
    )
  }
})

test('a refused row of an enqueue names its index', () => {
  const tasks = [task, { ...task, priority: -1 }]
  assert.throws(() => checkParams('task.add', { session: 'a', tasks }), { code: 'INVALID_ARGUMENT', index: 1 })
})

test('no verb takes a list, a number, a string or nothing as its parameters', () => {
  for (const verb of verbs)
    for (const params of [undefined, null, 0, '', [], true])
      assert.throws(() => checkParams(verb, params), { code: 'INVALID_ARGUMENT' }, `${verb} ${String(params)}`)
})

test('a field called __proto__ changes nothing', () => {
  const params: unknown = JSON.parse(
    '{"identifier":"a","configuration":{"__proto__":{"discretionary":true}},"strictConfiguration":false,"launchEnvironment":{"__proto__":"x","A":"b"}}',
  )
  const checked = checkParams('session.open', params)
  assert.equal(checked.configuration.discretionary, undefined)
  assert.deepEqual(Object.keys(checked.launchEnvironment ?? {}), ['A'])
  assert.equal(Object.getPrototypeOf(checked.launchEnvironment), Object.prototype)
})
