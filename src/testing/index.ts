/**
 * `longhaul/testing`: what an app's own tests need to rehearse bad servers and dying daemons. Loaded only by whoever imports
 * it; nothing of it is part of an app that imports `longhaul`.
 */

/** The real daemon in a thread of the test, in a home of its own, to be killed and started again. */
export { TestDaemon, type TestDaemonOptions } from './test-daemon.ts'

/** An HTTP server that cuts, stalls, lies and changes its mind where a test says so. */
export {
  FaultServer,
  type FaultServerOptions,
  type FileOptions,
  type PathTraffic,
  type ReceivedRequest,
  type ServerTls,
} from './fault-server.ts'

/** What the steps of its scripts are made of: plain data, and functions that make it. */
export {
  type Behaviour,
  type Breakage,
  type Coding,
  type DigestFields,
  type Framing,
  type Step,
  together,
} from './behaviour.ts'
export * from './behaviours.ts'
