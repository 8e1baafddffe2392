/** The fault server of `longhaul/testing` with the certificates of our own tests. */
import {
  FaultServer as Plain,
  type FaultServerOptions as PlainOptions,
  type ServerTls,
} from '../../src/testing/fault-server.ts'
import { type CertificateKind, testAuthority, testCertificate } from './certificates.ts'

export * from '../../src/testing/behaviour.ts'
export * from '../../src/testing/behaviours.ts'
export type { FileOptions, PathTraffic, ReceivedRequest } from '../../src/testing/fault-server.ts'

export interface FaultServerOptions extends Omit<PlainOptions, 'tls'> {
  /** TLS with a certificate of this kind by the test authority. */
  readonly certificate?: CertificateKind
  readonly tls?: Pick<ServerTls, 'minVersion' | 'maxVersion'>
}

export class FaultServer extends Plain {
  static override async start(options: FaultServerOptions = {}): Promise<FaultServer> {
    const { certificate, tls, ...plain } = options
    const server = new FaultServer(
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
