// Lies that each take a situation of their own: a few servers tell little else. They draw from a fork, so that all other plans
// stay what they are.
import type { Seeded } from './seeded.ts'
import type { Behaviour, ServerNature, ServerPlan } from './server-plan.ts'

/** The most versions that one server can have, less what is there at first. */
const mostVersions = 40

/** Most servers are left as they are. */
export function withRareLies(server: ServerPlan, random: Seeded): ServerPlan {
  switch (random.weighted({ none: 84, ranges: 6, coded: 3, digests: 4, unsettled: 3 })) {
    case 'none':
      return server
    case 'ranges':
      return interrupted(server, random, () => ({ kind: random.pick(rangeLies) }))
    case 'coded':
      return interrupted(server, random, () => ({ kind: 'coded' }))
    case 'digests':
      return withDigests(server, random)
    case 'unsettled':
      return unsettled(server, random)
  }
}

/** Of a range that is not what it says. */
export const rangeLies = [
  'longer range',
  'later range',
  'several parts',
  '416 of a wrong total',
  'unstated range',
  'range in another unit',
  'range without a total',
  'wrong range length',
] as const

/** An answer is cut, and whoever goes on from it is told the lie; in chunks, no length gives it away. */
function interrupted(server: ServerPlan, random: Seeded, lie: () => Behaviour): ServerPlan {
  const cut = (): Behaviour => ({ kind: 'cut', after: 0.1 + 0.9 * random.fraction() })
  return {
    ...server,
    size: Math.max(server.size, random.scale(200, 50_000)),
    nature: { ...server.nature, ...rangesWithProof(random) },
    weather: [
      ...(random.chance(0.3) ? [lie()] : []),
      ...Array.from({ length: random.int(1, 3) }, () => [cut(), lie()]).flat(),
      ...server.weather,
    ],
  }
}

function rangesWithProof(random: Seeded): Pick<ServerNature, 'validators' | 'ranges' | 'length'> {
  return {
    validators: random.pick(['strong etag', 'etag and last-modified', 'last-modified'] as const),
    ranges: true,
    length: random.pick(['content-length', 'chunked'] as const),
  }
}

/** Digests in the header or the trailer, true and false. */
function withDigests(server: ServerPlan, random: Seeded): ServerPlan {
  const lie = (): Behaviour => ({
    kind: 'false digest',
    field: random.pick(['repr-digest', 'content-digest'] as const),
  })
  return {
    ...server,
    nature: {
      ...server.nature,
      digestHeader: random.chance(0.7),
      ...(random.chance(0.6) && { length: 'chunked' as const, digestTrailer: true }),
    },
    weather: [...(random.chance(0.6) ? [lie()] : []), ...server.weather],
    // Some never tell the truth.
    afterwards: random.chance(0.8) ? server.afterwards : 'weather again',
  }
}

/** Another version with each answer, and none of them comes whole. */
function unsettled(server: ServerPlan, random: Seeded): ServerPlan {
  return {
    ...server,
    size: Math.max(server.size, 1000),
    versions: Array.from({ length: random.scale(4, mostVersions) }, (_, i) => ({ atMs: 3_600_000 + i })),
    nature: { ...server.nature, ...rangesWithProof(random) },
    weather: [{ kind: 'changes under the body', after: 0.2 + 0.7 * random.fraction() }],
    afterwards: 'weather again',
  }
}
