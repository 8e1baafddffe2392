/**
 * The database with its statements prepared once. Rows come back as the type that the caller names: the SQL is the schema's,
 * and this is the one place where that is taken on trust.
 */
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite'

export type Value = SQLInputValue

export class Store {
  readonly database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  constructor(database: DatabaseSync) {
    this.database = database
  }

  exec(sql: string): void {
    this.database.exec(sql)
  }

  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    return this.#statement(sql).get(...values) as Row | undefined
  }

  all<Row>(sql: string, ...values: Value[]): readonly Row[] {
    return this.#statement(sql).all(...values) as unknown as readonly Row[]
  }

  /** Row by row, for a table that may be larger than memory. Nothing may be written until it has ended. */
  each<Row>(sql: string, row: (row: Row) => void): void {
    for (const found of this.#statement(sql).iterate()) row(found as unknown as Row)
  }

  /** @returns how many rows changed */
  run(sql: string, ...values: Value[]): number {
    return Number(this.#statement(sql).run(...values).changes)
  }

  /** @returns the id of the row that was inserted */
  insert(sql: string, ...values: Value[]): number {
    return Number(this.#statement(sql).run(...values).lastInsertRowid)
  }

  #statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) {
      statement = this.database.prepare(sql)
      this.#statements.set(sql, statement)
    }
    return statement
  }
}
