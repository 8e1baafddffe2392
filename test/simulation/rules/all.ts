// Every rule that a run is held to.
import { acknowledgement } from './acknowledgement.ts'
import { attempts } from './attempts.ts'
import { bytes } from './bytes.ts'
import { crowds } from './crowds.ts'
import { deadlines } from './deadlines.ts'
import { endings } from './endings.ts'
import { faultless } from './faultless.ts'
import { fences } from './fences.ts'
import { finishing } from './finishing.ts'
import { intended } from './intended.ts'
import { kept } from './kept.ts'
import { launching } from './launching.ts'
import { numbers } from './numbers.ts'
import { once } from './once.ts'
import { order } from './order.ts'
import { owners } from './owners.ts'
import { patience } from './patience.ts'
import { promised } from './promised.ts'
import type { Rule } from './rule.ts'
import { safe } from './safe.ts'
import { stopped } from './stopped.ts'
import { suspends } from './suspends.ts'
import { waking } from './waking.ts'

export const rules: readonly Rule[] = [
  bytes,
  safe,
  intended,
  promised,
  numbers,
  acknowledgement,
  order,
  once,
  finishing,
  owners,
  launching,
  fences,
  stopped,
  suspends,
  waking,
  deadlines,
  patience,
  crowds,
  attempts,
  kept,
  faultless,
  endings,
]
