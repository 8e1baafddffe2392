/**
 * The authorities that are trusted without being named: those that Node brings along, and those of this machine, among which
 * an administrator puts a company's own.
 *
 * Node can read the machine's too, but where they lie in a folder and a bundle it parses each of them twice and stops
 * everything for 0.3 s meanwhile. On Linux the bundle says the same and is read in a few ms.
 */
import { readFileSync } from 'node:fs'
import { getCACertificates } from 'node:tls'

/** Of Debian, Fedora, SUSE and Alpine with their descendants. */
const bundles: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

let found: readonly string[] | undefined

/** PEM: what this machine trusts and Node does not by itself. Read once; a daemon that is started anew sees what was added. */
export function rootsOfThisMachine(): readonly string[] {
  found ??= missingFrom(getCACertificates('default'), machines())
  return found
}

/** Each once. */
export function missingFrom(known: readonly string[], certificates: readonly string[]): readonly string[] {
  const bare = (pem: string): string => pem.replaceAll(/\s/g, '')
  const seen = new Set(known.map(bare))
  return certificates.filter((pem) => {
    const isNew = !seen.has(bare(pem))
    seen.add(bare(pem))
    return isNew
  })
}

/** What stands around certificates in a bundle are comments. */
export function certificatesIn(bundle: string): readonly string[] {
  return bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
}

function machines(): readonly string[] {
  // OpenSSL's own variables: a bundle, or a folder of files.
  const { SSL_CERT_FILE: file = '', SSL_CERT_DIR: folder = '' } = process.env
  if (file === '' && (folder !== '' || process.platform !== 'linux')) return getCACertificates('system')
  for (const bundle of file === '' ? bundles : [file]) {
    try {
      return certificatesIn(readFileSync(bundle, 'latin1'))
    } catch {
      // Not this kind of Linux, or a variable that leads nowhere.
    }
  }
  return []
}
