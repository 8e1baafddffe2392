/** All rows, in the order of the table. */
import type { Row } from './row.ts'
import { bigFiles, verified } from './rows/one-file.ts'

export const rows: readonly Row[] = [...bigFiles, ...verified]
