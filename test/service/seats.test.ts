// What is counted as it changes is what a walk over all would count.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Seat, Seats } from '../../src/service/seats.ts'

test('seats are counted as they change', () => {
  const change = fc.record({
    who: fc.nat(9),
    to: fc.constantFrom<Seat>('connection', 'place', 'none'),
  })
  const sitters = Array.from({ length: 10 }, (_, i) => ({ session: i % 3, origin: `http://${i % 2}` }))
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), (changes) => {
      const seats = new Seats()
      const sits: Seat[] = sitters.map(() => 'none')
      for (const { who, to } of changes) {
        seats.change(sitters[who]!, sits[who]!, to)
        sits[who] = to
        const expected = new Map<string, number>()
        sitters.forEach(({ session, origin }, i) => {
          if (sits[i] === 'none') return
          const key = `${session} ${sits[i] === 'place' ? undefined : origin}`
          expected.set(key, (expected.get(key) ?? 0) + 1)
        })
        const found = new Map(seats.taken.map(({ session, origin, count }) => [`${session} ${origin}`, count]))
        assert.deepEqual(found, expected)
        assert.equal(seats.total, sits.filter((seat) => seat !== 'none').length)
      }
    }),
  )
})
