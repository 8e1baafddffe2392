// What stands at a destination is what stood there before, or the whole of one version that the server gave: never a part,
// never a mixture, never nothing where there was something. What was reported as finished is on disk, whatever happens next.
import { basename, dirname } from 'node:path'
import type { CommandInput } from '../../../src/journal/journal.ts'
import type { NewTask } from '../../../src/contract/task.ts'
import { spool } from '../daemon.ts'
import type { Rule } from './rule.ts'

export const bytes: Rule = {
  name: 'bytes at a destination are old, or whole and right',
  watch: ({ plan, disk, internet, broken }) => {
    const before = new Map(plan.files.map(({ path, text }) => [path, Buffer.from(text)]))
    const tasks = new Map<string, NewTask>()
    /** Paths at which a file was reported as finished. */
    const finished = new Set<string>()
    /** Paths at which a file of ours was seen. */
    const ours = new Set<string>()

    const isVersion = (url: string, found: Uint8Array): boolean =>
      internet.versions(url).some((version) => same(version, found))
    /** Where its file may be. Not in the spool, whose names are nobody's business. */
    const leadsTo = (task: NewTask, path: string): boolean => {
      const { destination } = task
      if (destination.kind === 'spool' || dirname(path) !== destination.folder) return false
      const wanted = destination.kind === 'file' ? destination.name : nameAt(task.request.url)
      const found = basename(path)
      return found === wanted || (task.ifExists === 'keepBoth' && found.replace(/ \(\d+\)/, '') === wanted)
    }
    /** What the server calls it: the last part of the address to which its redirects lead. */
    const nameAt = (url: string): string => {
      const redirects = plan.servers.find((each) => each.url === url)?.server.nature.redirects ?? 0
      return redirects > 0 ? `to-${redirects}` : basename(url)
    }
    const replaces = (task: NewTask, path: string): boolean =>
      (task.ifExists === 'replace' || task.ifExists === 'revalidate') && leadsTo(task, path)

    const check = (path: string): void => {
      if (!plan.folders.some((folder) => path.startsWith(`${folder}/`)) || isPart(path)) return
      const found = disk.read(path)
      const old = before.get(path)
      if (found === undefined) {
        if (old !== undefined) broken(`${path} was there before and is gone`)
        else if (finished.has(path)) broken(`${path} was finished and is gone`)
        return
      }
      if (old !== undefined && same(found, old)) {
        if (finished.has(path)) broken(`${path} was finished and is what it was before`)
        return
      }
      const possible = [...tasks.values()].filter((task) =>
        old === undefined ? leadsTo(task, path) : replaces(task, path),
      )
      if (!possible.some((task) => isVersion(task.request.url, found)))
        broken(
          old !== undefined && possible.length === 0
            ? `${path} belongs to somebody else and was changed`
            : `${path} has ${found.length} bytes that no version of ${possible.map(({ request }) => request.url).join(', ') || 'anything'} has`,
        )
      ours.add(path)
    }

    return {
      before: (requests) => {
        // As soon as it may be written, it may be fetched.
        for (const { name, input } of requests)
          if (name === 'addTasks' || name === 'enqueueTasks')
            for (const task of (input as CommandInput<'addTasks'>).tasks) tasks.set(task.id, task)
          else if (name === 'retryTask') {
            const { id, newId, url, destination } = input as CommandInput<'retryTask'>
            const earlier = tasks.get(id)
            if (earlier !== undefined)
              tasks.set(newId, {
                ...earlier,
                id: newId,
                request: { ...earlier.request, ...(url !== undefined && { url }) },
                ...(destination !== undefined && { destination }),
              })
          }
      },
      placed: check,
      powerCut: () => {
        for (const path of [...before.keys(), ...ours]) check(path)
      },
      committed: ({ requests, answers }) => {
        requests.forEach(({ name, input }, i) => {
          const answer = answers[i]!
          if (name !== 'finish' || !('ok' in answer) || (answer.ok as { found: string }).found !== 'recorded') return
          const { task, result } = input as CommandInput<'finish'>
          const { path, skipped, notModified } = result
          if (path === undefined || skipped === true) return
          const asked = tasks.get(task)!
          const { url } = asked.request
          if (!(asked.destination.kind === 'spool' ? path.startsWith(`${spool}/`) : leadsTo(asked, path)))
            broken(`${task} was reported to be at ${path}, where nobody wanted it`)
          const safe = disk.durableAt(path)
          if (safe === 'uncertain') {
            if (!notModified) broken(`${path} was reported as finished, but a power cut could still undo it`)
          } else if (safe === undefined)
            broken(`${path} was reported as finished, and a power cut would leave nothing of it`)
          else if (!isVersion(url, safe))
            broken(`${path} was reported as finished, but its ${safe.length} bytes are wrong`)
          else if (safe.length !== result.bytes)
            broken(`${path} was reported to have ${result.bytes} bytes and has ${safe.length}`)
          finished.add(path)
        })
      },
      handed: ({ kind, location, redelivered, sequence, task }) => {
        // Elsewhere than in the spool others may have replaced it since.
        if (kind !== 'didFinishDownloading' || location === undefined || !location.startsWith(`${spool}/`)) return
        const found = disk.read(location)
        if (found === undefined) {
          // An app that had it before may have moved it.
          if (!redelivered) broken(`event ${sequence} gives ${location}, where nothing is`)
        } else if (!isVersion(tasks.get(task!)!.request.url, found))
          broken(`event ${sequence} gives ${location}, whose ${found.length} bytes are wrong`)
      },
    }
  },
}

function isPart(path: string): boolean {
  return path.endsWith('.longhaul-part')
}

function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
