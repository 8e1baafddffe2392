/**
 * `longhaul/testing`: what an app's own tests need to rehearse bad servers. Loaded only by whoever imports it; nothing of it
 * is part of an app that imports `longhaul`.
 */

/** An HTTP server that cuts, stalls, lies and changes its mind where a test says so. */
export {
  FaultServer,
  type FaultServerOptions,
  type FileOptions,
  type ReceivedRequest,
  type ServerTls,
} from './fault-server.ts'

/** What the steps of its scripts are made of. */
export * from './behaviours.ts'
