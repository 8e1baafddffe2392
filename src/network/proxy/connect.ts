/** A tunnel by CONNECT (RFC 9110 §9.3.6), and what a proxy's refusals mean. Strict: what is not HTTP/1 is not guessed at. */
import type { NetworkFailure } from '../../world/transport.ts'
import { withoutBlanks } from '../framing.ts'
import { Challenged } from './identity.ts'
import { failed, type Parley, refused } from './parley.ts'

/** Names and values of the answer; more than any honest proxy sends. */
const maximumHeadBytes = 64 * 1024
const maximumInterimAnswers = 10

const statusLine = /^HTTP\/1\.[01] ([1-5]\d\d)(?: [^\r\n]*)?$/
// RFC 9112 §5: a name is a token, and nothing stands between it and the colon.
const fieldLine = /^([!#$%&'*+\-.^_`|~\dA-Za-z]+):([^\r\n]*)$/

/**
 * @param target `host:port`, IPv6 in brackets
 * @param authorization the value of Proxy-Authorization
 */
export function connectParley(name: string, target: string, authorization: string | undefined): Parley {
  const lines = [
    `CONNECT ${target} HTTP/1.1`,
    `Host: ${target}`,
    'User-Agent: longhaul',
    ...(authorization === undefined ? [] : [`Proxy-Authorization: ${authorization}`]),
  ]
  let interim = 0
  return {
    proxy: name,
    opening: Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'),
    read(received) {
      const start = received.toString('latin1', 0, 7)
      if (!'HTTP/1.'.startsWith(start)) throw failed(name, 'did not answer in HTTP')
      const end = received.indexOf('\r\n\r\n')
      if (end < 0 ? received.length >= maximumHeadBytes : end > maximumHeadBytes)
        throw failed(name, `answered with a head of more than ${maximumHeadBytes} bytes`)
      if (end < 0) return undefined
      const [first = '', ...fields] = received.toString('latin1', 0, end).split('\r\n')
      const status = Number(statusLine.exec(first)?.[1])
      if (Number.isNaN(status) || status === 101) throw failed(name, 'did not answer in HTTP')
      const headers = fields.map((line): readonly [string, string] => {
        const [, key, value] = fieldLine.exec(line) ?? []
        if (key === undefined) throw failed(name, 'did not answer in HTTP')
        return [key.toLowerCase(), withoutBlanks(value ?? '')]
      })
      const used = end + 4
      if (status < 200) {
        interim++
        if (interim > maximumInterimAnswers)
          throw failed(name, `gave more than ${maximumInterimAnswers} interim answers`)
        return { used }
      }
      // A successful answer has no body, whatever its head says.
      if (status < 300) return { used, open: true }
      throw status === 407 ? new Challenged(name, headers) : refusal(name, status)
    },
  }
}

/** Another status than 2xx, in words, with whether it is worth another try. */
function refusal(name: string, status: number): NetworkFailure {
  const passing = status >= 500 || status === 408 || status === 425 || status === 429
  return (passing ? failed : refused)(name, `answered with status ${status}${meanings[status] ?? ''}`)
}

const meanings: Readonly<Record<number, string>> = {
  403: ': it does not allow this address',
  502: ': it cannot reach the server',
  503: ': it cannot serve now',
  504: ': the server did not answer it in time',
}
