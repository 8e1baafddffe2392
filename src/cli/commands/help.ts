import { LonghaulError } from '../../contract/errors.ts'
import { nearest } from '../../contract/nearest.ts'
import { commonFlags } from '../arguments.ts'
import type { Command } from '../command.ts'
import { exitCodes, exitMeanings } from '../exit-codes.ts'
import { wrap } from '../render/text.ts'

/** `help` needs the list that it is part of; hence a function. */
export function helpCommand(commands: () => readonly Command[]): Command {
  return {
    name: 'help',
    usage: '[COMMAND | exit]',
    summary: 'how to use a command; what exit codes mean',
    flags: [],
    run: (input, context) => {
      const [word] = input.words
      if (word === 'exit') {
        for (const [code, meaning] of exitMeanings) context.out(`${String(code).padStart(4)}  ${meaning}\n`)
        return Promise.resolve(exitCodes.done)
      }
      if (word === undefined) {
        context.out(overview(commands()))
        return Promise.resolve(exitCodes.done)
      }
      const command = findCommand(commands(), word)
      if (command === undefined) {
        const guess = nearest(
          word,
          commands().map((one) => one.name),
        )
        throw new LonghaulError(
          'INVALID_ARGUMENT',
          `There is no command '${word}'.${guess === undefined ? '' : ` Did you mean ${guess}?`}`,
        )
      }
      context.out(helpText(command, Math.min(context.output.columns, 100)))
      return Promise.resolve(exitCodes.done)
    },
  }
}

export function findCommand(commands: readonly Command[], word: string): Command | undefined {
  return commands.find((command) => command.name === word || command.aliases?.includes(word) === true)
}

export function overview(commands: readonly Command[]): string {
  const rows = commands.map((command) => `  ${command.name.padEnd(9)} ${command.summary}`)
  return [
    'Longhaul: downloads that outlive the app, the crash and the reboot.',
    '',
    'Usage: longhaul URL…            fetch, or go on with what was left',
    '       longhaul COMMAND …',
    '',
    ...rows,
    '',
    'Ctrl-C leaves the work running. The same command again goes on.',
    'longhaul help COMMAND   longhaul help exit   longhaul explain CODE',
    '',
  ].join('\n')
}

export function helpText(command: Command, columns: number): string {
  const flags = [...command.flags, ...commonFlags].map((flag) => {
    const name = `${flag.short === undefined ? '    ' : `-${flag.short}, `}--${flag.name}${flag.value === undefined ? '' : ` ${flag.value}`}`
    const gap = name.length > 26 ? `\n${' '.repeat(30)}` : ' '.repeat(28 - name.length)
    return `  ${name}${gap}${wrap(flag.help, columns - 31, ' '.repeat(30))}`
  })
  return [
    `Usage: longhaul ${command.name} ${command.usage}`,
    ...(command.aliases === undefined ? [] : [`Also: ${command.aliases.join(', ')}`]),
    '',
    wrap(`${command.summary.charAt(0).toUpperCase()}${command.summary.slice(1)}.`, columns),
    ...(command.details ?? []).flatMap((paragraph) => ['', wrap(paragraph, columns)]),
    '',
    ...flags,
    ...(command.examples === undefined ? [] : ['', ...command.examples.map((example) => `  ${example}`)]),
    '',
  ].join('\n')
}
