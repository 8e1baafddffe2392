// Checked by the compiler (`npm run types`), never run: what users may write, and what they may not.
import {
  BackgroundSession,
  download,
  type DownloadResult,
  type DownloadTask,
  handleEventsForBackgroundSession,
  isLonghaulError,
  type LonghaulError,
  type SessionDelegate,
  type SessionEvent,
  type TaskSnapshot,
} from 'longhaul'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function expectType<T extends true>(): T | undefined {
  return undefined
}

interface Photo {
  readonly album: string
}

export async function sessions(): Promise<void> {
  const session = await BackgroundSession.open<Photo>({ identifier: 'a', launch: 'self' })
  const task = await session.download('https://h/', { metadata: { album: 'x' }, timeoutIntervalForRequest: '60s' })
  expectType<Equal<typeof task, DownloadTask<Photo>>>()
  expectType<Equal<typeof task.snapshot, TaskSnapshot<Photo>>>()
  expectType<Equal<typeof task.snapshot.metadata, Photo>>()
  expectType<Equal<Awaited<ReturnType<typeof task.finished>>, DownloadResult>>()
  // @ts-expect-error -- the session's own metadata type
  await session.download('https://h/', { metadata: { album: 1 } })
  // @ts-expect-error -- a bare number has no unit
  await session.download('https://h/', { timeoutIntervalForRequest: 60 })
  // @ts-expect-error -- misspelt
  await session.download('https://h/', { prority: 1 })
  // @ts-expect-error -- a class that is opened, not constructed
  void new BackgroundSession()
  // @ts-expect-error -- to cancel everything has to be written out
  await session.cancel()
  for await (const found of session.tasks({ group: 'held' })) expectType<Equal<typeof found, TaskSnapshot<Photo>>>()
  for await (const event of await session.events()) {
    expectType<Equal<typeof event, SessionEvent<Photo>>>()
    if (event.type === 'didFinishDownloading') expectType<Equal<typeof event.location, string>>()
    if (event.type === 'didComplete') expectType<Equal<typeof event.error, LonghaulError | undefined>>()
    // @ts-expect-error -- not every event has a location
    void event.location
  }
}

export const delegate: SessionDelegate<Photo> = {
  async didFinishDownloading(task, { location, moveTo, sequence, redelivered, signal }) {
    expectType<Equal<typeof task.snapshot.metadata.album, string>>()
    expectType<Equal<typeof sequence, number>>()
    expectType<Equal<typeof signal, AbortSignal>>()
    if (!redelivered) await moveTo(new URL(`file://${location}`))
  },
  didWriteData: (_, { totalBytesExpectedToWrite }) => {
    expectType<Equal<typeof totalBytesExpectedToWrite, number | undefined>>()
  },
  didFinishEvents: ({ blocked }) => void expectType<Equal<typeof blocked, readonly string[]>>(),
  didLoseOwnership: (error) => void expectType<Equal<typeof error, LonghaulError>>(),
}

// @ts-expect-error -- misspelt
export const misspelt: SessionDelegate = { didComplet: () => {} }

export async function short(): Promise<void> {
  const { path, notModified } = await download(new URL('https://h/'), {
    to: 'models/',
    onProgress: ({ fraction, total }) => {
      expectType<Equal<typeof fraction, number | undefined>>()
      expectType<Equal<typeof total, number | undefined>>()
    },
  })
  expectType<Equal<typeof path, string>>()
  expectType<Equal<typeof notModified, boolean>>()
  // @ts-expect-error -- it needs a place
  await download('https://h/', {})
}

export function launched(): void {
  expectType<Equal<ReturnType<typeof handleEventsForBackgroundSession>, boolean>>()
  handleEventsForBackgroundSession((identifier, completionHandler) => {
    expectType<Equal<typeof identifier, string>>()
    completionHandler()
  })
}

export function errors(error: unknown): void {
  if (isLonghaulError(error, 'HTTP_STATUS')) {
    expectType<Equal<typeof error.code, 'HTTP_STATUS'>>()
    expectType<Equal<typeof error.status, number | undefined>>()
  }
  // @ts-expect-error -- not a code
  isLonghaulError(error, 'HTTP_STATUSS')
}
