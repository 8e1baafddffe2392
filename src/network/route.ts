/** Which proxy serves an address, if any: what the request says, else what the environment says. Pure. */
import { bypassed, bypassRule, type BypassRule, bypassRules } from '../contract/bypass.ts'
import { type ProxyAddress, proxyAddress, type ProxyJson } from '../contract/proxy.ts'
import { NetworkFailure } from '../world/transport.ts'

interface Variable {
  readonly name: string
  readonly value: string
}

/** What the environment says about proxies. */
export interface ProxySettings {
  readonly http: Variable | undefined
  readonly https: Variable | undefined
  readonly all: Variable | undefined
  readonly bypass: readonly BypassRule[]
}

/**
 * Names in lower case count before those in upper case; an empty value is none. In a CGI program HTTP_PROXY is what a client
 * sent as the header Proxy, so there it does not count (CVE-2016-5385 and its kin).
 */
export function proxySettings(env: Readonly<Record<string, string | undefined>>): ProxySettings {
  const read = (name: string): Variable | undefined => {
    const names = [name, name.toUpperCase()].filter(
      (each) => each !== 'HTTP_PROXY' || env['REQUEST_METHOD'] === undefined,
    )
    const found = names.find((each) => (env[each] ?? '').trim() !== '')
    return found === undefined ? undefined : { name: found, value: env[found]! }
  }
  return {
    http: read('http_proxy'),
    https: read('https_proxy'),
    all: read('all_proxy'),
    bypass: bypassRules(read('no_proxy')?.value ?? ''),
  }
}

/**
 * The proxy to go through; `undefined`: straight to the server.
 * @throws NetworkFailure where a setting cannot be understood: to go past a proxy in silence may be worse than not to go
 */
export function routeOf(url: URL, choice: ProxyJson, settings: ProxySettings): ProxyAddress | undefined {
  if (choice === 'none') return undefined
  if (choice !== 'system') {
    const rules = choice.bypass.map(bypassRule).filter((rule) => rule !== undefined)
    if (bypassed(url, rules)) return undefined
    const address = proxyAddress(choice.url)
    if (typeof address === 'string') throw notUnderstood('The proxy of the request', address)
    const { credential } = choice
    if (credential !== undefined && 'sealed' in credential)
      throw notUnderstood('The proxy of the request', 'its password is still sealed')
    return { ...address, credential: credential ?? address.credential }
  }
  const variable = (url.protocol === 'https:' ? settings.https : settings.http) ?? settings.all
  if (variable === undefined || bypassed(url, settings.bypass)) return undefined
  const address = proxyAddress(variable.value)
  if (typeof address === 'string') throw notUnderstood(`${variable.name} in the environment of the daemon`, address)
  return address
}

/** Equal for the same way: connections that go another way, or under another name, are never shared. */
export function routeKey(proxy: ProxyAddress | undefined): string {
  if (proxy === undefined) return ''
  const { kind, host, port, credential } = proxy
  return JSON.stringify([kind, host, port, credential?.user, credential?.password])
}

function notUnderstood(what: string, why: string): NetworkFailure {
  return new NetworkFailure('proxy refused', 'proxy', `${what} cannot be used: ${why}`)
}
