/** The folder that a command was called in, which somebody may have removed meanwhile: only what needs it fails then. */
import { isAbsolute, resolve } from 'node:path'
import { LonghaulError } from '../contract/errors.ts'
import type { Context } from './command.ts'

/** @throws FILE_DOES_NOT_EXIST */
export function currentFolder(): string {
  try {
    return process.cwd()
  } catch (cause) {
    throw new LonghaulError(
      'FILE_DOES_NOT_EXIST',
      'The folder that this command was called in is not there any more. Nothing was done.',
      { cause, hint: 'Go to another folder (cd), or write paths that begin with /.' },
    )
  }
}

/** @throws FILE_DOES_NOT_EXIST for a relative path where its folder is gone */
export function absolutePath(path: string, context: Pick<Context, 'cwd'>): string {
  return isAbsolute(path) ? path : resolve(context.cwd, path)
}
