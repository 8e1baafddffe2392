/**
 * Which Node runs the daemon: the one the app names, else LONGHAUL_NODE, else our own if it is new enough, else `node` on
 * PATH. Electron's own binary is not a Node to rely on: an app may forbid it to run as one.
 */
import { LonghaulError } from '../contract/errors.ts'
import type { RunShort } from './short-command.ts'

/** The first version whose node:sqlite is no experiment any more. */
const needed = { major: 24, minor: 15 } as const
/** As a person writes it. */
export const oldestNode: string = `${needed.major}.${needed.minor}`
const askMs = 5000

export interface NodeQuestion {
  /** Named by the app. */
  readonly execPath?: string
  readonly env: Readonly<Record<string, string | undefined>>
  /** `process.versions` and `process.execPath` of this process. */
  readonly versions: Readonly<Record<string, string | undefined>>
  readonly ownPath: string
  readonly run: RunShort
}

/** @throws DAEMON_UNAVAILABLE naming the versions that were found; `retryable` where one could not be asked just now */
export async function findNode(question: NodeQuestion): Promise<string> {
  const { execPath, env, versions, ownPath, run } = question
  const found: string[] = []
  let mayPass = false
  const ask = async (path: string, from: string): Promise<boolean> => {
    // NODE_OPTIONS could make even this question fail.
    const asked = await run({
      command: path,
      args: ['-p', 'process.versions.node'],
      env: { ...env, NODE_OPTIONS: undefined },
      timeoutMs: askMs,
    })
    const version = asked.stdout.trim()
    mayPass ||= asked.mayPass === true
    found.push(`${from}: ${asked.code === 0 && version !== '' ? `Node ${version}` : 'did not answer'} (${path})`)
    return asked.code === 0 && isNewEnough(version)
  }

  // What somebody named is what is meant: if it is too old, that is said, not passed over.
  if (execPath !== undefined) {
    if (await ask(execPath, 'daemon.execPath')) return execPath
    throw unavailable(found, mayPass)
  }
  const named = env.LONGHAUL_NODE
  if (named !== undefined && named !== '') {
    if (await ask(named, 'LONGHAUL_NODE')) return named
    throw unavailable(found, mayPass)
  }
  const other = ['electron', 'bun', 'deno'].find((name) => versions[name] !== undefined)
  if (other === undefined && isNewEnough(versions.node ?? '')) return ownPath
  found.push(
    `this process: ${other === undefined ? '' : `${other} ${versions[other]}, `}Node ${versions.node ?? 'unknown'}`,
  )
  if (await ask('node', 'node on PATH')) return 'node'
  throw unavailable(found, mayPass)
}

/** @param version of `process.versions.node` */
export function isNewEnough(version: string): boolean {
  const [major = Number.NaN, minor = Number.NaN] = version.split('.').map(Number)
  return major > needed.major || (major === needed.major && minor >= needed.minor)
}

function unavailable(found: readonly string[], retryable: boolean): LonghaulError {
  return new LonghaulError(
    'DAEMON_UNAVAILABLE',
    `The daemon needs Node ${oldestNode} or newer, and none was found. ${found.join('; ')}.`,
    {
      retryable,
      hint: `Install Node ${oldestNode} or newer, and name it by LONGHAUL_NODE or daemon.execPath.`,
    },
  )
}
