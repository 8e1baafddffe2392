/** The app's delegate, checked: a misspelt method would wait for its event for ever. Pure. */
import { LonghaulError } from '../contract/errors.ts'
import { type DelegateMethod, delegateMethods } from '../contract/events.ts'
import { nearest } from '../contract/nearest.ts'

const nothingOpened = 'Nothing was opened.'
/** Methods of the contract whose events are not made yet. */
const later: readonly string[] = [
  'willBeginDelayedRequest',
  'didReceiveChallenge',
  'needsNewRequest',
  'didSendBodyData',
]

/**
 * The names of the methods that the delegate has, inherited ones included.
 * @throws INVALID_ARGUMENT for something that is no object, a method that is no function, a name that nearly matches
 */
export function methodsOf(delegate: unknown): readonly DelegateMethod[] {
  if (typeof delegate !== 'object' || delegate === null) {
    throw new LonghaulError('INVALID_ARGUMENT', `delegate: an object with methods is wanted. ${nothingOpened}`)
  }
  const names = namesOf(delegate)
  for (const name of names) checkName(name, names)
  const methods = delegateMethods.filter((name) => names.has(name) && Reflect.get(delegate, name) !== undefined)
  for (const name of methods) {
    if (typeof Reflect.get(delegate, name) !== 'function') {
      throw new LonghaulError('INVALID_ARGUMENT', `delegate.${name} is not a function. ${nothingOpened}`)
    }
  }
  return methods
}

function namesOf(delegate: object): ReadonlySet<string> {
  const names = new Set<string>()
  for (let at: object | null = delegate; at !== null && at !== Object.prototype; at = Reflect.getPrototypeOf(at)) {
    for (const name of Reflect.ownKeys(at)) if (typeof name === 'string' && name !== 'constructor') names.add(name)
  }
  return names
}

function checkName(name: string, all: ReadonlySet<string>): void {
  const known: readonly string[] = delegateMethods
  if (known.includes(name)) return
  if (later.includes(name)) {
    throw new LonghaulError(
      'INVALID_ARGUMENT',
      `delegate.${name}: these events are not in this version yet, so it would never be called. ${nothingOpened}`,
      {
        hint: 'Leave the method out; the change log says when it comes.',
      },
    )
  }
  const meant = nearest(name, known) ?? longForm(name, known)
  // An app that has both means something of its own by the other one.
  if (meant === undefined || all.has(meant)) return
  throw new LonghaulError(
    'INVALID_ARGUMENT',
    `delegate.${name} is not an event; did you mean '${meant}'? ${nothingOpened}`,
    {
      hint: `Rename it to '${meant}', or to something that does not look like an event if it is a method of your own.`,
    },
  )
}

/** 'didCompleteWithError', 'didFinishDownloadingTo': how Apple's selectors go on; and a name that was cut short. */
function longForm(name: string, known: readonly string[]): string | undefined {
  const lower = name.toLowerCase()
  return known.find(
    (each) => lower.startsWith(each.toLowerCase()) || (lower.length >= 10 && each.toLowerCase().startsWith(lower)),
  )
}
