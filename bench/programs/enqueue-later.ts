// An app that enqueues many tasks for tomorrow and leaves. Parameter: { count, folder }.
import { join } from 'node:path'
import { BackgroundSession, type BatchRow } from 'longhaul'

const { count, folder } = JSON.parse(process.argv[2]!) as { readonly count: number; readonly folder: string }
const tomorrow = new Date(Date.now() + 86_400_000)
function* rows(): Generator<BatchRow<undefined>> {
  for (let i = 0; i < count; i++) {
    const name = `file-${String(i).padStart(6, '0')}.bin`
    const to = join(folder, 'later', name)
    yield { url: `http://127.0.0.1:9/mirror/${name}`, to, key: name, earliestBeginDate: tomorrow }
  }
}
const session = await BackgroundSession.open({ identifier: 'bench.later' })
await session.enqueue(rows(), { start: true })
await session.close()
