/** Where the numbers come from: the machine, the commit, the peers. Starts processes. */
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'

export interface MachineFacts {
  readonly date: string
  /** Of this checkout; '+' where files differ from it. */
  readonly commit: string
  readonly machine: string
}

export function machineFacts(): MachineFacts {
  const changed = firstLine(['git', 'status', '--porcelain', '--', 'src', 'bin']) !== ''
  const commit = firstLine(['git', 'rev-parse', '--short=10', 'HEAD']) || 'unknown'
  const [first] = cpus()
  return {
    date: new Date().toISOString().slice(0, 16).replace('T', ' '),
    commit: `${commit}${changed ? '+' : ''}`,
    machine: `${cpus().length} × ${first?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}`,
  }
}

export function peerVersions(): readonly string[] {
  const asked = [
    ['nginx', '-v'],
    ['curl', '--version'],
    ['aria2c', '--version'],
    ['openssl', 'version'],
  ] as const
  return asked.flatMap(([program, flag]) => (missing([program]).length > 0 ? [] : [firstLine([program, flag])]))
}

/** Which of these are not here. */
export function missing(parts: readonly string[]): readonly string[] {
  return parts.filter((part) => (part === 'root' ? process.getuid?.() !== 0 : !isOnPath(part)))
}

function isOnPath(program: string): boolean {
  return [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'].some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

function firstLine([program, ...args]: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(program!, args, { encoding: 'utf8' })
  // nginx says its version on stderr.
  const [line = ''] = status === 0 ? `${stdout}${stderr}`.split('\n') : []
  return line.slice(0, 76)
}
