/** What has to come of the rare lies where a server tells nothing else. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { rangeLies } from './liars.ts'
import { honest } from './one-server.ts'
import type { Plan } from './plan.ts'
import { runPlan } from './run.ts'
import type { Behaviour, ServerPlan } from './server-plan.ts'

const url = 'https://one.test/file-0'
const cut: Behaviour = { kind: 'cut', after: 0.5 }

test('a representation that never settles ends its task as unstable', async () => {
  const versions = Array.from({ length: 30 }, (_, i) => ({ atMs: 3_600_000 + i }))
  const weather: readonly Behaviour[] = [{ kind: 'changes under the body', after: 0.5 }]
  assert.equal(await endOf({ versions, weather, afterwards: 'weather again' }), 'REPRESENTATION_UNSTABLE')
})

test('a false digest over right bytes ends its task, in the header and in the trailer', async () => {
  for (const field of ['repr-digest', 'content-digest'] as const)
    for (const digestTrailer of [false, true]) {
      const nature = { ...honest.nature, length: 'chunked' as const, digestTrailer }
      assert.equal(await endOf({ nature, weather: [{ kind: 'false digest', field }] }), 'DIGEST_MISMATCH')
    }
})

test('a range that is not what it says costs a download nothing but time', async () => {
  for (const length of ['content-length', 'chunked'] as const)
    for (const kind of [...rangeLies, 'coded'] as const)
      assert.equal(await endOf({ nature: { ...honest.nature, length }, weather: [cut, { kind }] }), 'finished', kind)
})

test('a body that is coded is kept as it came', async () => {
  assert.equal(await endOf({ weather: [{ kind: 'coded' }] }), 'finished')
})

/** How the one task of a machine ends on which nothing else goes wrong: as finished, or with which error. */
async function endOf(server: Partial<ServerPlan>): Promise<string> {
  const lines: string[] = []
  const verdict = await runPlan(planOf({ ...honest, size: 5000, ...server }), {
    trace: (line) => void lines.push(line),
  })
  assert.ok(verdict.ok, JSON.stringify(verdict))
  const heard = lines.map((line) => /heard that task \S+ has (?:(finished)|ended: (\S+))/.exec(line))
  const [, finished, error] = heard.find((match) => match !== null) ?? []
  return finished ?? error ?? lines.join('\n')
}

function planOf(server: ServerPlan): Plan {
  return {
    seed: 1,
    limits: { maximumActiveTasks: 32, maximumConnectionsPerOrigin: 8 },
    servers: [{ url, server }],
    folders: ['/data/a'],
    files: [],
    apps: [
      {
        session: 'test.app-0',
        configuration: {},
        tasks: [{ atMs: 0, url, to: '/data/a/file', key: 'task 0', start: true, awaited: true }],
        delegate: { concurrency: 1, without: [], takesMs: 0, troubles: [] },
        launched: [],
        whenInUse: 'waits',
        ignoresTerm: false,
        acts: [],
        startsAtMs: [0],
      },
    ],
    faults: [],
    diskFaults: [],
    journalFailures: [],
    slow: [],
    breaks: [],
    calmAtMs: 600_000,
  }
}
