// Every rule that a run is held to.
import { acknowledgement } from './acknowledgement.ts'
import { bytes } from './bytes.ts'
import { endings } from './endings.ts'
import { faultless } from './faultless.ts'
import { fences } from './fences.ts'
import { kept } from './kept.ts'
import { numbers } from './numbers.ts'
import { order } from './order.ts'
import { owners } from './owners.ts'
import type { Rule } from './rule.ts'

export const rules: readonly Rule[] = [bytes, numbers, acknowledgement, order, owners, fences, kept, faultless, endings]
