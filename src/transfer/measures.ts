/** What one attempt measures: each request, the redirects, the bytes. */
import type { RequestFacts, ResponseJson } from '../contract/task.ts'
import { textOf, type TransactionJson, transactionsKept, transactionsText } from '../contract/metrics.ts'
import type { Proof } from '../contract/words.ts'
import type { Exchange } from '../world/transport.ts'
import type { Measure } from './assignment.ts'

/** One request and its answer, while it may still receive. */
export interface OpenTransaction {
  received(bytes: number): void
  /** The body has ended or was given up. Harmless when it is told twice. */
  ended(wallMs: number): void
}

export class Measures {
  #bytes = 0
  #redirects = 0
  #proof: Proof | undefined
  /** The newest: a server can make any number of them, with heads of any weight. */
  readonly #transactions: { readonly facts: () => TransactionJson; readonly text: number }[] = []
  #text = 0

  redirected(): void {
    this.#redirects++
  }

  proven(proof: Proof): void {
    this.#proof = proof
  }

  /** Body bytes that came for the file; those of error pages and redirects are not among them. */
  received(bytes: number): void {
    this.#bytes += bytes
  }

  get redirects(): number {
    return this.#redirects
  }

  transaction(request: RequestFacts, response: ResponseJson, exchange: Exchange): OpenTransaction {
    let bodyBytesReceived = 0
    let responseEndMs: number | undefined
    // The facts of the connection grow until the end, so they are read when somebody asks.
    const facts = (): TransactionJson => ({
      request,
      response,
      ...exchange.facts,
      bodyBytesSent: 0,
      bodyBytesReceived,
      ...(responseEndMs !== undefined && { responseEndMs }),
    })
    this.#keep(facts, textOf({ request, response }))
    return {
      received(bytes) {
        bodyBytesReceived += bytes
      },
      ended(wallMs) {
        responseEndMs ??= wallMs
      },
    }
  }

  #keep(facts: () => TransactionJson, text: number): void {
    this.#transactions.push({ facts, text })
    this.#text += text
    while (
      this.#transactions.length > transactionsKept ||
      (this.#text > transactionsText && this.#transactions.length > 1)
    )
      this.#text -= this.#transactions.shift()!.text
  }

  taken(): Measure {
    return {
      bytes: this.#bytes,
      ...(this.#proof !== undefined && { proof: this.#proof }),
      transactions: this.#transactions.map(({ facts }) => facts()),
      redirects: this.#redirects,
    }
  }
}
