/**
 * The list of what is asked for without a proxy: written by a user, or found in `no_proxy`. Names are not looked up for it:
 * an address in the list covers addresses that are written as addresses.
 */

interface Address {
  readonly bits: 32 | 128
  readonly value: bigint
}

export type BypassRule =
  | { readonly kind: 'all' }
  /** This machine itself goes through the proxy too. */
  | { readonly kind: 'loopback too' }
  | { readonly kind: 'name'; readonly name: string; readonly below: 'too' | 'only'; readonly port: number | undefined }
  | { readonly kind: 'net'; readonly net: Address; readonly prefix: number; readonly port: number | undefined }

/** One entry; `undefined` if it is none. */
export function bypassRule(entry: string): BypassRule | undefined {
  const text = entry.trim().toLowerCase()
  if (text === '*') return { kind: 'all' }
  if (text === '<-loopback>') return { kind: 'loopback too' }
  const subnet = /^([\da-f.:]+)\/(\d{1,3})$/.exec(text)
  if (subnet !== null) {
    const net = addressOf(subnet[1]!)
    const prefix = Number(subnet[2])
    return net === undefined || prefix > net.bits ? undefined : { kind: 'net', net, prefix, port: undefined }
  }
  // An address of IPv6 without brackets has no port behind it.
  const parts = /^(?:\[([\da-f:.]+)\]|([^:[\]/]+))(?::(\d{1,5}))?$/.exec(text) ?? ['', text]
  const host = parts[1] ?? parts[2] ?? ''
  const port = parts[3] === undefined ? undefined : Number(parts[3])
  const net = addressOf(host)
  if (net !== undefined) return { kind: 'net', net, prefix: net.bits, port }
  const [, dots = '', name = ''] = /^(\*?\.)?([^*:/@\s,<>[\]]+?)\.?$/.exec(host) ?? []
  if (name === '' || name.startsWith('.')) return undefined
  return { kind: 'name', name: ascii(name), below: dots === '' ? 'too' : 'only', port }
}

/** Entries of a list of the environment: between commas or blanks. What is no entry is passed over, as everybody does there. */
export function bypassRules(list: string): readonly BypassRule[] {
  return list
    .split(/[\s,]+/)
    .map(bypassRule)
    .filter((rule) => rule !== undefined)
}

/** Whether the address is asked for directly. */
export function bypassed(url: URL, rules: readonly BypassRule[]): boolean {
  const host = url.hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '')
  const port = Number(url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : url.port)
  const address = addressOf(host)
  if (isLoopback(host, address) && !rules.some(({ kind }) => kind === 'loopback too')) return true
  return rules.some((rule) => {
    switch (rule.kind) {
      case 'all':
        return true
      case 'loopback too':
        return false
      case 'net':
        return (
          (rule.port ?? port) === port &&
          address?.bits === rule.net.bits &&
          within(address, { net: rule.net, prefix: rule.prefix })
        )
      case 'name':
        return (
          (rule.port ?? port) === port &&
          ((host === rule.name && rule.below === 'too') || host.endsWith(`.${rule.name}`))
        )
    }
  })
}

function isLoopback(host: string, address: Address | undefined): boolean {
  if (host === 'localhost' || host.endsWith('.localhost')) return true
  if (address === undefined) return false
  return address.bits === 32 ? address.value >> 24n === 127n : address.value === 1n
}

function within(address: Address, { net, prefix }: { readonly net: Address; readonly prefix: number }): boolean {
  const rest = BigInt(net.bits - prefix)
  return address.value >> rest === net.value >> rest
}

/** An address of IPv4 inside one of IPv6 (`::ffff:10.0.0.1`) is the address of IPv4. */
function addressOf(text: string): Address | undefined {
  const four = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)
  if (four !== null) {
    const bytes = four.slice(1).map(Number)
    if (bytes.some((byte) => byte > 255)) return undefined
    return { bits: 32, value: bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) }
  }
  const six = text.includes(':') ? URL.parse(`http://[${text}]`)?.hostname.slice(1, -1) : undefined
  if (six === undefined) return undefined
  const [left = [], right = []] = six.split('::').map((half) => half.split(':').filter((group) => group !== ''))
  const groups = [...left, ...Array<string>(8 - left.length - right.length).fill('0'), ...right]
  const value = BigInt(`0x${groups.map((group) => group.padStart(4, '0')).join('')}`)
  return value >> 32n === 0xffffn ? { bits: 32, value: value & 0xffffffffn } : { bits: 128, value }
}

/** As names stand in addresses: punycode. */
function ascii(name: string): string {
  return URL.parse(`http://${name}`)?.hostname ?? name
}
