/** All rows, in the order of the table. */
import type { Row } from './row.ts'
import { crashTax } from './rows/crash-tax.ts'
import { idle } from './rows/idle.ts'
import { longPath } from './rows/long-path.ts'
import { manyBig } from './rows/many-big.ts'
import { bigFiles, verified } from './rows/one-file.ts'
import { smallFiles } from './rows/small-files.ts'

export const rows: readonly Row[] = [...bigFiles, ...verified, longPath, smallFiles, manyBig, crashTax, idle]
