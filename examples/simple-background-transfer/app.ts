/**
 * The sample app: one picture, one progress bar. Method for method what Apple's SimpleBackgroundTransfer does, with two of its
 * slips mended: it divided by an unknown length of -1, and deleted the old picture before the new one was in its place.
 *
 * It may be killed at any line. Started again by its user or by Longhaul, it finds its session and goes on.
 */
import { BackgroundSession, handleEventsForBackgroundSession } from 'longhaul'
import type { DownloadTask } from 'longhaul'
import { screen } from './screen.ts'

const identifier = 'com.example.SimpleBackgroundTransfer'
const [url, picture] = process.argv.slice(2) as [string, string]

/** The sample's `dispatch_once`: one session of this name in this process, whoever asks. */
function backgroundSession(): Promise<BackgroundSession> {
  return BackgroundSession.shared({
    identifier,
    launch: {
      command: process.execPath,
      args: [...process.execArgv, ...process.argv.slice(1)],
      cwd: process.cwd(),
      env: screen.environment,
    },
    delegate: {
      didWriteData(_task, { totalBytesWritten, totalBytesExpectedToWrite }) {
        screen.progress(totalBytesWritten, totalBytesExpectedToWrite)
      },
      didResumeAtOffset(_task, { fileOffset, sequence }) {
        screen.say(`didResumeAtOffset ${fileOffset}`, sequence)
      },
      async didFinishDownloading(_task, event) {
        // The file is ours once this has returned: moveTo() replaces an old picture only by the whole new one.
        screen.say('didFinishDownloading', event.sequence)
        screen.show(await event.moveTo(picture))
      },
      didFinishCollectingMetrics(_task, { metrics, sequence }) {
        screen.say(`didFinishCollectingMetrics: ${metrics.attempts} attempts`, sequence)
      },
      didComplete(task, { error, sequence }) {
        screen.say(`didComplete ${error?.code ?? 'without error'}`, sequence)
        screen.finished(task.snapshot.countOfBytesReceived, error?.message)
      },
      didFinishEvents({ sequence }) {
        screen.say('didFinishEvents', sequence)
      },
    },
  })
}

async function start(session: BackgroundSession): Promise<DownloadTask> {
  // A task of an earlier run is found again: nothing starts twice.
  for await (const { id } of session.tasks()) {
    const task = await session.task(id)
    if (task !== undefined) return task
  }
  const task = await session.downloadTask(url, { taskDescription: 'sunrise' })
  await task.resume()
  return task
}

const launched = handleEventsForBackgroundSession(async (_identifier, completionHandler) => {
  screen.say('launched: handleEventsForBackgroundSession')
  const session = await backgroundSession()
  await session.activate()
  await session.eventsFinished()
  // The page shows the picture now; only then is the system told that we are done.
  await screen.updated()
  screen.say('completionHandler()')
  completionHandler()
})

if (!launched) {
  // As an open window would: the app stays until its user closes it.
  const session = (await backgroundSession()).ref()
  screen.say('BackgroundSession.shared(identifier)')
  await session.activate()
  await start(session)
  screen.say('downloadTask, resume()')
}
