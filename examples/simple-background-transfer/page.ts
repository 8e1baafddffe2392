/** The demo's local page: static files, one stream of events. Loopback only, under a path that nobody can guess. */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Texts } from './texts.ts'

export interface Page {
  readonly url: string
  /** Also kept for whoever opens the page later; of `app`, `task` and `verdict` the newest only. */
  tell(type: 'app' | 'line' | 'task' | 'verdict', data: unknown): void
  /** True while a browser watches. */
  readonly watched: () => boolean
  close(): void
}

const files: Readonly<Record<string, string>> = {
  '': 'text/html; charset=utf-8',
  'page.css': 'text/css; charset=utf-8',
  'page.js': 'text/javascript; charset=utf-8',
}

export async function openPage(texts: Texts, picture: () => string | undefined): Promise<Page> {
  const root = `/${randomBytes(12).toString('base64url')}/`
  const listeners = new Set<ServerResponse>()
  const newest = new Map<string, string>()
  const lines: string[] = []

  const answer = async (path: string, response: ServerResponse): Promise<void> => {
    if (path === 'events') {
      response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
      for (const message of [...lines, ...newest.values()]) response.write(message)
      listeners.add(response)
      response.on('close', () => listeners.delete(response))
      return
    }
    const type =
      files[path] ?? (path === 'texts.json' ? 'application/json' : path === 'picture.png' ? 'image/png' : undefined)
    const file = path === 'picture.png' ? picture() : new URL(path === '' ? 'page.html' : path, import.meta.url)
    if (type === undefined || file === undefined) {
      response.writeHead(404).end()
      return
    }
    const body = path === 'texts.json' ? JSON.stringify(texts) : await readFile(file)
    response
      .writeHead(200, {
        'content-type': type,
        'cache-control': 'no-store',
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'",
      })
      .end(body)
  }

  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo
    // A foreign name that was made to lead here (DNS rebinding) has another Host.
    const ours =
      request.headers.host === `127.0.0.1:${port}` && request.method === 'GET' && request.url?.startsWith(root) === true
    if (!ours) {
      response.writeHead(403).end()
      return
    }
    answer(request.url!.slice(root.length), response).catch(() => response.destroy())
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    url: `http://127.0.0.1:${port}${root}`,
    tell: (type, data) => {
      const message = `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`
      if (type === 'line') lines.push(message)
      else newest.set(type, message)
      for (const listener of listeners) listener.write(message)
    },
    watched: () => listeners.size > 0,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
