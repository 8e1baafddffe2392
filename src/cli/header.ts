import { LonghaulError } from '../contract/errors.ts'

/** `'NAME: VALUE'` as curl and wget take it. @throws INVALID_ARGUMENT */
export function headerOf(text: string): readonly [name: string, value: string] {
  const colon = text.indexOf(':')
  // The text is not shown: it may be a secret.
  if (colon < 1)
    throw new LonghaulError('INVALID_ARGUMENT', "-H: write a header as 'NAME: VALUE'. Nothing was started.")
  return [text.slice(0, colon).trim(), text.slice(colon + 1).trim()]
}
