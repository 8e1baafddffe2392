/**
 * The environment of a daemon: a list, not whatever its first client happened to have. A daemon serves many apps, and what
 * one app sets for itself (NODE_OPTIONS, a debug flag, a preload) must not reach the transfers of the others. Pure.
 */

const names: ReadonlySet<string> = new Set([
  'HOME',
  'PATH',
  'LANG',
  'LANGUAGE',
  'TMPDIR',
  // Hours of the daemon's timetable are local time.
  'TZ',
  'DBUS_SESSION_BUS_ADDRESS',
  // Windows cannot start a program, or find a folder of the user, without these.
  'SYSTEMROOT',
  'SYSTEMDRIVE',
  'USERPROFILE',
  'LOCALAPPDATA',
  'APPDATA',
  'TEMP',
  'TMP',
  // Its own ceilings (service/limits). They belong to whoever starts it, as those of all its sessions.
  'LONGHAUL_MAXIMUM_ACTIVE_TASKS',
  'LONGHAUL_MAXIMUM_CONNECTIONS_PER_ORIGIN',
])
/** In either case, as curl and others read them. */
const proxies: ReadonlySet<string> = new Set(['http_proxy', 'https_proxy', 'all_proxy', 'no_proxy'])
const prefixes = ['LC_', 'XDG_', 'SSL_CERT_'] as const

/** @param extra named by the app (`daemon.env`); NODE_OPTIONS is not taken from there either */
export function daemonEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  home: string,
  extra: Readonly<Record<string, string>> = {},
): Readonly<Record<string, string>> {
  const listed: Record<string, string> = {}
  for (const [name, value] of Object.entries(env)) {
    // In a CGI program this one is what its client sent as the header Proxy.
    if (name === 'HTTP_PROXY' && env['REQUEST_METHOD'] !== undefined) continue
    if (value !== undefined && isListed(name)) listed[name] = value
  }
  const { NODE_OPTIONS: _, ...rest } = extra
  return { ...listed, ...rest, LONGHAUL_HOME: home }
}

function isListed(name: string): boolean {
  return (
    names.has(name) ||
    names.has(name.toUpperCase()) ||
    proxies.has(name.toLowerCase()) ||
    prefixes.some((prefix) => name.startsWith(prefix))
  )
}
