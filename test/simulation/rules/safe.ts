// Bytes that were recorded as safe are there: in the file when they are recorded, and on the disk after a power cut, under the
// name of the part or, once an intent is recorded, at the destination.
import { join } from 'node:path'
import type { ByteRanges } from '../../../src/contract/bytes.ts'
import type { CommandInput, CommandOutput } from '../../../src/journal/journal.ts'
import type { Rule } from './rule.ts'

interface PartRow {
  readonly uid: string
  readonly folder: string
  readonly name: string
  readonly ranges: string
  readonly intent: string | null
}

export const safe: Rule = {
  name: 'bytes that count are there',
  watch: ({ store, disk, broken }) => {
    /** As they were when the last checkpoint counted them: the bytes from the start, by task. */
    const counted = new Map<string, Uint8Array>()
    const partOf = (task: string): PartRow | undefined =>
      store.get<PartRow>(
        `select uid, folder, name, ranges, intent from part join task on task.id = part.task
         where uid = ? and identity is not null`,
        task,
      )
    const startsWith = (path: string, bytes: Uint8Array): boolean => {
      const found = disk.read(path)
      return found !== undefined && Buffer.compare(found.subarray(0, bytes.length), bytes) === 0
    }

    return {
      committed: ({ requests, answers }) => {
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (name !== 'checkpoint' || !('ok' in answer)) return
          if ((answer.ok as CommandOutput<'checkpoint'>).found !== 'recorded') return
          const { task, ranges } = input as CommandInput<'checkpoint'>
          const part = partOf(task)
          if (part === undefined) return
          const length = lengthOf(ranges)
          const paths = pathsOf(part)
          const found = paths.map((path) => disk.read(path)).find((each) => each !== undefined && each.length >= length)
          if (found === undefined)
            broken(`${length} bytes of ${paths.join(', or ')} were recorded as safe and are not there`)
          // But for the last byte: where the size is not known it is fetched again, and a lying server may give another one.
          else counted.set(task, Uint8Array.from(found.subarray(0, Math.max(0, length - 1))))
          // With nothing written since, a power cut at this moment would have to leave all of it.
          const [path] = paths
          if (
            found !== undefined &&
            found.length === length &&
            disk.durableAt(path!) === 'uncertain' &&
            !isPublishing(part)
          )
            broken(`${length} bytes of ${path} were recorded as safe, and a power cut could still take them`)
        })
      },
      placed: (path) => {
        if (disk.read(path) !== undefined) return
        const row = store.get<{ intent: string }>(
          `select intent from part join task on task.id = part.task where folder || '/' || name = ? and intent is not null`,
          path,
        )
        if (row === undefined) return
        const { intent } = JSON.parse(row.intent) as Intent
        const place = join(intent.folder, intent.name)
        if (intent.how === 'link' && disk.read(place) !== undefined && disk.durableAt(place) === 'uncertain')
          broken(`${path} was given up while a power cut could still take ${place}`)
      },
      powerCut: () => {
        for (const [task, bytes] of counted) {
          const part = partOf(task)
          const length = part === undefined ? 0 : lengthOf(JSON.parse(part.ranges) as ByteRanges)
          if (part === undefined || Math.max(0, length - 1) !== bytes.length) {
            counted.delete(task)
            continue
          }
          const paths = pathsOf(part)
          if (!paths.some((path) => startsWith(path, bytes)))
            broken(`${length} bytes of ${paths.join(', or ')} counted as safe, and the power cut took them`)
        }
      },
    }
  },
}

interface Intent {
  readonly intent: { readonly folder: string; readonly name: string; readonly how: 'replace' | 'link' }
}

function isPublishing({ intent }: PartRow): boolean {
  return intent !== null
}

/** Where its bytes may be. */
function pathsOf(part: PartRow): readonly string[] {
  const own = join(part.folder, part.name)
  if (part.intent === null) return [own]
  const { intent } = JSON.parse(part.intent) as Intent
  return [own, join(intent.folder, intent.name)]
}

/** From the start without a gap. */
function lengthOf(ranges: ByteRanges): number {
  const [first] = ranges
  return first?.[0] === 0 ? first[1] : 0
}
