/** Passwords of proxies: sealed before the journal gets them, and opened for an attempt alone. */
import { isLonghaulError, LonghaulError } from '../contract/errors.ts'
import type { ProxyJson, SealedProxyCredential } from '../contract/proxy.ts'
import type { NewTask } from '../contract/task.ts'
import type { Vault } from '../world/vault.ts'

/**
 * @param stored what is stored now. Where it says the same it is kept as it is, for the same password sealed twice looks like
 *   two, and a configuration that did not change must not seem to have changed
 */
export async function sealedProxy(vault: Vault, choice: ProxyJson, stored?: ProxyJson): Promise<ProxyJson> {
  if (typeof choice === 'string' || choice.credential === undefined || 'sealed' in choice.credential) return choice
  const { url, bypass, credential } = choice
  const { user, password } = credential
  const before = sealedIn(stored)
  if (typeof stored === 'object' && stored.url === url && before?.user === user) {
    // One that cannot be opened any more is replaced.
    const known = await vault.open(before.sealed, placeOf(url, user)).catch(() => undefined)
    if (known === password) return { url, bypass, credential: before }
  }
  return { url, bypass, credential: { user, sealed: await vault.seal(password, placeOf(url, user)) } }
}

/** The same rows, unless there is a password among them. */
export async function sealedRows(vault: Vault, tasks: readonly NewTask[]): Promise<readonly NewTask[]> {
  if (!tasks.some(({ policy: { proxy } }) => typeof proxy === 'object' && proxy.credential !== undefined)) return tasks
  return Promise.all(
    tasks.map(async (task) => {
      const { policy } = task
      if (policy.proxy === undefined) return task
      return { ...task, policy: { ...policy, proxy: await sealedProxy(vault, policy.proxy) } }
    }),
  )
}

/** True if it has to be opened before it is used. */
export function isSealed(choice: ProxyJson): boolean {
  return sealedIn(choice) !== undefined
}

/** @throws PROXY_FAILED, `retryable: true` where the password cannot be read just now */
export async function openedProxy(vault: Vault, choice: ProxyJson): Promise<ProxyJson> {
  const sealed = sealedIn(choice)
  if (sealed === undefined || typeof choice === 'string') return choice
  const { url, bypass } = choice
  try {
    const password = await vault.open(sealed.sealed, placeOf(url, sealed.user))
    return { url, bypass, credential: { user: sealed.user, password } }
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    if (isLonghaulError(cause) && cause.retryable)
      throw new LonghaulError('PROXY_FAILED', `The password for the proxy ${url} cannot be read just now. ${why}`, {
        cause,
        retryable: true,
      })
    throw new LonghaulError('PROXY_FAILED', `The password for the proxy ${url} is of no use. ${why}`, {
      cause,
      retryable: false,
      hint: 'Give the session or the task its proxy again; the password is sealed anew then.',
    })
  }
}

function sealedIn(choice: ProxyJson | undefined): SealedProxyCredential | undefined {
  if (typeof choice !== 'object' || choice.credential === undefined) return undefined
  return 'sealed' in choice.credential ? choice.credential : undefined
}

/** It opens for no other proxy: who can write into the journal cannot have it shown to one of his own. */
function placeOf(url: string, user: string): string {
  return `proxy ${url} ${user}`
}
