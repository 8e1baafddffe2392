// What the journal says of partial files, read beside the daemon or when it is dead, without touching anything.
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { ByteRanges } from '../../src/contract/bytes.ts'

export interface PartBeside {
  readonly folder: string
  readonly name: string
  /** What counts as had. */
  readonly safe: ByteRanges
}

export function partsOf(home: string): readonly PartBeside[] {
  using journal = new DatabaseSync(join(home, 'journal.db'), { readOnly: true, timeout: 5000 })
  const rows = journal.prepare('select folder, name, ranges from part').all()
  return rows.map(({ folder, name, ranges }) => ({
    folder: String(folder),
    name: String(name),
    safe: JSON.parse(String(ranges)) as ByteRanges,
  }))
}
