/**
 * Pins: whether one of the certificates that vouch for a server has a public key that was named beforehand (RFC 7469 §2.6,
 * curl's pinnedpubkey). That comes on top of all other checks, never in their place.
 *
 * Node does not give the chain that OpenSSL verified. `getPeerX509Certificate()` gives what the server sent, in the order in
 * which it sent it, so that a server with a certificate of its own could send the pinned one along; and once it was called,
 * `getPeerCertificate()` is empty. The latter orders the certificates by the names of their issuers and adds the root, but
 * looks at no signature. So we do: a certificate counts only if its key has signed the one before it.
 */
import { X509Certificate, createHash } from 'node:crypto'
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls'
import { NetworkFailure } from '../world/transport.ts'

/** @throws NetworkFailure with what the server has, if none of the pins is among it */
export function requirePin(secure: TLSSocket, pins: readonly string[], peer: string): void {
  const found = chainOf(secure.getPeerCertificate(true)).map(pinOf)
  if (found.some((pin) => pins.includes(pin))) return
  throw new NetworkFailure(
    'certificate untrusted',
    'tls',
    `${peer}: certificate untrusted (no certificate of its chain has a key that is in tls.pins; ` +
      `it has, its own first: ${found.join(', ')})`,
  )
}

/** From the server's own to the root, as far as each one truly signed the one before. */
function chainOf(peer: DetailedPeerCertificate): readonly X509Certificate[] {
  const chain: X509Certificate[] = []
  for (let next: Partial<DetailedPeerCertificate> | undefined = peer; next?.raw !== undefined;) {
    const certificate = new X509Certificate(next.raw)
    const below = chain.at(-1)
    if (below !== undefined && !signed(certificate, below)) break
    chain.push(certificate)
    // A root is its own issuer.
    next = next.issuerCertificate === next ? undefined : next.issuerCertificate
  }
  return chain
}

function signed(issuer: X509Certificate, below: X509Certificate): boolean {
  return issuer.ca && below.checkIssued(issuer) && below.verify(issuer.publicKey)
}

function pinOf(certificate: X509Certificate): string {
  const key = certificate.publicKey.export({ type: 'spki', format: 'der' })
  return `sha256/${createHash('sha256').update(key).digest('base64')}`
}
