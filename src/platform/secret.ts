/** The secret by which client and daemon of one user know each other. */
import { readOrMakeKey } from './key-file.ts'
import { homePaths } from './paths.ts'

/**
 * The secret of this home; made if there is none (and the home with it, mode 0700).
 * @throws DAEMON_UNAVAILABLE, `retryable: false`, when the file is another user's, readable by others, or damaged
 */
export function userSecret(home: string): Promise<Uint8Array> {
  return readOrMakeKey({
    path: homePaths(home).secret,
    what: 'The secret file',
    code: 'DAEMON_UNAVAILABLE',
    hint: 'End the daemon if one runs (`longhaul daemon stop` says which process that is), then remove the file: a new one is made.',
  })
}
