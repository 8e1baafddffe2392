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
]
