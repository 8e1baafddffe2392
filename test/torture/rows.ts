/** The matrix: every row, with the controls beside the rows that they are for. */
import { faultRows } from './fault-rows.ts'
import { killRows } from './kill-rows.ts'
import { powerRows } from './power-rows.ts'
import { recoveryRows } from './recovery-rows.ts'
import type { Row } from './row.ts'
import { syncLostRows } from './sync-lost-rows.ts'

export const rows: readonly Row[] = [...killRows, ...recoveryRows, ...powerRows, ...faultRows, ...syncLostRows]
