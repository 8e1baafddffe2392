/**
 * An authority of our own and certificates by it, good and bad, made by the `openssl` command in a temporary folder once
 * a process: no key is ever committed, and none can expire in the repository.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

export interface KeyAndCertificate {
  readonly key: string
  readonly cert: string
}

export type CertificateKind = 'good' | 'expired' | 'not yet valid' | 'other name' | 'self-signed'

let authority: Authority | undefined

/** PEM of the authority that signed the certificates: what goes into `tls.ca`. */
export function testAuthority(): string {
  authority ??= new Authority()
  return authority.certificate
}

/** For localhost, 127.0.0.1 and ::1, unless its kind says otherwise. */
export function testCertificate(kind: CertificateKind = 'good'): KeyAndCertificate {
  authority ??= new Authority()
  return authority.issue(kind)
}

const ours = 'DNS:localhost,IP:127.0.0.1,IP:::1'
const dayMs = 86_400_000

class Authority {
  readonly certificate: string
  readonly #folder = mkdtempSync(join(tmpdir(), 'longhaul-test-ca-'))
  readonly #issued = new Map<CertificateKind, KeyAndCertificate>()

  constructor() {
    process.once('exit', () => rmSync(this.#folder, { recursive: true, force: true }))
    writeFileSync(
      join(this.#folder, 'ca.cnf'),
      [
        '[ca]\ndefault_ca=ours',
        '[ours]\nnew_certs_dir=.\ndatabase=index.txt\nserial=serial\ndefault_md=sha256\npolicy=any\nunique_subject=no\ncopy_extensions=copy\nx509_extensions=leaf',
        '[any]\ncommonName=supplied',
        '[leaf]\nbasicConstraints=CA:FALSE\nauthorityKeyIdentifier=keyid',
        '[req]\ndistinguished_name=name\n[name]\n',
      ].join('\n'),
    )
    writeFileSync(join(this.#folder, 'index.txt'), '')
    writeFileSync(join(this.#folder, 'serial'), '1000\n')
    this.#openssl(
      'req',
      '-x509',
      '-config',
      'ca.cnf',
      ...newKey('ca'),
      '-out',
      'ca.pem',
      '-days',
      '30',
      '-subj',
      '/CN=Longhaul test authority',
      '-addext',
      'basicConstraints=critical,CA:TRUE',
      '-addext',
      'subjectKeyIdentifier=hash',
    )
    this.certificate = this.#read('ca.pem')
  }

  issue(kind: CertificateKind): KeyAndCertificate {
    const known = this.#issued.get(kind)
    if (known !== undefined) return known
    const name = kind.replaceAll(' ', '-')
    const names = `subjectAltName=${kind === 'other name' ? 'DNS:elsewhere.example' : ours}`
    if (kind === 'self-signed') {
      this.#openssl(
        'req',
        '-x509',
        '-config',
        'ca.cnf',
        ...newKey(name),
        '-out',
        `${name}.pem`,
        '-days',
        '30',
        '-subj',
        '/CN=localhost',
        '-addext',
        names,
      )
    } else {
      const [from, to] = kind === 'expired' ? [-20, -10] : kind === 'not yet valid' ? [10, 20] : [-1, 20]
      this.#openssl(
        'req',
        '-config',
        'ca.cnf',
        ...newKey(name),
        '-out',
        `${name}.csr`,
        '-subj',
        '/CN=localhost',
        '-addext',
        names,
      )
      this.#openssl(
        'ca',
        '-batch',
        '-notext',
        '-config',
        'ca.cnf',
        '-cert',
        'ca.pem',
        '-keyfile',
        'ca.key',
        '-in',
        `${name}.csr`,
        '-out',
        `${name}.pem`,
        '-startdate',
        inDays(from),
        '-enddate',
        inDays(to),
      )
    }
    const made = { key: this.#read(`${name}.key`), cert: this.#read(`${name}.pem`) }
    this.#issued.set(kind, made)
    return made
  }

  #openssl(...args: readonly string[]): void {
    execFileSync('openssl', args, { cwd: this.#folder, stdio: ['ignore', 'ignore', 'pipe'] })
  }

  #read(name: string): string {
    return readFileSync(join(this.#folder, name), 'utf8')
  }
}

function newKey(name: string): readonly string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', `${name}.key`]
}

/** As `openssl ca` wants it: YYYYMMDDHHMMSSZ. */
function inDays(days: number): string {
  return `${new Date(Date.now() + days * dayMs).toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
}
