// The least that keeps what Longhaul promises for many small files: a daemon that fetches by undici's pool, a journal in a thread of its
// own, an app in a process of its own. For each file four guarded commits (started, named, to be published, finished), a sync of it
// and of its folder, and three events, counted before they are sent and acknowledged under their owner's fence. No redirects, no proofs of
// sameness, no limits, no retries, no explanations, no errors. It begins cold: the start of its three Nodes is in what it takes.
// Parameter: Parameter. Ends with 1 where a file came otherwise than announced.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import * as fs from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import type { Pool as UndiciPool } from 'undici'

interface Row {
  readonly url: string
  readonly to: string
}

interface Parameter {
  /** A file of rows. */
  readonly rows: string
  /** It is made. */
  readonly home: string
  readonly active: number
  readonly connections: number
  /** Set in the app's process: where the daemon listens. */
  readonly socket?: string
}

interface Event {
  readonly sequence: number
  readonly body: string
}

type Command = 'add' | 'start' | 'reserve' | 'intent' | 'finish' | 'deliver' | 'acknowledge'
type Call = readonly [id: number, command: Command, values: readonly (string | number)[]]

const sync = promisify(fs.fsync)
const folders = new Map<
  string,
  { readonly descriptor: number; latest: Promise<void>; next: Promise<void> | undefined }
>()

if (!isMainThread) await journal(workerData as string)
else {
  const parameter = JSON.parse(process.argv[2]!) as Parameter
  if (parameter.socket === undefined) await daemon(parameter)
  else await app(parameter, parameter.socket)
}

/** Calls that came during a commit share the next one. */
async function journal(path: string): Promise<void> {
  const { DatabaseSync } = await import('node:sqlite')
  const database = new DatabaseSync(path)
  database.exec(`pragma journal_mode = wal; pragma synchronous = full;
    create table task(id integer primary key, request text not null, gate text not null, fence integer not null default 0,
      attempts integer not null default 0, total integer, intent text, response text, result text, completed_at integer);
    create index task_ready on task(id) where gate = 'ready';
    create table part(task integer primary key, name text not null);
    create table attempt(task integer, number integer, started integer, took integer, primary key(task, number)) without rowid;
    create table event(sequence integer primary key, task integer not null, kind text not null, body text not null,
      deliveries integer not null default 0);
    create table owner(fence integer not null);
    insert into owner values (1)`)
  const statements = {
    add: [`insert into task(id, request, gate) values (?1, ?2, 'ready')`],
    start: [
      `update task set gate = 'active', fence = fence + 1, attempts = attempts + 1 where id = ?1 and gate = 'ready'`,
      'insert into attempt values (?1, 1, ?2, null)',
    ],
    reserve: [
      'update task set total = ?2, response = ?3 where id = ?1 and fence = 1',
      'insert into part values (?1, ?4)',
    ],
    intent: ['update task set intent = ?2 where id = ?1 and fence = 1'],
    finish: [
      `update task set gate = 'done', fence = fence + 2, intent = null, completed_at = ?2, result = ?3 where id = ?1 and fence = 1`,
      'delete from part where task = ?1',
      'update attempt set took = ?2 - started where task = ?1 and number = 1',
    ],
    deliver: ['update event set deliveries = deliveries + 1 where sequence between ?1 and ?2'],
    acknowledge: ['delete from event where sequence <= ?1 and deliveries > 0 and (select fence from owner) = 1'],
  } as const satisfies Record<Command, readonly string[]>
  const prepared = new Map(
    Object.entries(statements).map(([name, texts]) => [
      name as Command,
      // Each with the values that it names.
      texts.map((text) => ({
        statement: database.prepare(text),
        used: Math.max(...[...text.matchAll(/\?(\d)/g)].map(([, n]) => Number(n))),
        text,
      })),
    ]),
  )
  const tell = database.prepare('insert into event(task, kind, body) values (?, ?, ?)')
  const run = (command: Command, values: readonly (string | number)[]): readonly Event[] => {
    prepared.get(command)!.forEach(({ statement, used }, index) => {
      const { changes } = statement.run(...values.slice(0, used))
      if (index === 0 && command !== 'deliver' && command !== 'acknowledge' && changes !== 1)
        throw new Error(`${command}: fenced`)
    })
    if (command !== 'finish') return []
    return ['didFinishDownloading', 'didFinishCollectingMetrics', 'didComplete'].map((kind) => {
      const body = JSON.stringify({ kind, task: values[0], at: values[1], location: values[2] })
      return { sequence: Number(tell.run(values[0]!, kind, body).lastInsertRowid), body }
    })
  }
  let waiting: Call[] = []
  parentPort!.on('message', (calls: readonly Call[]) => {
    if (waiting.length === 0)
      setImmediate(() => {
        const group = waiting
        waiting = []
        database.exec('begin')
        const answers = group.map(([id, command, values]) => [id, run(command, values)] as const)
        database.exec('commit')
        parentPort!.postMessage(answers)
      })
    waiting.push(...calls)
  })
}

async function daemon(parameter: Parameter): Promise<void> {
  fs.mkdirSync(parameter.home)
  const { default: undici } = await import('undici')
  const worker = new Worker(new URL(import.meta.url), { workerData: join(parameter.home, 'journal.db') })
  const pending = new Map<number, (events: readonly Event[]) => void>()
  let lastId = 0
  let outgoing: Call[] = []
  worker.on('message', (answers: readonly (readonly [number, readonly Event[]])[]) => {
    for (const [id, events] of answers) {
      pending.get(id)?.(events)
      pending.delete(id)
    }
  })
  const call = (command: Command, ...values: readonly (string | number)[]): Promise<readonly Event[]> =>
    new Promise((resolve) => {
      pending.set(++lastId, resolve)
      outgoing.push([lastId, command, values])
      if (outgoing.length === 1)
        queueMicrotask(() => {
          worker.postMessage(outgoing)
          outgoing = []
        })
    })

  const listening = createServer().listen(join(parameter.home, 'socket'))
  await once(listening, 'listening')
  const own = JSON.stringify({ ...parameter, socket: join(parameter.home, 'socket') })
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), own], { stdio: 'inherit' })
  const [socket] = (await once(listening, 'connection')) as [Socket]
  const queue: (readonly [number, Row])[] = []
  let pool: UndiciPool | undefined
  let known = 0
  let active = 0
  let untold: Event[] = []
  /** What has ended in one turn goes in one frame. */
  const tell = (events: readonly Event[]): void => {
    untold.push(...events)
    if (untold.length > events.length) return
    setImmediate(() => {
      const told = untold
      untold = []
      const sequences = told.map(({ sequence }) => sequence)
      void call('deliver', Math.min(...sequences), Math.max(...sequences)).then(() => send(socket, told))
    })
  }
  const look = (): void => {
    while (active < parameter.active && queue.length > 0) {
      active++
      const [id, row] = queue.shift()!
      pool ??= new undici.Pool(new URL(row.url).origin, { connections: parameter.connections, pipelining: 1 })
      void fetchOne(id, row, pool, call).then((events) => {
        active--
        tell(events)
        look()
      })
    }
  }
  receive(socket, (message) => {
    if (typeof message === 'number') void call('acknowledge', message)
    else {
      const rows = (message as readonly Row[]).map((row) => [++known, row] as const)
      void Promise.all(rows.map(([id, row]) => call('add', id, JSON.stringify(row)))).then(() => {
        send(socket, rows.length)
        queue.push(...rows)
        look()
      })
    }
  })
  const [code] = (await once(child, 'exit')) as [number]
  // The last acknowledgement is committed.
  await call('acknowledge', 0)
  process.exit(code)
}

/** Whoever asks while one is under way shares the next. */
function syncFolder(path: string): Promise<void> {
  let folder = folders.get(path)
  if (folder === undefined) {
    folder = { descriptor: fs.openSync(path, 'r'), latest: Promise.resolve(), next: undefined }
    folders.set(path, folder)
  }
  const { descriptor, latest } = folder
  const mine = folder
  if (folder.next === undefined) {
    folder.next = latest.then(() => {
      mine.next = undefined
      return sync(descriptor)
    })
    folder.latest = folder.next
  }
  return folder.next
}

type Journal = (command: Command, ...values: readonly (string | number)[]) => Promise<readonly Event[]>

async function fetchOne(id: number, { url, to }: Row, pool: UndiciPool, call: Journal): Promise<readonly Event[]> {
  await call('start', id, Date.now())
  const part = `${to}.part`
  let named: Promise<unknown> | undefined
  let length = -1
  const chunks = await new Promise<readonly Buffer[]>((resolve, reject) => {
    const taken: Buffer[] = []
    pool.dispatch(
      { method: 'GET', path: new URL(url).pathname, headers: { 'accept-encoding': 'identity' } },
      {
        onRequestStart() {},
        onResponseStart(_controller, status, headers) {
          if (status !== 200) reject(new Error(`status ${status}`))
          length = Number(headers['content-length'])
          named = call('reserve', id, length, JSON.stringify(headers), part)
        },
        onResponseData(_controller, chunk) {
          taken.push(chunk)
        },
        onResponseEnd() {
          resolve(taken)
        },
        onResponseError(_controller, error) {
          reject(error)
        },
      },
    )
  })
  await named
  const file = fs.openSync(part, 'wx')
  let bytes = 0
  for (const chunk of chunks) bytes += fs.writeSync(file, chunk)
  if (bytes !== length) throw new Error(`${bytes} of ${length} bytes came`)
  await sync(file)
  await call('intent', id, JSON.stringify({ to, inode: fs.fstatSync(file).ino, bytes }))
  fs.closeSync(file)
  fs.renameSync(part, to)
  await syncFolder(dirname(to))
  return call('finish', id, Date.now(), to)
}

async function app({ rows }: Parameter, path: string): Promise<void> {
  const wanted = JSON.parse(fs.readFileSync(rows, 'utf8')) as readonly Row[]
  const socket = connect(path)
  let completed = 0
  let highest = 0
  let isTold = true
  receive(socket, (message) => {
    // How many tasks are safe.
    if (typeof message === 'number') return
    for (const { sequence, body } of message as readonly Event[]) {
      highest = Math.max(highest, sequence)
      if ((JSON.parse(body) as { readonly kind: string }).kind === 'didComplete') completed++
    }
    if (!isTold) return
    isTold = false
    setImmediate(() => {
      isTold = true
      send(socket, highest)
      if (completed === wanted.length) socket.end()
    })
  })
  for (let at = 0; at < wanted.length; at += 500) send(socket, wanted.slice(at, at + 500))
  await once(socket, 'close')
}

/** Four bytes of length, then JSON. */
function send(socket: Socket, message: unknown): void {
  const body = Buffer.from(JSON.stringify(message))
  const frame = Buffer.allocUnsafe(4 + body.length)
  frame.writeUInt32LE(body.length)
  body.copy(frame, 4)
  socket.write(frame)
}

function receive(socket: Socket, take: (message: unknown) => void): void {
  let held = Buffer.alloc(0)
  socket.on('data', (chunk) => {
    held = held.length === 0 ? chunk : Buffer.concat([held, chunk])
    for (;;) {
      const length = held.length < 4 ? Infinity : held.readUInt32LE()
      if (held.length < 4 + length) return
      take(JSON.parse(held.toString('utf8', 4, 4 + length)))
      held = held.subarray(4 + length)
    }
  })
}
