/**
 * The database with its statements prepared once. Rows come back as the type that the caller names: the SQL is the schema's,
 * and this is the one place where that is taken on trust.
 *
 * SQLite's binding gives a row as an object without a shape of its own, which costs twice as much to make as one with a shape,
 * and seven times as much to copy (a task has 41 columns, and is copied at each change): so rows are asked for as arrays, and
 * made here.
 */
import type { DatabaseSync, SQLInputValue, SQLOutputValue, StatementSync } from 'node:sqlite'

export type Value = SQLInputValue

const mostRemembered = 1000

interface Prepared {
  readonly statement: StatementSync
  readonly columns: readonly string[]
}

export class Store {
  readonly database: DatabaseSync
  readonly #prepared = new Map<string, Prepared>()
  readonly #remembered = new Map<string, unknown>()

  constructor(database: DatabaseSync) {
    this.database = database
  }

  exec(sql: string): void {
    this.database.exec(sql)
  }

  get<Row>(sql: string, ...values: Value[]): Row | undefined {
    const { statement, columns } = this.#prepare(sql)
    const found = statement.get(...values)
    return found === undefined ? undefined : rowOf<Row>(columns, found)
  }

  all<Row>(sql: string, ...values: Value[]): readonly Row[] {
    const { statement, columns } = this.#prepare(sql)
    return statement.all(...values).map((found) => rowOf<Row>(columns, found))
  }

  /** Row by row, for a table that may be larger than memory. Nothing may be written until it has ended. */
  each<Row>(sql: string, row: (row: Row) => void): void {
    const { statement, columns } = this.#prepare(sql)
    for (const found of statement.iterate()) row(rowOf<Row>(columns, found))
  }

  /** @returns how many rows changed */
  run(sql: string, ...values: Value[]): number {
    return Number(this.#prepare(sql).statement.run(...values).changes)
  }

  /** @returns the id of the row that was inserted */
  insert(sql: string, ...values: Value[]): number {
    return Number(this.#prepare(sql).statement.run(...values).lastInsertRowid)
  }

  /** What is read at each step and hardly ever changes. Whoever changes it says {@link forget}; so does whoever rolls back. */
  remember<T>(what: string, read: () => T): T {
    if (this.#remembered.has(what)) return this.#remembered.get(what) as T
    const value = read()
    if (this.#remembered.size >= mostRemembered) this.#remembered.clear()
    this.#remembered.set(what, value)
    return value
  }

  /** @param what @default all of it */
  forget(what?: string): void {
    if (what === undefined) this.#remembered.clear()
    else this.#remembered.delete(what)
  }

  #prepare(sql: string): Prepared {
    let prepared = this.#prepared.get(sql)
    if (prepared === undefined) {
      const statement = this.database.prepare(sql)
      statement.setReturnArrays(true)
      prepared = { statement, columns: statement.columns().map(({ name }) => name) }
      this.#prepared.set(sql, prepared)
    }
    return prepared
  }
}

/** @param values an array, since that was asked for; the binding's types do not know */
function rowOf<Row>(columns: readonly string[], values: unknown): Row {
  const row: Record<string, SQLOutputValue> = {}
  columns.forEach((column, index) => {
    row[column] = (values as readonly SQLOutputValue[])[index]!
  })
  return row as Row
}
