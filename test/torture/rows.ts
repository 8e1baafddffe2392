/** The matrix: every row, with the controls beside the rows that they are for. */
import { killRows } from './kill-rows.ts'
import { powerRows } from './power-rows.ts'
import type { Row } from './row.ts'

export const rows: readonly Row[] = [...killRows, ...powerRows]
