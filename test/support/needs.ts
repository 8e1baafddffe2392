// The one way to skip a test: it needs a part of the system that is not on this machine.
// `test('…', { skip: needs('nginx') }, …)`. In CI nothing is skipped: there a missing part is a failure, because a test that
// quietly stops running is a test that no longer exists. The guard (tools/test.ts) refuses every skip that did not come from here.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, rmdirSync } from 'node:fs'
import { networkInterfaces, tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'

/** A part of the system that a test can ask for. */
export type Part =
  | 'chromium'
  | 'danted'
  | 'ipv6'
  | 'linux'
  | 'mkfs.ext4'
  | 'mkfs.xfs'
  | 'mounts'
  | 'nginx'
  | 'openssl'
  | 'own network'
  | 'posix'
  | 'prlimit'
  | 'root'
  | 'script'
  | 'squid'
  | 'strace'
  | 'xfs_io'

/** How to see whether a part is there. */
const parts: Readonly<Record<Part, () => boolean>> = {
  chromium: () => onPath('chromium') || onPath('chromium-browser') || onPath('google-chrome'),
  danted: () => onPath('danted'),
  ipv6: () =>
    Object.values(networkInterfaces()).some((list) => list?.some(({ address }) => address === '::1') === true),
  linux: () => process.platform === 'linux',
  'mkfs.ext4': () => onPath('mkfs.ext4'),
  'mkfs.xfs': () => onPath('mkfs.xfs'),
  mounts: canMount,
  nginx: () => onPath('nginx'),
  openssl: () => onPath('openssl'),
  'own network': canHaveOwnNetwork,
  posix: () => process.platform !== 'win32',
  prlimit: () => onPath('prlimit'),
  script: () => onPath('script'),
  root: () => process.getuid?.() === 0,
  squid: () => onPath('squid'),
  strace: () => onPath('strace'),
  xfs_io: () => onPath('xfs_io'),
}

/** The value for a test's `skip` option: false when every part is there, else the reason. Throws in CI. */
export function needs(...wanted: readonly Part[]): string | false {
  const missing = wanted.filter((part) => !parts[part]())
  if (missing.length === 0) return false
  const reason = `needs ${missing.join(', ')}, not on this machine`
  if (process.env['CI'] !== undefined) throw new Error(`${reason}; in CI a missing part is a failure, see .ci/run`)
  return reason
}

/** Root is not enough: a container's root may often not mount anything. Tried, since nothing else tells. */
function canMount(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false
  const folder = mkdtempSync(join(tmpdir(), 'lh-'))
  try {
    const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'longhaul-test', folder]).status === 0
    return mounted && spawnSync('umount', [folder]).status === 0
  } finally {
    rmdirSync(folder)
  }
}

/** A network of its own for a process, which nobody else is in. */
function canHaveOwnNetwork(): boolean {
  return process.platform === 'linux' && spawnSync('unshare', ['-n', 'ip', 'link', 'set', 'lo', 'up']).status === 0
}

function onPath(command: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
