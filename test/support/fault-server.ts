/** For tests that were begun before the fault server had moved. */
export * from '../../src/testing/index.ts'
export {
  CertifiedServer as FaultServer,
  type CertifiedServerOptions as FaultServerOptions,
} from './certified-server.ts'
