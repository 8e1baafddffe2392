// One run in full: run twice, in two processes, to see that it is the same one; then made as short as it can be.
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Hand, type Ran } from './crew.ts'
import { makePlan } from './make-plan.ts'
import type { Plan } from './plan.ts'
import type { Verdict } from './run.ts'
import { duration, number, plural, print, sentence, styled, wrapped } from './screen.ts'
import { countParts, shrink } from './shrink.ts'

/** Lines of a long trace that are printed: its beginning, and the end in which it broke. */
const head = 10
const tail = 120

/** @param of a seed, or a file with a plan. @returns whether it passed */
export async function showTrace(of: string, fault: string | undefined, folder: string): Promise<boolean> {
  const { name, plan } = readPlan(of)
  const hands = [new Hand({ fault }), new Hand({ fault })] as const
  try {
    const job = { plan, trace: 'with trace' } as const
    const [one, other] = await Promise.all([hands[0].run(job), hands[1].run(job)])
    mkdirSync(folder, { recursive: true })
    printRun(name, one, join(folder, `${name}.trace`))
    const isSame = one.verdict.hash === other.verdict.hash
    if (!isSame) printDifference(one, other)
    if (one.verdict.ok) return isSame
    await showShortest(plan, one.verdict, hands[0], { name, folder, fault })
    return false
  } finally {
    for (const hand of hands) hand.stop()
  }
}

function readPlan(of: string): { readonly name: string; readonly plan: Plan } {
  if (/^\d+$/.test(of)) return { name: of, plan: makePlan(Number(of)) }
  const plan = JSON.parse(readFileSync(of, 'utf8')) as Plan
  return { name: `${plan.seed}-again`, plan }
}

async function showShortest(
  plan: Plan,
  verdict: Verdict & { readonly ok: false },
  hand: Hand,
  { name, folder, fault }: { readonly name: string; readonly folder: string; readonly fault: string | undefined },
): Promise<void> {
  const before = countParts(plan)
  let runs = 0
  const small = await shrink(
    plan,
    async (candidate) => {
      const ran = await hand.run({ plan: candidate, trace: 'no trace', mostSteps: 2 * verdict.steps + 10_000 })
      return !ran.verdict.ok && kindOf(ran.verdict) === kindOf(verdict)
    },
    {
      tried: (tried, parts) => {
        runs = tried
        if (process.stdout.isTTY)
          process.stdout.write(
            `\r\x1b[2K${styled('dim', `  made shorter: ${plural(parts, 'part')} left after ${plural(tried, 'run')}`)}`,
          )
      },
    },
  )
  if (process.stdout.isTTY) process.stdout.write('\r\x1b[2K')
  const file = join(folder, `${name}.json`)
  writeFileSync(file, `${JSON.stringify(small, null, 2)}\n`)
  const shortest = await hand.run({ plan: small, trace: 'with trace' })
  print()
  print(
    styled(
      'bold',
      `The shortest that fails in this way: ${number(before)} parts became ${countParts(small)} (${plural(runs, 'run')})`,
    ),
  )
  printRun(`${name}, shortest`, shortest, join(folder, `${name}-shortest.trace`))
  print()
  print(`Its plan: ${file}`)
  print(`Again:    npm run simulate -- --trace ${file}${fault === undefined ? '' : ` --fault ${fault}`}`)
}

/** The rule, and how it was broken: one rule may be broken in several ways, and only one of them is looked for. */
function kindOf({ invariant, what }: Verdict & { readonly ok: false }): string {
  const words = sentence(what)
    .split(' ')
    .map((word) => (/^[a-z]+$/i.test(word) ? word : '#'))
  return `${invariant}: ${words.slice(0, 6).join(' ')}`
}

function printRun(name: string, { verdict, lines }: Ran, file: string): void {
  writeFileSync(file, lines.map((line) => `${line}\n`).join(''))
  print()
  const left = lines.length - head - tail
  if (left <= 0) printLines(lines)
  else {
    printLines(lines.slice(0, head))
    print(styled('dim', `            … ${number(left)} lines, all of them in ${file}`))
    printLines(lines.slice(-tail))
  }
  print()
  const when = `after ${duration(verdict.virtualMs)} of virtual time, ${number(verdict.steps)} steps`
  if (verdict.ok) print(`${styled('green', '✔')} ${name} passes ${when}; trace ${verdict.hash}`)
  else {
    print(`${styled('red', '✖')} ${name} fails ${when}; trace ${verdict.hash}`)
    print(`  ${styled('bold', wrapped(verdict.invariant, 2))}`)
    print(`  ${wrapped(sentence(verdict.what), 2)}`)
    const stack = verdict.what.split('\n').slice(1, 6)
    if (stack.length > 0) print(styled('dim', stack.join('\n')))
  }
}

/** `     1.234  what happened`, the text wrapped on a terminal. */
function printLines(lines: readonly string[]): void {
  const { columns, isTTY } = process.stdout
  for (const line of lines) print(isTTY ? `${line.slice(0, 12)}${wrapped(line.slice(12), 14, columns)}` : line)
}

function printDifference(one: Ran, other: Ran): void {
  const at = one.lines.findIndex((line, i) => line !== other.lines[i])
  print()
  print(`${styled('red', '✖')} Two runs of one plan differ: something does not follow from the seed.`)
  if (at < 0) return
  print(`  line ${at + 1}, once:  ${one.lines[at]}`)
  print(`  and once:  ${other.lines[at] ?? '(nothing)'}`)
}
