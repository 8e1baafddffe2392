// Runs that have found a mistake. They are run for ever, whatever else is drawn. A seed means what plan.ts makes of it, so one
// that matters is kept as its shrunk plan: `npm run simulate -- --trace SEED` writes it.
import type { Plan } from './plan.ts'

export type Regression = {
  /** What it found, in a sentence. */
  readonly found: string
} & ({ readonly seed: number } | { readonly plan: Plan })

export const regressions: readonly Regression[] = [
  {
    found: 'the part of a cancelled task was never unlinked: its id among the owed files had been given before',
    plan: {
      seed: 403,
      limits: { maximumActiveTasks: 2, maximumConnectionsPerOrigin: 1 },
      servers: [
        {
          url: 'https://one.test/file-0',
          server: {
            size: 14,
            ageMs: 0,
            versions: [{ atMs: 652 }, { atMs: 73576, size: 0 }],
            nature: {
              validators: 'etag and last-modified',
              ranges: true,
              length: 'chunked',
              ifRange: 'never true',
              digestHeader: false,
              redirects: 0,
              bytesPerSecond: 1,
            },
            weather: [{ kind: 'changes under the body', after: 0.3 }],
            afterwards: 'weather again',
          },
        },
      ],
      folders: ['/data/a'],
      files: [],
      apps: [
        {
          session: 'test.app-0',
          configuration: { launchTimeLimit: 1 },
          tasks: [
            {
              atMs: 0,
              url: 'https://one.test/file-0',
              to: '/data/a/test.app-0-0',
              ifExists: 'skip',
              key: 'task 0',
              start: true,
              awaited: true,
            },
          ],
          delegate: { concurrency: 1, without: [], takesMs: 0, troubles: [] },
          launched: [],
          whenInUse: 'is a controller',
          ignoresTerm: false,
          acts: [],
          startsAtMs: [0],
        },
      ],
      calmAtMs: 263691,
      faults: [{ kind: 'users act', act: 'cancel all', call: 'folder.unlink', nth: 2 }],
      diskFaults: [],
      journalFailures: [],
      slow: [],
      breaks: [],
    },
  },
  {
    found:
      'an acknowledgement went ahead of one that waited for the journal: an event came after the completion of its task was acknowledged',
    plan: {
      seed: 6003038,
      limits: { maximumActiveTasks: 2, maximumConnectionsPerOrigin: 1 },
      servers: [
        {
          url: 'https://one.test/file-0',
          server: {
            size: 0,
            ageMs: 40038111,
            versions: [{ atMs: 1364 }, { atMs: 9915, size: 54 }],
            nature: {
              validators: 'weak etag',
              ranges: true,
              length: 'content-length',
              ifRange: 'honours',
              digestHeader: false,
              redirects: 0,
              bytesPerSecond: 50,
            },
            weather: [],
            afterwards: 'honest',
          },
        },
        {
          url: 'https://one.test/file-1',
          server: {
            size: 13,
            ageMs: 333013,
            versions: [],
            nature: {
              validators: 'etag and last-modified',
              ranges: true,
              length: 'content-length',
              ifRange: 'ignores',
              digestHeader: true,
              redirects: 0,
              bytesPerSecond: 50,
            },
            weather: [
              { kind: 'cut', after: 0.32893365528434515 },
              { kind: 'wrong range start' },
              { kind: 'slow', bytesPerSecond: 50 },
              { kind: 'cut', after: 0.06963504571467638 },
              { kind: '206 without being asked' },
              { kind: 'changes twice', after: 0.8285826579667628 },
              { kind: 'malformed', after: 0.2529062810353935 },
            ],
            afterwards: 'honest',
          },
        },
      ],
      folders: ['/data/a', '/data/b'],
      files: [],
      apps: [
        {
          session: 'test.app-0',
          configuration: {
            maximumConnectionsPerHost: 1,
            timeoutIntervalForRequest: 58090,
            launchTimeLimit: 32661,
            sendsLaunchEvents: false,
          },
          tasks: [
            {
              atMs: 291,
              url: 'https://one.test/file-0',
              to: '/data/a/file-0',
              ifExists: 'fail',
              key: 'task 1',
              start: true,
              priority: 0,
              awaited: false,
            },
            {
              atMs: 342,
              url: 'https://one.test/file-0',
              to: '/data/b/test.app-0-3',
              ifExists: 'keepBoth',
              key: 'task 3',
              start: false,
              priority: 1,
              awaited: false,
            },
            {
              atMs: 149,
              url: 'https://one.test/file-0',
              to: '/data/a/test.app-0-4',
              key: 'task 4',
              start: true,
              awaited: false,
            },
            {
              atMs: 1175,
              url: 'https://one.test/file-1',
              to: '/data/a/test.app-0-5',
              ifExists: 'revalidate',
              key: 'task 5',
              start: true,
              after: 0,
              awaited: false,
            },
          ],
          delegate: {
            concurrency: 1,
            without: [],
            takesMs: 1214,
            troubles: [{ kind: 'didFinishEvents', nth: 2, what: { is: 'throws', times: 1 } }],
          },
          launched: ['stays', 'well', 'has no handler', 'never completes'],
          whenInUse: 'waits',
          ignoresTerm: false,
          acts: [{ atMs: 1676, act: 'die' }],
          command: '/apps/0',
          startsAtMs: [107, 8445, 11355],
        },
      ],
      calmAtMs: 51365,
      faults: [],
      diskFaults: [],
      journalFailures: [{ from: 42, times: 3, code: 13 }],
      slow: [],
      breaks: [],
    },
  },
  {
    found:
      'an app that the former daemon launched said that it was done before it opened its session, and a second copy was launched beside it',
    plan: {
      seed: 960722512,
      limits: {
        maximumActiveTasks: 32,
        maximumConnectionsPerOrigin: 8,
      },
      servers: [
        {
          url: 'https://one.test/file-0',
          server: {
            size: 0,
            ageMs: 0,
            versions: [],
            nature: {
              validators: 'strong etag',
              ranges: true,
              length: 'content-length',
              ifRange: 'honours',
              digestHeader: false,
              redirects: 0,
              bytesPerSecond: 1,
            },
            weather: [],
            afterwards: 'honest',
          },
        },
        {
          url: 'https://one.test/file-2',
          server: {
            size: 1,
            ageMs: 0,
            versions: [],
            nature: {
              validators: 'last-modified',
              ranges: true,
              length: 'content-length',
              ifRange: 'honours',
              digestHeader: false,
              redirects: 0,
              bytesPerSecond: 1,
            },
            weather: [],
            afterwards: 'honest',
          },
        },
      ],
      folders: [],
      files: [],
      apps: [
        {
          session: 'test.app-0',
          configuration: {
            maximumActiveTasks: 1,
            launchTimeLimit: 1,
          },
          tasks: [
            {
              atMs: 0,
              url: 'https://one.test/file-0',
              to: '/data/a/test.app-0-0',
              key: 'task 0',
              start: true,
              begins: 2966,
              awaited: false,
            },
            {
              atMs: 0,
              url: 'https://one.test/file-0',
              to: '/data/a/test.app-0-2',
              ifExists: 'replace',
              key: 'task 2',
              start: true,
              digest: true,
              begins: 50893,
              awaited: false,
            },
          ],
          delegate: {
            concurrency: 1,
            without: [],
            takesMs: 0,
            troubles: [],
          },
          launched: ['completes first'],
          whenInUse: 'takes over',
          ignoresTerm: false,
          acts: [],
          command: '/apps/0',
          startsAtMs: [9],
        },
        {
          session: 'test.app-1',
          configuration: {
            maximumActiveTasks: 1,
            timeoutIntervalForRequest: 6409,
            launchTimeLimit: 1,
          },
          launchWhen: {
            atLeast: 1,
            after: 0,
          },
          tasks: [
            {
              atMs: 0,
              url: 'https://one.test/file-2',
              to: '/data/b/',
              key: 'task 0',
              start: false,
              awaited: true,
            },
          ],
          delegate: {
            concurrency: 1,
            without: [],
            takesMs: 0,
            troubles: [],
          },
          launched: [],
          whenInUse: 'is a controller',
          ignoresTerm: false,
          acts: [
            {
              atMs: 500,
              task: 0,
              act: 'resume',
            },
            {
              atMs: 1181,
              task: 0,
              act: 'new headers',
            },
            {
              atMs: 1402,
              act: 'release all',
            },
          ],
          command: '/apps/1',
          startsAtMs: [90],
        },
      ],
      calmAtMs: 444861,
      faults: [
        {
          kind: 'users act',
          act: 'close',
          call: 'commit of reserve',
          nth: 2,
        },
        {
          kind: 'daemon dies',
          call: 'any',
          nth: 256,
          moment: 'after',
        },
        {
          kind: 'daemon dies',
          call: 'launcher.start',
          nth: 1,
          moment: 'after',
        },
      ],
      diskFaults: [],
      journalFailures: [],
      slow: [],
      breaks: [
        {
          connection: 1,
          frame: 1,
          delivered: false,
        },
        {
          connection: 0,
          frame: 4,
          delivered: true,
        },
        {
          connection: 3,
          frame: 1,
          delivered: true,
        },
      ],
    },
  },
]
