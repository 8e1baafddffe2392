/** Which proxy stands between: as a user says it, as it is stored, and its address taken apart. Pure. */

/** Shown to the proxy alone, never to a server behind it. */
export interface ProxyCredential {
  readonly user: string
  readonly password: string
}

/** As it is stored: only the daemon's vault can open it. */
export interface SealedProxyCredential {
  readonly user: string
  readonly sealed: string
}

export interface ProxyOptions {
  /**
   * `http://host:port` (https addresses through a tunnel by CONNECT), `https://…` (the same, with TLS to the proxy itself) or
   * `socks5://…`. User and password may stand in it. A proxy of each kind looks names up by itself.
   */
  readonly url: string | URL
  /**
   * What is asked for directly: `example.com` (and all below it), `.example.com` (only what is below), `host:port`,
   * `10.0.0.0/8`, `*`. This machine itself always is, unless `<-loopback>` is among them.
   */
  readonly bypass?: readonly string[] | undefined
  readonly credential?: ProxyCredential | undefined
}

/** `'system'`: what the environment of the daemon says (`https_proxy` and its kin). */
export type ProxyChoice = ProxyOptions | 'none' | 'system'

/** {@link ProxyChoice} as it is stored. The address holds no credential, so that it may be shown. */
export type ProxyJson =
  | 'none'
  | 'system'
  | {
      /** `kind://host:port`, and nothing else. */
      readonly url: string
      readonly bypass: readonly string[]
      /** A secret: it leaves the daemon only towards the proxy. */
      readonly credential?: ProxyCredential | SealedProxyCredential
    }

export interface ProxyAddress {
  readonly kind: 'http' | 'https' | 'socks5'
  /** A name or an address; IPv6 without brackets. */
  readonly host: string
  readonly port: number
  readonly credential: ProxyCredential | undefined
}

/** socks5h says that the proxy looks names up. Here it always does, so that no look-up goes past it. */
const kinds: ReadonlyMap<string, ProxyAddress['kind']> = new Map([
  ['http', 'http'],
  ['https', 'https'],
  ['socks5', 'socks5'],
  ['socks5h', 'socks5'],
  ['socks', 'socks5'],
])
const defaultPorts: Readonly<Record<ProxyAddress['kind'], number>> = { http: 80, https: 443, socks5: 1080 }

/** Gives what is wrong, in words that name nothing of the text: there may be a password in it. */
export function proxyAddress(text: string): ProxyAddress | string {
  const [, scheme = 'http', rest = ''] = /^(?:([a-z][a-z\d+.-]*):\/\/)?(.*)$/is.exec(text.trim()) ?? []
  const kind = kinds.get(scheme.toLowerCase())
  if (kind === undefined)
    return `its scheme ${JSON.stringify(scheme.slice(0, 20))} is not http, https or socks5${scheme.startsWith('socks4') ? ' (SOCKS4 is not supported)' : ''}`
  // As http: the parser does not check the hosts of schemes that it does not know.
  const url = URL.parse(`http://${rest}`)
  if (url === null || url.hostname === '') return 'it is not the address of a proxy, such as http://proxy.example:3128'
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    return 'the address of a proxy ends with its port; there is no path behind it'
  // The parser drops what it takes for the default port of http.
  const written = /:(\d+)\/?$/.exec(rest)?.[1]
  const port = written === undefined ? defaultPorts[kind] : Number(written)
  if (port === 0) return 'its port is 0'
  const named = url.username !== '' || url.password !== ''
  return {
    kind,
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port,
    credential: named ? { user: decoded(url.username), password: decoded(url.password) } : undefined,
  }
}

/** The address as it is stored and shown. */
export function proxyUrl({ kind, host, port }: Pick<ProxyAddress, 'kind' | 'host' | 'port'>): string {
  return `${kind}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** What makes a credential useless for this kind of proxy, in words. */
export function credentialProblem(kind: ProxyAddress['kind'], { user, password }: ProxyCredential): string | undefined {
  // RFC 7617 §2 and RFC 1929 §2.
  if (kind !== 'socks5') return user.includes(':') ? 'a user name for Basic cannot hold a colon' : undefined
  const fits = [user, password].every((text) => new TextEncoder().encode(text).byteLength <= 255)
  return fits ? undefined : 'SOCKS5 takes names and passwords of at most 255 bytes'
}

/** The choice without its secret: what may leave the daemon. */
export function withoutCredential(choice: ProxyJson): ProxyJson {
  return typeof choice === 'string' ? choice : { url: choice.url, bypass: choice.bypass }
}

/** A setting as people see it: what stands before the host may be a password. */
export function maskProxy(setting: string): string {
  return setting.replace(/^([a-z][a-z\d+.-]*:\/\/)?.*@/is, '$1***@')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
