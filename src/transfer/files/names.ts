/**
 * File names made from what a server said. Such a name is data: its last component only, and nothing in it may lead out of
 * the folder, hide, run, deceive a reader, or fail on another system. The same rules hold on every platform, so that a folder
 * can be carried from one to another.
 */
import type { HeaderList } from '../../world/transport.ts'
import { dispositionFilename } from '../http/fields.ts'

/** Bytes of UTF-8 that a name may have: room for what is put around it, below the 255 of nearly every file system. */
const maximumNameBytes = 200

/** What is looked at of a longer one: far more than is kept. */
const readLength = 1024

const fallback = 'download'

/** A safe name: from Content-Disposition, else from the last component of the address, else `download`. Never empty. */
export function suggestedFilename(response: { readonly url: string; readonly headers: HeaderList }): string {
  const named = dispositionFilename(response.headers)
  if (named !== undefined) {
    const name = safeName(named)
    if (name !== undefined) return name
  }
  return safeName(lastComponent(response.url)) ?? fallback
}

function lastComponent(url: string): string {
  let path: string
  try {
    path = new URL(url).pathname
  } catch {
    return ''
  }
  const last = path.split('/').findLast((part) => part !== '') ?? ''
  try {
    return decodeURIComponent(last)
  } catch {
    return last
  }
}

// C0 and C1 controls, DEL, line and paragraph separators; then marks that turn the reading direction ("gpj.exe") and
// characters of no width that make two names look alike; then lone surrogates, which no file system stores as they are.
const invisible = /[\p{Cc}\u2028\u2029\u061c\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]|\p{Surrogate}/gu
// Not allowed on Windows; `:` also opens a second stream of a file there, and `\` is a separator.
const forbidden = /[<>:"|?*]/g
// Devices on Windows, whatever follows the first dot; the superscript digits count there too.
const reserved =
  /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9\u00b9\u00b2\u00b3]|lpt[0-9\u00b9\u00b2\u00b3])(?= *(?:\.|$))/i

/** `raw` as one safe path component, or `undefined` if nothing of it is left. Making a safe name safe changes nothing. */
export function safeName(raw: string): string | undefined {
  const component = raw.split(/[/\\]/).findLast((part) => part.trim() !== '') ?? ''
  let name = endsOf(component).normalize('NFC').replace(invisible, '').replace(forbidden, '_')
  // A leading dot hides the file (and `.` and `..` are folders); Windows drops trailing dots and spaces.
  name = trimmed(name)
  name = name.replace(reserved, (device) => `${device}_`)
  name = trimmed(shortened(name, maximumNameBytes))
  return name === '' ? undefined : name
}

/** Some of what follows takes the square of the length, and a head has room for a name of 64 KiB. */
function endsOf(component: string): string {
  if (component.length <= readLength) return component
  return component.slice(0, readLength / 2) + component.slice(-readLength / 2)
}

function trimmed(name: string): string {
  let end = name.length
  // An expression that ends in `+$` begins anew at each of a long run of dots.
  while (/[\s.]/u.test(name.charAt(end - 1))) end--
  return name.slice(0, end).replace(/^[\s.]+/u, '')
}

/** `name` cut to `bytes` of UTF-8 between two code points; the extension is kept. */
export function shortened(name: string, bytes: number): string {
  if (byteLength(name) <= bytes) return name
  const { stem, extension } = split(name)
  // What only looks like an extension ("A sentence. And a very long one") is not worth keeping.
  if (byteLength(extension) > Math.min(32, bytes / 2)) return cut(name, bytes)
  return cut(stem, bytes - byteLength(extension)) + extension
}

function cut(text: string, bytes: number): string {
  let kept = ''
  let used = 0
  for (const character of text) {
    used += byteLength(character)
    if (used > bytes) break
    kept += character
  }
  return kept
}

/** `report (2).tar.gz` of `report.tar.gz` and 2; still within the limit. */
export function numberedName(name: string, number: number): string {
  const { stem, extension } = split(name)
  const suffix = ` (${number})${extension}`
  if (byteLength(suffix) > maximumNameBytes / 2) return cut(name, maximumNameBytes - 8) + ` (${number})`
  return cut(stem, maximumNameBytes - byteLength(suffix)) + suffix
}

/** `.tar.gz` and the like are one extension. A name that begins with its only dot has none. */
function split(name: string): { readonly stem: string; readonly extension: string } {
  const match = /^(.+?)((?:\.tar)?\.[^.\s]+)$/su.exec(name)
  return match?.[1] === undefined || match[2] === undefined
    ? { stem: name, extension: '' }
    : { stem: match[1], extension: match[2] }
}

/** Beside the destination: hidden, and never the name of another task's part. */
export function partName(name: string, task: string): string {
  return `.${shortened(name, maximumNameBytes)}.${task.slice(-8)}.longhaul-part`
}

/** In the spool, where files of all tasks lie side by side. */
export function spoolName(name: string, task: string): string {
  return `${task.slice(-8)}-${name}`
}

function byteLength(text: string): number {
  return Buffer.byteLength(text, 'utf8')
}
