/**
 * What the sample app shows. A real app would draw a window; this one tells the demo's page, which draws the progress bar and
 * then the picture. Every line is one JSON object on a loopback connection, in order.
 */
import { connect } from 'node:net'

export interface Shown {
  readonly pid: number
  readonly launched?: boolean
  readonly line?: string
  readonly sequence?: number
  readonly written?: number
  readonly expected?: number
  readonly picture?: string
  readonly finished?: { readonly bytes: number; readonly error?: string }
  readonly exitCode?: number
}

const port = Number(process.env['DEMO_SCREEN'])
const socket = connect(port, '127.0.0.1')
// The screen alone must not keep the app alive.
socket.unref()
socket.on('error', () => {})

function send(shown: Omit<Shown, 'pid'>): void {
  socket.write(`${JSON.stringify({ pid: process.pid, ...shown })}\n`)
}

export interface Screen {
  /** What a launched app needs to find the screen again. */
  readonly environment: Readonly<Record<string, string>>
  say(line: string, sequence?: number): void
  progress(written: number, expected: number | undefined): void
  show(picture: string): void
  finished(bytes: number, error: string | undefined): void
  /** Resolves when all of the above has been handed over. */
  updated(): Promise<void>
}

export const screen: Screen = {
  environment: { DEMO_SCREEN: String(port) },
  say: (line, sequence) => send({ line, ...(sequence !== undefined && { sequence }) }),
  progress: (written, expected) => send({ written, ...(expected !== undefined && { expected }) }),
  show: (picture) => send({ picture }),
  finished: (bytes, error) => send({ finished: { bytes, ...(error !== undefined && { error }) } }),
  updated: () => new Promise((resolve) => socket.write('', () => resolve())),
}

// Said on the way out, so that the demo can tell an end by itself from a kill.
process.on('exit', (exitCode) => send({ exitCode }))
send({ launched: process.env['LONGHAUL_LAUNCH'] !== undefined })
