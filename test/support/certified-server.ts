/** The fault server of `longhaul/testing` with a certificate by our own authority, good or bad, if it is to have one. */
import { FaultServer, type FaultServerOptions } from '../../src/testing/fault-server.ts'
import { type CertificateKind, testAuthority, testCertificate } from './certificates.ts'

export interface CertifiedServerOptions extends Omit<FaultServerOptions, 'tls'> {
  /** @default http */
  readonly certificate?: CertificateKind
  readonly tls?: { readonly minVersion?: 'TLSv1.2' | 'TLSv1.3'; readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3' }
}

export class CertifiedServer extends FaultServer {
  static override async start(options: CertifiedServerOptions = {}): Promise<CertifiedServer> {
    const { certificate, tls, ...plain } = options
    const server = new CertifiedServer(
      certificate === undefined ? plain : { ...plain, tls: { ...testCertificate(certificate), ...tls } },
    )
    await server.restart()
    return server
  }

  /** PEM to trust. */
  get authority(): string {
    return testAuthority()
  }
}
