/**
 * An HTTP server that wants to know who asks: Digest, Basic or Bearer, and cookies. It verifies by itself, with nothing of
 * ours, and writes down what every request brought.
 */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Seen {
  readonly path: string
  readonly authorization: string | undefined
  readonly cookie: string | undefined
  readonly status: number
}

export interface DigestRules {
  readonly realm?: string
  readonly user?: string
  readonly password?: string
  readonly algorithm?: 'MD5' | 'MD5-sess' | 'SHA-256' | 'SHA-256-sess'
  readonly qop?: boolean
  readonly domain?: string
  /** Each nonce may be used so often; then it is stale. */
  readonly uses?: number
  /** Every answer names the next nonce. */
  readonly nextnonce?: boolean
  /** A nonce that is over is refused like a wrong password. */
  readonly silent?: boolean
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

export class GuardedServer {
  readonly seen: Seen[] = []
  readonly #server: Server
  #nonces = 0
  #answer: Answer = (_, response) => response.end('open')

  static async start(): Promise<GuardedServer> {
    const guarded = new GuardedServer()
    const { promise, resolve } = Promise.withResolvers<void>()
    guarded.#server.listen(0, '127.0.0.1', resolve)
    await promise
    return guarded
  }

  private constructor() {
    this.#server = createServer((request, response) => {
      response.on('close', () => {
        this.seen.push({
          path: request.url ?? '',
          authorization: request.headers.authorization,
          cookie: request.headers.cookie,
          status: response.statusCode,
        })
      })
      this.#answer(request, response)
    })
  }

  /** By the name `host`: another one makes another origin of the same server. */
  url(path: string, host = '127.0.0.1'): string {
    return `http://${host}:${(this.#server.address() as AddressInfo).port}${path}`
  }

  answer(answer: Answer): void {
    this.#answer = answer
  }

  /** Only who proves to know the password gets to `inside`. */
  digest(rules: DigestRules, inside: Answer, extra: readonly string[] = []): void {
    const { realm = 'files', user = 'Mufasa', password = 'Circle of Life', algorithm, qop = true } = rules
    const hash = algorithm?.startsWith('SHA-256') === true ? 'sha256' : 'md5'
    const digest = (text: string): string => createHash(hash).update(text).digest('hex')
    // In a field each octet of its UTF-8 is a character.
    const inField = Buffer.from(realm, 'utf8').toString('latin1')
    const nonces = new Map<string, Set<string>>()
    const sessions = new Map<string, string>()
    const make = (): string => {
      const nonce = `nonce-${this.#nonces++}`
      nonces.set(nonce, new Set())
      return nonce
    }
    const refuse = (response: ServerResponse, stale: boolean): void => {
      const fields = [
        `Digest realm="${inField}", nonce="${make()}", opaque="some \\"thing\\""`,
        ...(qop ? ['qop="auth"'] : []),
        ...(algorithm === undefined ? [] : [`algorithm=${algorithm}`]),
        ...(rules.domain === undefined ? [] : [`domain="${rules.domain}"`]),
        ...(stale ? ['stale=true'] : []),
      ]
      response.writeHead(401, { 'www-authenticate': [...extra, fields.join(', ')] }).end('who are you?')
    }
    this.#answer = (request, response) => {
      const given = parse(request.headers.authorization)
      if (given === undefined) return refuse(response, false)
      const { nonce = '', nc = '', cnonce = '', uri = '', response: proof } = given
      const used = nonces.get(nonce)
      if (used === undefined) return refuse(response, false)
      const first = sessions.get(nonce) ?? `${nonce}:${cnonce}`
      let key = digest(`${user}:${realm}:${password}`)
      if (algorithm?.endsWith('-sess') === true) key = digest(`${key}:${first}`)
      const asked = digest(`${request.method}:${request.url}`)
      const right = digest(qop ? `${key}:${nonce}:${nc}:${cnonce}:auth:${asked}` : `${key}:${nonce}:${asked}`)
      if (proof !== right || uri !== request.url || given['username'] !== user) return refuse(response, false)
      if (given['realm'] !== inField || given['opaque'] !== 'some "thing"') return refuse(response, false)
      // A count that was there before is somebody else's.
      if (qop && used.has(nc)) return refuse(response, true)
      used.add(nc)
      if (rules.uses !== undefined && used.size > rules.uses) return refuse(response, rules.silent !== true)
      if (rules.nextnonce === true) {
        const next = make()
        sessions.set(next, first)
        response.setHeader('authentication-info', `nextnonce="${next}"`)
      }
      inside(request, response)
    }
  }

  basic(user: string, password: string, inside: Answer, challenge = 'Basic realm="files"'): void {
    const right = `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
    this.#answer = (request, response) => {
      if (request.headers.authorization === right) inside(request, response)
      else response.writeHead(401, { 'www-authenticate': challenge }).end('who are you?')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    this.#server.closeAllConnections()
    await promise
  }
}

/** The parameters of a Digest header. */
export function parse(authorization: string | undefined): Readonly<Record<string, string>> | undefined {
  if (authorization?.startsWith('Digest ') !== true) return undefined
  const found: Record<string, string> = {}
  for (const [, name, inQuotes, bare] of authorization.slice(7).matchAll(/([\w*]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s,]+))/g))
    found[name!] = inQuotes === undefined ? bare! : inQuotes.replaceAll(/\\(.)/g, '$1')
  return found
}
