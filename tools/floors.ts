// The floors of the house: who may import whom, and who may touch the real world. Arrows run down only. This is the table;
// tools/check-floors.ts reads every import in src/ against it. A change here is a change of the architecture: say why in
// ARCHITECTURE.md.

/**
 * Rooms (folders of src/) and single files of them, each with all that it may import beside its own room.
 * - `world` is a whole room, `transfer/engine` one file of it.
 * - `type journal/journal` lets only types through: `import type`, nothing at run time.
 * - A row for a single file (`daemon/life`) replaces the row of its room.
 */
export const mayImport: Readonly<Record<string, readonly string[]>> = {
  // Ground floor: the words everyone shares, and the seams for what takes time or chance.
  contract: [],
  world: ['contract'],
  // What HTTP says of authentication: servers are answered in `transfer`, proxies in `network`. Pure.
  authentication: [],

  // One thing each, on top of the seams.
  scheduler: ['world', 'contract'],
  transfer: ['authentication', 'world', 'contract'],
  network: ['authentication', 'world', 'contract'],
  platform: ['world', 'contract'],
  wire: ['world', 'contract'],
  journal: ['contract'],
  // The journal in its own thread needs a real clock and log there.
  'journal/thread': ['contract', 'world', 'platform'],

  // What the daemon does.
  delivery: ['type journal/journal', 'world', 'contract'],
  service: [
    'delivery',
    'scheduler',
    'transfer/engine',
    'transfer/assignment',
    'transfer/access',
    'type journal/journal',
    'world',
    'contract',
  ],
  gateway: ['service', 'contract'],
  daemon: ['gateway', 'service', 'wire', 'type journal/journal', 'world', 'contract'],
  // Puts the daemon together, so it alone sees all of its parts.
  'daemon/life': [
    'gateway',
    'service',
    'delivery',
    'transfer/engine',
    'wire',
    'network/transport',
    'platform',
    'journal/thread',
    'type journal/journal',
    'world',
    'contract',
  ],
  // What is a process's business: arguments, the lock, signals, the exit.
  'daemon/main': ['platform', 'contract'],

  // What an app and a person hold. Nothing of what the daemon is made of; of the platform, only what a process beside the
  // daemon needs to find or start it, and to put a delivered file into its place, and that through one file.
  client: ['type wire/peer', 'type world/app-world', 'contract'],
  'client/this-app': [
    'wire',
    'platform/paths',
    'platform/clock',
    'platform/secret',
    'platform/start-daemon',
    'platform/this-process',
    'platform/destination',
    'platform/move-file',
    'type world/app-world',
    'contract',
  ],
  cli: [
    'client',
    'platform/paths',
    'platform/start-daemon',
    // Of the daemon that it runs in the foreground.
    'platform/thrift',
    'platform/this-process',
    'platform/destination',
    'platform/package-version',
    // Whether a daemon runs that cannot be talked to.
    'platform/instance-lock',
    'platform/lock-file',
    'platform/startup',
    'contract',
  ],
  index: ['client', 'contract'],

  // `longhaul/testing`, an entrance of its own: nobody imports it.
  testing: [
    'platform/daemon-environment',
    'platform/find-node',
    'platform/instance-lock',
    'platform/paths',
    'contract',
  ],
  // A daemon in a thread of somebody's test is made as the one in a process.
  'testing/daemon-thread': [
    'daemon/life',
    'platform/lock-file',
    'platform/log',
    'platform/paths',
    'type platform/instance-lock',
    'contract',
  ],
}

/**
 * Only these may touch clocks, timers, chance, files, sockets, processes and threads. Everybody else takes the seams of
 * world/, which is what lets the simulator run the same code on a clock, a disk and a network of its own.
 */
export const touchesTheRealWorld: readonly string[] = [
  'platform',
  'network',
  'wire',
  'journal/thread',
  'daemon/main',
  'daemon/life',
  'cli',
  // A server that breaks off on purpose needs the raw socket.
  'testing',
]

/** Modules of Node that compute and do nothing else: free for everyone. */
export const harmlessModules: readonly string[] = [
  'node:buffer',
  'node:events',
  'node:path',
  'node:path/posix',
  'node:string_decoder',
  'node:url',
  'node:util',
]

/** Names of node:crypto that give the same answer for the same input: free for everyone. */
export const harmlessCrypto: readonly string[] = ['createHash', 'createHmac', 'timingSafeEqual', 'Hash', 'Hmac']

/** Modules and packages that belong to one room, or a few. Every other package is refused everywhere. */
export const belongsTo: Readonly<Record<string, readonly string[]>> = {
  'node:sqlite': ['journal', 'platform'],
  undici: ['network'],
  zod: ['daemon'],
  pino: ['platform'],
  'content-disposition': ['transfer'],
  'tough-cookie': ['transfer'],
}

/** May read `process` (arguments, environment, versions) and nothing else of the real world: an app's own process is its business. */
export const mayReadProcess: readonly string[] = ['client/this-app']

/** Globals that are time or chance. `Date.now` is a member; `Date()` and `new Date()` without arguments read the clock too. */
export const worldlyGlobals: readonly string[] = [
  'setTimeout',
  'setInterval',
  'setImmediate',
  'fetch',
  'WebSocket',
  'EventSource',
  'Worker',
  'performance',
  'crypto',
  'process',
  'Date.now',
  'Math.random',
  'AbortSignal.timeout',
]
