/** A proxy as a user writes it, checked and put into the form that is stored. Pure. */
import { bypassRule } from '../contract/bypass.ts'
import {
  credentialProblem,
  proxyAddress,
  type ProxyChoice,
  type ProxyCredential,
  type ProxyJson,
  type ProxyOptions,
  proxyUrl,
} from '../contract/proxy.ts'
import { checkNames, invalid, isFields, shown } from './known-names.ts'

/** @throws INVALID_ARGUMENT; the address is never repeated in it, for there may be a password in it */
export function proxyChoice(value: ProxyChoice, name: string, consequence: string): ProxyJson {
  if (value === 'none' || value === 'system') return value
  if (!isFields(value))
    throw invalid(name, "write 'none', 'system', or { url: 'http://proxy.example:3128' }", consequence)
  const given: ProxyOptions = value
  checkNames(given, `fields of ${name}`, { known: ['url', 'bypass', 'credential'] }, consequence)
  const { url, bypass = [] } = given
  if (typeof url !== 'string' && !(url instanceof URL))
    throw invalid(`${name}.url`, `${shown(url)} is not an address`, consequence)
  const address = proxyAddress(String(url))
  if (typeof address === 'string') throw invalid(`${name}.url`, address, consequence)
  const credential = credentialOf(given, address.credential, name, consequence)
  const problem = credential && credentialProblem(address.kind, credential)
  if (problem !== undefined) throw invalid(`${name}.credential`, problem, consequence)
  return {
    url: proxyUrl(address),
    bypass: bypassOf(bypass, `${name}.bypass`, consequence),
    ...(credential !== undefined && { credential }),
  }
}

function credentialOf(
  { credential }: ProxyOptions,
  inAddress: ProxyCredential | undefined,
  name: string,
  consequence: string,
): ProxyCredential | undefined {
  if (credential === undefined) return inAddress
  if (inAddress !== undefined)
    throw invalid(`${name}.credential`, 'the address has a user in it too; give one of them', consequence)
  // Not shown: it may be the secret itself.
  if (!isFields(credential)) throw invalid(`${name}.credential`, 'write { user, password }', consequence)
  checkNames(credential, `fields of ${name}.credential`, { known: ['user', 'password'] }, consequence)
  const { user, password } = credential
  if (typeof user !== 'string' || typeof password !== 'string')
    throw invalid(`${name}.credential`, 'user and password must be texts', consequence)
  return { user, password }
}

function bypassOf(value: unknown, name: string, consequence: string): readonly string[] {
  if (!Array.isArray(value)) throw invalid(name, `${shown(value)} is not an array of strings`, consequence)
  return value.map((entry: unknown) => {
    if (typeof entry === 'string' && bypassRule(entry) !== undefined) return entry.trim()
    const forms = "'example.com', '.example.com', 'host:8080', '10.0.0.0/8', '<-loopback>' or '*'"
    throw invalid(name, `${shown(entry)} is not one of ${forms}`, consequence)
  })
}
