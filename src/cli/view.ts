/** The display for this run, bound to the real terminal, its signals and its timer. */
import type { Context } from './command.ts'
import { JsonView } from './render/json-view.ts'
import { LineView } from './render/line-view.ts'
import { LiveView } from './render/live-view.ts'
import type { ProgressView } from './render/progress-view.ts'
import { sizeOf } from './render/terminal.ts'

export interface OpenedView {
  readonly view: ProgressView
  /** Gives the terminal and the signals back. */
  close(): void
}

export function openView(context: Context, options: { readonly timestamps: boolean }): OpenedView {
  const { wallMs, words } = context
  const close = (): void => {}
  if (context.json) return { view: new JsonView({ write: context.out, wallMs }), close }
  if (context.quiet) return { view: { begins() {}, changed() {}, progressed() {}, ends() {} }, close }
  if (!context.terminal.live)
    return { view: new LineView({ words, write: context.err, wallMs, timestamps: options.timestamps }), close }
  return openLiveView(context)
}

function openLiveView(context: Context): OpenedView {
  const view = new LiveView({
    terminal: () => ({ ...context.terminal, ...sizeOf(process.stderr) }),
    words: context.words,
    write: context.err,
    wallMs: context.wallMs,
    every: (ms, run) => {
      const timer = setInterval(run, ms)
      return () => clearInterval(timer)
    },
  })
  // Also on the way out that nobody foresaw. Writing to a terminal is synchronous, so it still gets there.
  const restore = (): void => view.restore()
  process.once('exit', restore)
  // Ctrl-Z: the cursor is given back to the shell, then the process stops as it would have by itself.
  const stopped = (): void => {
    view.suspended()
    process.kill(process.pid, 'SIGSTOP')
  }
  const resumed = (): void => view.resumed()
  if (process.platform !== 'win32') process.on('SIGTSTP', stopped).on('SIGCONT', resumed)
  return {
    view,
    close: () => {
      restore()
      process.off('exit', restore)
      if (process.platform !== 'win32') process.off('SIGTSTP', stopped).off('SIGCONT', resumed)
    },
  }
}
