/** squid and dante as Debian has them, on loopback, with a folder of their own and nothing kept. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { chmod, writeFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { freePort } from './ports.ts'
import { temporaryFolder } from './temporary-folder.ts'

export class RealProxy implements AsyncDisposable {
  readonly port: number
  readonly #process: ChildProcess

  private constructor(port: number, process: ChildProcess) {
    this.port = port
    this.#process = process
  }

  /** Asks for user and password; knows these names for 127.0.0.1, and goes nowhere else. */
  static async squid(options: {
    readonly names: readonly string[]
    readonly credential: string
    readonly scheme: 'basic' | 'digest'
  }): Promise<RealProxy> {
    const { scheme } = options
    const folder = await temporaryFolder()
    // As root it becomes another user, who has to read these.
    await chmod(folder, 0o755)
    const port = await freePort()
    const [user, password] = options.credential.split(':')
    const hash = createHash('md5').update(password!).digest('hex')
    await writeFile(join(folder, 'users'), `${user!}:${scheme === 'basic' ? hash : password!}\n`)
    await writeFile(
      join(folder, 'hosts'),
      [...options.names.map((name) => `127.0.0.1 ${name}`), '127.0.0.2 forbidden.example'].join('\n') + '\n',
    )
    const configuration = `
http_port 127.0.0.1:${port}
visible_hostname localhost
hosts_file ${folder}/hosts
coredump_dir ${folder}
pid_filename none
access_log none
cache_store_log none
cache_log /dev/null
netdb_filename none
pinger_enable off
cache deny all
max_filedescriptors 1024
shutdown_lifetime 0 seconds
auth_param ${scheme} program /usr/lib/squid/${scheme === 'basic' ? 'basic_ncsa_auth' : 'digest_file_auth'} ${folder}/users
auth_param ${scheme} realm Longhaul's tests
auth_param ${scheme} children 1 startup=1 idle=1
acl here dst 127.0.0.1/32
acl known proxy_auth REQUIRED
http_access deny !here
http_access allow known
http_access deny all
`
    await writeFile(join(folder, 'squid.conf'), configuration)
    // Without a name of its own it would meet the shared memory of any other squid of this machine.
    const args = ['-N', '-n', `longhaul${port}`, '-d', '1', '-f', join(folder, 'squid.conf')]
    // It says "Accepting HTTP Socket connections" a moment before it listens, and this soon after.
    return new RealProxy(port, await started('squid', args, /storeLateRelease/))
  }

  /** Asks nobody; goes to 127.0.0.1 and refuses 127.0.0.2. */
  static async danted(): Promise<RealProxy> {
    const folder = await temporaryFolder()
    const port = await freePort()
    const configuration = `
logoutput: stderr
internal: 127.0.0.1 port = ${port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
socks pass { from: 127.0.0.0/8 to: 127.0.0.1/32 protocol: tcp }
socks block { from: 0.0.0.0/0 to: 0.0.0.0/0 }
`
    await writeFile(join(folder, 'danted.conf'), configuration)
    const args = ['-f', join(folder, 'danted.conf'), '-p', join(folder, 'danted.pid')]
    return new RealProxy(port, await started('danted', args, /Dante\/server.* running/))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = once(this.#process, 'exit')
    this.#process.kill('SIGTERM')
    await ended
    // dante's helpers may go on for a while without it, with our pipe in their hands.
    try {
      process.kill(-this.#process.pid!, 'SIGKILL')
    } catch {
      // There are none.
    }
    this.#process.stderr?.destroy()
  }
}

async function started(program: string, args: readonly string[], ready: RegExp): Promise<ChildProcess> {
  const PATH = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin`
  const child = spawn(program, args, { env: { PATH }, stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  let said = ''
  child.stderr.setEncoding('utf8')
  const readyNow = new Promise<void>((resolve, reject) => {
    child.stderr.on('data', (text: string) => {
      said += text
      if (ready.test(said)) resolve()
    })
    child.once('exit', () => reject(new Error(`${program} did not start: ${said}`)))
  })
  await readyNow
  return child
}
