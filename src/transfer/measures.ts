/** What one attempt measures: each request, the redirects, the bytes. */
import type { RequestFacts, ResponseJson } from '../contract/task.ts'
import type { TransactionJson } from '../contract/metrics.ts'
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
  readonly #transactions: (() => TransactionJson)[] = []

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
    this.#transactions.push(() => ({
      request,
      response,
      ...exchange.facts,
      bodyBytesSent: 0,
      bodyBytesReceived,
      ...(responseEndMs !== undefined && { responseEndMs }),
    }))
    return {
      received(bytes) {
        bodyBytesReceived += bytes
      },
      ended(wallMs) {
        responseEndMs ??= wallMs
      },
    }
  }

  taken(): Measure {
    return {
      bytes: this.#bytes,
      ...(this.#proof !== undefined && { proof: this.#proof }),
      transactions: this.#transactions.map((facts) => facts()),
      redirects: this.#redirects,
    }
  }
}
