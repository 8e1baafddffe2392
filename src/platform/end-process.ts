/**
 * The end of this process, at once, by a signal to itself. `process.exit` waits for V8's threads, and one that compiles may wait
 * for the very thread that waits for it (nodejs/node#54918): the process then stays for ever, with the lock of its home. What Node
 * writes at an exit (`--cpu-prof`, coverage) is written all the same: `process.kill` of oneself sees to that.
 *
 * By SIGTERM where all is done, which systemd calls a clean end. By SIGKILL where nothing may run any more.
 */
export function endProcess(signal: 'SIGTERM' | 'SIGKILL', code: number): never {
  if (process.platform !== 'win32') {
    process.removeAllListeners(signal)
    // Returns only where the kernel spares this process: the first one of a container.
    process.kill(process.pid, signal)
  }
  process.exit(code)
}
