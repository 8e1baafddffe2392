/** What the terminal is and can show, told from the streams and the environment once. */

import { type Language, languageOf } from '../../client/sentences.ts'

export interface Terminal {
  /** Progress is redrawn in place; otherwise it is written line by line, seldom. */
  readonly live: boolean
  readonly color: boolean
  /** Block characters and `…` may be two cells wide here, or missing. */
  readonly ascii: boolean
  readonly columns: number
  readonly rows: number
  readonly language: Language
}

interface Stream {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly rows?: number
}

export interface TerminalOptions {
  readonly stream: Stream
  readonly env: Readonly<Record<string, string | undefined>>
  /** `--plain`: words and percent, no redraw, no box characters. */
  readonly plain: boolean
  readonly color: 'auto' | 'always' | 'never'
}

export function terminalOf({ stream, env, plain, color }: TerminalOptions): Terminal {
  const isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb'
  const locale = env['LC_ALL'] || env['LC_CTYPE'] || env['LANG'] || ''
  return {
    live: isTerminal && !plain && !isSet(env['CI']),
    color:
      color === 'always' ||
      (color === 'auto' && !plain && !isSet(env['NO_COLOR']) && (isSet(env['FORCE_COLOR']) || isTerminal)),
    ascii: plain || /^(?:zh|ja|ko)/.test(locale) || env['TERM'] === 'linux' || env['TERM'] === 'dumb',
    ...sizeOf(stream),
    language: languageOf(env),
  }
}

/** A size of 0, as serial lines and bare pseudo-terminals report it, says nothing. */
export function sizeOf({ columns = 0, rows = 0 }: Stream): { readonly columns: number; readonly rows: number } {
  return { columns: columns > 0 ? columns : 80, rows: rows > 0 ? rows : 24 }
}

function isSet(value: string | undefined): boolean {
  return value !== undefined && value !== '' && value !== '0'
}

/** What stands for what was cut away. */
export function cutMark(terminal: Terminal): string {
  return terminal.ascii ? '..' : '…'
}

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan'
const codes: Readonly<Record<Style, readonly [number, number]>> = {
  bold: [1, 22],
  dim: [2, 22],
  red: [31, 39],
  green: [32, 39],
  yellow: [33, 39],
  cyan: [36, 39],
}

/** Colour only underlines what the words say already. */
export function paint(terminal: Terminal, style: Style, text: string): string {
  if (!terminal.color || text === '') return text
  const [on, off] = codes[style]
  return `\u001B[${on}m${text}\u001B[${off}m`
}

/** A bar of exactly `cells` (3 at least); eighths of a block where the terminal can show them. */
export function bar(terminal: Terminal, fraction: number, cells: number): string {
  const part = Math.min(1, Math.max(0, fraction))
  if (terminal.ascii) {
    const inner = cells - 2
    const full = Math.floor(part * inner)
    return `[${'='.repeat(full)}${full < inner ? '>' : ''}${' '.repeat(Math.max(0, inner - full - 1))}]`
  }
  const eighths = Math.floor(part * cells * 8)
  const full = Math.floor(eighths / 8)
  const rest = full < cells ? (['░', '▏', '▎', '▍', '▌', '▋', '▊', '▉'][eighths % 8] ?? '░') : ''
  return '█'.repeat(full) + rest + '░'.repeat(Math.max(0, cells - full - 1))
}
