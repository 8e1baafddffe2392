/** Which refusals of the system are of the moment: too many files are open, or no memory or process is left. Pure. */

const passing: ReadonlySet<unknown> = new Set(['EMFILE', 'ENFILE', 'EAGAIN', 'ENOMEM', 'EIO'])

/** Whether the same may succeed later, with nothing mended. */
export function canPass(error: unknown): boolean {
  return error instanceof Error && 'code' in error && passing.has(error.code)
}
