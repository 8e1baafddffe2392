/**
 * Protection spaces that servers have shown: for which addresses of an origin a user and password may be sent unasked
 * (RFC 7616 §3.3, RFC 7617 §2.2). In memory only: after a restart the first request is challenged again.
 */
import type { DigestSession } from '../../authentication/digest-session.ts'

export interface Password {
  readonly user: string
  readonly password: string
}

export interface Space {
  readonly realm: string
  /** Undefined: it is Basic. */
  readonly digest: DigestSession | undefined
  /** Beginnings of paths. */
  readonly paths: readonly string[]
}

interface Known {
  askedDigest: boolean
  spaces: readonly Space[]
}

/** What one session keeps in mind of credentials, and of each the realms and paths: servers must not be able to fill it. */
const mostKnown = 1000
const mostSpaces = 32
const mostPaths = 64

export class Spaces {
  readonly #known = new Map<string, Known>()

  /** The innermost one that holds this address. */
  of(url: string, credential: Password): Space | undefined {
    const { pathname } = new URL(url)
    let best: { readonly space: Space; readonly length: number } | undefined
    for (const space of this.#known.get(keyOf(url, credential))?.spaces ?? []) {
      for (const path of space.paths)
        if (pathname.startsWith(path) && path.length > (best?.length ?? -1)) best = { space, length: path.length }
    }
    return best?.space
  }

  /** Whether the server has wanted better than Basic. */
  askedDigest(url: string, credential: Password): boolean {
    return this.#known.get(keyOf(url, credential))?.askedDigest === true
  }

  /** Takes the place of the one of this realm. */
  digest(url: string, credential: Password, session: DigestSession): Space {
    const { realm, domain } = session.challenge
    return this.#add(url, credential, { realm, digest: session, paths: pathsOf(url, domain) })
  }

  /** All paths at or below the last part of this one (RFC 7617 §2.2) are added to the realm. */
  basic(url: string, credential: Password, realm: string): Space {
    const { pathname } = new URL(url)
    const path = pathname.slice(0, pathname.lastIndexOf('/') + 1)
    const old = this.#known.get(keyOf(url, credential))?.spaces.find((each) => isOf(each, realm, 'basic'))
    const paths = [...(old?.paths ?? []).filter((each) => !each.startsWith(path)), path].slice(-mostPaths)
    return this.#add(url, credential, { realm, digest: undefined, paths })
  }

  /** Its credential was refused. */
  forget(url: string, credential: Password, space: Space): void {
    const known = this.#known.get(keyOf(url, credential))
    if (known !== undefined) known.spaces = known.spaces.filter((each) => each !== space)
  }

  #add(url: string, credential: Password, space: Space): Space {
    const key = keyOf(url, credential)
    const known = this.#known.get(key) ?? { askedDigest: false, spaces: [] }
    known.askedDigest ||= space.digest !== undefined
    const kind = space.digest === undefined ? 'basic' : 'digest'
    known.spaces = [...known.spaces.filter((each) => !isOf(each, space.realm, kind)), space].slice(-mostSpaces)
    this.#known.delete(key)
    this.#known.set(key, known)
    const oldest = this.#known.keys().next()
    if (this.#known.size > mostKnown && oldest.done !== true) this.#known.delete(oldest.value)
    return space
  }
}

function isOf(space: Space, realm: string, kind: 'basic' | 'digest'): boolean {
  return space.realm === realm && (space.digest === undefined) === (kind === 'basic')
}

function keyOf(url: string, { user, password }: Password): string {
  return JSON.stringify([new URL(url).origin, user, password])
}

/** RFC 7616 §3.3: nothing named means all of the origin. What is named of other origins is not believed. */
function pathsOf(url: string, domain: readonly string[]): readonly string[] {
  if (domain.length === 0) return ['/']
  const here = new URL(url)
  return domain
    .slice(0, mostPaths)
    .map((each) => URL.parse(each, here.href))
    .filter((each) => each !== null && each.origin === here.origin)
    .map((each) => each!.pathname)
}
