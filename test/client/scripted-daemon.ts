// The daemon's side of the socket, played by a test: a real local socket, the real handshake and peer, and answers that the
// test gives. It can break connections, end, and come again under the same home.
import { join } from 'node:path'
import { LonghaulError } from '../../src/contract/errors.ts'
import { defaultConfiguration } from '../../src/contract/session.ts'
import type { NewTask, TaskRecord } from '../../src/contract/task.ts'
import { type Notes, type Params, protocolVersions, type Result, type Verb } from '../../src/contract/verbs.ts'
import { createClock, random } from '../../src/platform/clock.ts'
import { removeLock, writeLock } from '../../src/platform/lock-file.ts'
import { userSecret } from '../../src/platform/secret.ts'
import { type DaemonFacts, receive } from '../../src/wire/handshake.ts'
import { listenLocal, type LocalListener } from '../../src/wire/local-socket.ts'
import type { Peer } from '../../src/wire/peer.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const clock = createClock({ keepAlive: false })

export type Answers = {
  readonly [V in Verb]?: (params: Params<V>, signal: AbortSignal) => Result<V> | Promise<Result<V>>
}

export class ScriptedDaemon {
  readonly home: string
  readonly facts: DaemonFacts
  /** Every call that came, in order. */
  readonly calls: { readonly verb: Verb; readonly params: unknown }[] = []
  connections = 0
  #answers: Answers
  #listener: LocalListener | undefined
  readonly #peers = new Set<Peer>()
  readonly #waiting: { readonly verb: Verb; readonly count: number; readonly resolve: () => void }[] = []

  private constructor(home: string, answers: Answers) {
    this.home = home
    this.facts = { pid: process.pid, version: '0.0.0', home }
    this.#answers = answers
  }

  static async start(answers: Answers = {}): Promise<ScriptedDaemon> {
    const daemon = new ScriptedDaemon(await temporaryFolder(), answers)
    await daemon.listen()
    return daemon
  }

  /** Never starts another daemon. */
  get daemon(): { readonly home: string; readonly start: 'never' } {
    return { home: this.home, start: 'never' }
  }

  answer(answers: Answers): void {
    this.#answers = { ...this.#answers, ...answers }
  }

  async listen(): Promise<void> {
    const secret = await userSecret(this.home)
    const path = join(this.home, 'run', 's')
    this.#listener = await listenLocal(path, {
      connected: (channel) => {
        const handlers = Object.fromEntries(
          verbs.map((verb) => [
            verb,
            (params: unknown, { signal }: { signal: AbortSignal }) => this.#serve(verb, params, signal),
          ]),
        )
        receive(channel, {
          secret,
          versions: protocolVersions,
          clock,
          random,
          facts: this.facts,
          serve: () => ({ handlers }),
        }).then(
          ({ peer }) => {
            this.connections++
            this.#peers.add(peer)
            void peer.closed.then(() => this.#peers.delete(peer))
          },
          () => {},
        )
      },
    })
    writeLock(this.home, {
      pid: process.pid,
      bootId: '',
      socket: path,
      version: '0.0.0',
      protocols: [...protocolVersions],
      startedAt: 0,
    })
  }

  /** Cuts every connection; the socket stays. */
  cut(): void {
    for (const peer of this.#peers) peer.close(new Error('cut by the test'))
  }

  /** As if the process had died: connections, socket and lock are gone. */
  async stop(): Promise<void> {
    removeLock(this.home)
    await this.#listener?.close()
    this.#listener = undefined
    this.cut()
  }

  note<N extends keyof Notes>(name: N, params: Notes[N]): void {
    for (const peer of this.#peers) peer.note(name, params)
  }

  callsOf<V extends Verb>(verb: V): readonly Params<V>[] {
    return this.calls.filter((call) => call.verb === verb).map((call) => call.params as Params<V>)
  }

  /** Resolves when that many calls of a verb have come. */
  async came(verb: Verb, count = 1): Promise<void> {
    if (this.callsOf(verb).length >= count) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ verb, count, resolve })
    await promise
  }

  #serve(verb: Verb, params: unknown, signal: AbortSignal): unknown {
    this.calls.push({ verb, params })
    const answer = this.#answers[verb] as ((params: unknown, signal: AbortSignal) => unknown) | undefined
    for (const each of this.#waiting) if (this.callsOf(each.verb).length >= each.count) each.resolve()
    if (answer !== undefined) return answer(params, signal)
    const usual = usualAnswers[verb] as ((params: unknown) => unknown) | undefined
    if (usual === undefined) throw new LonghaulError('INVALID_ARGUMENT', `the test has no answer for ${verb}`)
    return usual(params)
  }
}

let fence = 0

const usualAnswers: Answers = {
  'session.open': ({ identifier, own }) => ({
    identifier,
    created: true,
    configuration: defaultConfiguration,
    changedConfiguration: [],
    survives: 'on demand',
    launched: own?.launchToken !== undefined,
    ...(own !== undefined && { fence: ++fence }),
  }),
  'session.activate': () => null,
  'session.close': () => null,
  'session.list': () => [],
  'session.counts': () => ({ suspended: 0, held: 0, queued: 0, waiting: 0, active: 0, completed: 0 }),
  'session.launchCompleted': () => null,
  'event.acknowledge': ({ sequences }) => ({ acknowledged: sequences.length }),
  'event.refuse': () => null,
  'event.slow': () => null,
  'watch.stop': () => null,
  'task.change': () => ({ changed: 1 }),
  'task.enqueue': ({ tasks }) => ({ tasks: tasks.map(({ id }) => ({ id, isNew: true })) }),
  'task.add': ({ session, tasks }) => ({
    tasks: tasks.map((task, at) => ({ task: recordOf(task, { session, taskIdentifier: at + 1 }), isNew: true })),
  }),
}

const verbs: readonly Verb[] = [
  'session.open',
  'session.activate',
  'session.close',
  'session.finish',
  'session.drop',
  'session.hold',
  'session.counts',
  'session.list',
  'session.launchCompleted',
  'session.stillWorking',
  'task.add',
  'task.enqueue',
  'task.get',
  'task.find',
  'task.page',
  'task.change',
  'task.retry',
  'task.explain',
  'task.wait',
  'event.acknowledge',
  'event.refuse',
  'event.slow',
  'watch.start',
  'watch.stop',
  'daemon.status',
  'daemon.stop',
]

/** What the daemon would say of a task that was just added. */
function recordOf(task: NewTask, changes: Partial<TaskRecord> = {}): TaskRecord {
  return {
    id: task.id,
    taskIdentifier: 1,
    session: 'com.example.test',
    kind: 'download',
    state: task.start ? 'running' : 'suspended',
    phase: task.start ? 'queued' : 'suspended',
    gate: task.start ? 'ready' : 'suspended',
    ...(task.metadata !== undefined && { metadata: task.metadata }),
    ...(task.key !== undefined && { key: task.key }),
    tags: task.tags ?? [],
    priority: task.priority,
    originalRequest: task.request,
    currentRequest: task.request,
    progress: { received: 0, sent: 0, rate: 0 },
    destination: task.destination,
    attempts: 0,
    createdAtMs: 1_760_000_000_000,
    ...changes,
  }
}

/** A record without a task of which it was made. */
export function someRecord(id: string, changes: Partial<TaskRecord> = {}): TaskRecord {
  const request = { url: 'http://127.0.0.1/a', method: 'GET', headers: [] }
  const task: NewTask = {
    id,
    kind: 'download',
    request,
    destination: { kind: 'spool' },
    ifExists: 'replace',
    umask: 0o022,
    priority: 0.5,
    policy: {},
    start: true,
  }
  return recordOf(task, changes)
}
