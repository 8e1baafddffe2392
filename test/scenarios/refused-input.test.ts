/**
 * What a program or a person may get wrong, through the library and the command as they are shipped. Each is refused with the
 * code of its kind, in words that say what is wrong and what to do, before anything is enqueued: no task is made, no request
 * leaves, and where nothing of the daemon is needed to see it, no daemon is started and no home is made.
 */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ErrorCode } from '../../src/contract/errors.ts'
import { FaultServer } from '../../src/testing/index.ts'
import { needs } from '../support/needs.ts'
import { type App, type AppContext, Stage, ThrownThere } from '../support/stage.ts'

interface Given {
  readonly url: string
  /** A folder that can be written to. */
  readonly folder: string
  /** A file that is there. */
  readonly file: string
}

interface Row {
  readonly what: string
  /** Runs in the app. */
  readonly call: (context: AppContext, given: Given) => unknown
  readonly code: ErrorCode
  /** What the message has to say. */
  readonly says: readonly RegExp[]
}

/** Wrong requests and options: the same for the short way, a session's tasks and the rows of `enqueue`. */
const wrongTasks: readonly {
  readonly what: string
  readonly url?: string
  readonly options?: Readonly<Record<string, unknown>>
  /** In the options this is put in the place of the existing file. */
  readonly to?: string
  readonly code: ErrorCode
  readonly says: readonly RegExp[]
  /** As arguments of `get`, where the command can say it. */
  readonly words?: readonly string[]
}[] = [
  {
    what: 'an address without a scheme',
    url: 'example.com/file.bin',
    code: 'BAD_URL',
    says: [/"example\.com\/file\.bin" is not a valid URL/, /https:\/\/example\.com\/file\.bin/],
    words: [],
  },
  { what: 'an address without a host', url: 'http://', code: 'BAD_URL', says: [/not a valid URL/], words: [] },
  {
    what: 'a port out of range',
    url: 'http://127.0.0.1:99999/a',
    code: 'BAD_URL',
    says: [/not a valid URL/],
    words: [],
  },
  {
    what: 'an unknown scheme',
    url: 'gopher://127.0.0.1/a',
    code: 'UNSUPPORTED_URL',
    says: [/gopher:.* is not supported/],
    words: [],
  },
  {
    what: 'a folder below a file',
    to: 'below/a.bin',
    code: 'CANNOT_CREATE_FILE',
    says: [/there\.txt\/below/, /is a file, not a folder/],
    words: ['-o', 'there.txt/below/a.bin'],
  },
  {
    what: 'a bare number as a duration',
    options: { timeoutIntervalForRequest: 60 },
    code: 'INVALID_ARGUMENT',
    says: [/timeoutIntervalForRequest/, /'60s'/, /\{ seconds: 60 \}/],
    words: ['--deadline', '60'],
  },
  {
    what: 'a misspelt option',
    options: { expectedDigset: 'x' },
    code: 'INVALID_ARGUMENT',
    says: [/'expectedDigset'/, /Did you mean 'expectedDigest'\?/],
    words: ['--haeder', 'A: b'],
  },
  {
    what: 'a digest of the wrong length',
    options: { expectedDigest: `sha-256:${'ab'.repeat(31)}` },
    code: 'INVALID_ARGUMENT',
    says: [/62 hexadecimal digits/, /64/],
    words: ['--digest', `sha-256:${'ab'.repeat(31)}`],
  },
  {
    what: 'a choice that there is not',
    options: { ifExists: 'overwrite' },
    code: 'INVALID_ARGUMENT',
    says: [/"overwrite" is not one of replace/],
  },
  {
    what: 'an option of a later version',
    options: { discretionary: true },
    code: 'INVALID_ARGUMENT',
    says: [/discretionary/, /not in this version yet/],
  },
]

const wrongSessions: readonly Row[] = [
  {
    what: 'a misspelt delegate method',
    call: ({ longhaul }) =>
      longhaul.BackgroundSession.open({
        identifier: 'com.example.a',
        delegate: { didCompleteWithError() {} } as never,
      }),
    code: 'INVALID_ARGUMENT',
    says: [/delegate\.didCompleteWithError/, /did you mean 'didComplete'\?/],
  },
  {
    what: 'a misspelt option of a session',
    call: ({ longhaul }) => longhaul.BackgroundSession.open({ identifier: 'com.example.a', configuraton: {} } as never),
    code: 'INVALID_ARGUMENT',
    says: [/'configuraton'/, /Did you mean 'configuration'\?/],
  },
  {
    what: 'a misspelt value of the configuration',
    call: ({ longhaul }) =>
      longhaul.BackgroundSession.open({
        identifier: 'com.example.a',
        configuration: { maximumActiveTask: 3 } as never,
      }),
    code: 'INVALID_ARGUMENT',
    says: [/'maximumActiveTask'/, /Did you mean 'maximumActiveTasks'\?/],
  },
  {
    what: 'a bare number in the configuration',
    call: ({ longhaul }) =>
      longhaul.BackgroundSession.open({
        identifier: 'com.example.a',
        configuration: { timeoutIntervalForResource: 7 } as never,
      }),
    code: 'INVALID_ARGUMENT',
    says: [/timeoutIntervalForResource/, /'7s'/, /\{ seconds: 7 \}/],
  },
  {
    what: 'an identifier with a line break',
    call: ({ longhaul }) => longhaul.BackgroundSession.open({ identifier: 'a\nb' }),
    code: 'INVALID_ARGUMENT',
    says: [/identifier/, /visible/],
  },
  {
    what: 'a launch command that is no command',
    call: ({ longhaul }) =>
      longhaul.BackgroundSession.open({ identifier: 'com.example.a', launch: { comand: 'node' } as never }),
    code: 'INVALID_ARGUMENT',
    says: [/'comand'/, /'command'/],
  },
]

/** The one way to be refused: the code, what is wrong, what did not happen, and a hint. */
async function refused(
  app: App,
  row: Row,
  given: Given,
  untouched = /Nothing .*was|Nothing was|did not start/,
): Promise<void> {
  const error = await app.run(row.call, given).then(
    () => assert.fail(`${row.what} was taken`),
    (thrown: unknown) => thrown as ThrownThere & { readonly hint?: string },
  )
  assert.ok(error instanceof ThrownThere, String(error))
  assert.equal(error.code, row.code, `${row.what}: ${error.message}`)
  for (const words of [...row.says, untouched]) assert.match(error.message, words, row.what)
  assert.ok((error.hint ?? '').length > 10, `${row.what} comes with a hint`)
}

interface Scene extends AsyncDisposable {
  readonly server: FaultServer
  readonly stage: Stage
  readonly given: Given
}

async function scene(): Promise<Scene> {
  const server = await FaultServer.start()
  const stage = await Stage.open()
  const file = stage.path('there.txt')
  writeFileSync(file, 'mine')
  const url = server.file('/good.bin', { size: 1000 })
  return {
    server,
    stage,
    given: { url, folder: stage.files, file },
    async [Symbol.asyncDispose]() {
      await stage[Symbol.asyncDispose]()
      await server[Symbol.asyncDispose]()
    },
  }
}

function nothingStarted({ stage, server }: Scene): void {
  assert.ok(!existsSync(stage.home), 'no home was made, so no daemon was started')
  assert.deepEqual(readdirSync(stage.files), ['there.txt'], 'no file and no folder was made')
  assert.equal(server.requests.length, 0)
}

test('a wrong request or option of download() is refused before a daemon is started', async () => {
  await using here = await scene()
  const app = await here.stage.start()
  for (const { what, code, says, url, to = '', options = {} } of wrongTasks) {
    const given = {
      ...here.given,
      url: url ?? here.given.url,
      file: to === '' ? join(here.given.folder, 'new', 'a.bin') : join(here.given.file, to),
    }
    const call = `({ longhaul }, { url, file }) => longhaul.download(url, { to: file, ...${JSON.stringify(options)} })`
    await refused(app, { what, code, says, call: sent(call) }, given)
  }
  nothingStarted(here)
})

test('a wrong session is refused before a daemon is started', async () => {
  await using here = await scene()
  const app = await here.stage.start()
  for (const row of wrongSessions) await refused(app, row, here.given)
  nothingStarted(here)
})

test('get refuses a wrong address or option with a line that helps, before a daemon is started', async () => {
  await using here = await scene()
  const { stage, given } = here
  for (const { what, code, url, words } of wrongTasks) {
    if (words === undefined) continue
    const place = words.includes('-o') ? [] : ['-o', join(stage.files, 'new', 'a.bin')]
    const ran = await stage.longhaul('get', url ?? given.url, ...words, ...place)
    assert.equal(ran.code, code === 'CANNOT_CREATE_FILE' ? 7 : 2, `${what}: ${ran.stderr}`)
    assert.equal(ran.stdout, '', what)
    assert.match(ran.stderr, /You can: |Did you mean |[Ww]rite |sha-256 has 64/, what)
  }
  nothingStarted(here)
})

test('a wrong request or option of a task, and of a row of many, leaves no task behind', async () => {
  await using here = await scene()
  const { stage, given, server } = here
  const app = await stage.start({ identifier: 'com.example.wrong' })
  for (const { what, code, says, url, to = '', options = {} } of wrongTasks) {
    const wrong = {
      ...given,
      url: url ?? given.url,
      file: to === '' ? join(given.folder, 'new', 'a.bin') : join(given.file, to),
    }
    const rest = JSON.stringify(options)
    const one = `({ session }, { url, file }) => session.download(url, { to: file, ...${rest} })`
    await refused(app, { what, code, says, call: sent(one) }, wrong)
    const many = `({ session }, { url, file }) =>
      session.enqueue([{ url: 'http://127.0.0.1:1/x' }, { url, to: file, ...${rest} }], { start: true })`
    await refused(app, { what: `${what}, as a row`, code, says: [/^Row 1: /, ...says], call: sent(many) }, wrong)
  }
  const counts = await app.run(({ session }) => session.counts())
  assert.deepEqual(
    Object.entries(counts).filter(([, count]) => count > 0),
    [],
    'no task exists',
  )
  assert.equal(server.requests.length, 0)
  assert.deepEqual(readdirSync(stage.files), ['there.txt'])
})

test('a folder on a read-only disk is refused before anything is enqueued', { skip: needs('mounts') }, async () => {
  await using here = await scene()
  const { stage, given } = here
  const disk = stage.path('disk')
  await mkdir(disk)
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'ro,size=1m', 'longhaul-test', disk])
  try {
    const app = await stage.start()
    for (const file of [join(disk, 'a.bin'), join(disk, 'new', 'a.bin'), `${disk}/`]) {
      const row: Row = {
        what: file,
        call: ({ longhaul }, { url, file: to }) => longhaul.download(url, { to }),
        code: 'CANNOT_CREATE_FILE',
        says: [/the file system is read-only/, /disk/],
      }
      await refused(app, row, { ...given, file })
      const ran = await stage.longhaul('get', given.url, '-o', file)
      assert.equal(ran.code, 7, ran.stderr)
      assert.match(ran.stderr, /read-only/)
    }
    assert.ok(!existsSync(stage.home), 'no daemon was started')
    const home: Row = {
      what: 'a home that cannot be made',
      call: ({ longhaul }, { file }) => longhaul.sessions({ daemon: { home: file } }),
      code: 'CANNOT_CREATE_FILE',
      says: [/disk\/home/, /read-only|EROFS/],
    }
    await refused(app, home, { ...given, file: join(disk, 'home') })
    assert.equal(here.server.requests.length, 0)
  } finally {
    execFileSync('umount', [disk])
  }
})

/** The text of a function is sent, so one that is put together from a table is a text at once. */
function sent(text: string): Row['call'] {
  return { toString: () => text } as unknown as Row['call']
}
