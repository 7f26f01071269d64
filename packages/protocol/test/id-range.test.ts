import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  type Epoch,
  groupId,
  groupName,
  type IdRange,
  idsUpTo,
  makeId,
  makeIncarnation,
  ownerName,
  type TransactionId,
} from '../src/index.ts'

const incarnation = makeIncarnation(new Uint8Array(8).fill(7))
const group = groupId(groupName('main'), incarnation)

function idOf(epoch: number, seed = 1, name = 'main'): TransactionId {
  const parts = { group: groupName(name), incarnation, epoch: epoch as Epoch, owner: ownerName('checkout') }
  return makeId({ ...parts, mark: 'once' }, new Uint8Array(12).fill(seed))
}

const holds = (ranges: readonly IdRange[], id: string): number =>
  ranges.filter(({ after, before }) => after < id && id < before).length

// Near each other, and of any size: the digits of both differ at any place.
const epochs = fc.oneof(fc.nat(2_000), fc.nat(2 ** 32 - 1))

test('the ids up to an epoch are those with this epoch or a lower one, each in one range', () => {
  // Each pair around the first places where a digit takes the place of a letter, and where a second one begins.
  const first = Array.from({ length: 70 }, (_, epoch) => ({ epoch, id: idOf(epoch) }))
  for (const { epoch: floor } of first) {
    const ranges = idsUpTo(group, floor as Epoch)
    for (const { epoch, id } of first) expect(holds(ranges, id), `${epoch} up to ${floor}`).toBe(epoch <= floor ? 1 : 0)
  }
  fc.assert(
    fc.property(epochs, epochs, fc.nat(255), (floor, epoch, seed) => {
      expect(holds(idsUpTo(group, floor as Epoch), idOf(epoch, seed))).toBe(epoch <= floor ? 1 : 0)
    }),
  )
})

test('those of a group whose name begins alike are not among them', () => {
  const ranges = idsUpTo(group, (2 ** 32 - 1) as Epoch)
  expect(holds(ranges, idOf(1))).toBe(1)
  for (const name of ['main2', 'mai', 'a', 'other']) expect(holds(ranges, idOf(1, 1, name))).toBe(0)
})

test('whoever goes on behind the last id of a page meets each id once', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(epochs, fc.nat(255)), { maxLength: 30 }), epochs, fc.nat(6), (made, floor, more) => {
      const ids = [...new Set(made.map(([epoch, seed]) => idOf(epoch, seed)))].toSorted()
      const met: TransactionId[] = []
      for (let after: TransactionId | undefined; ; after = met.at(-1)) {
        const ranges = idsUpTo(group, floor as Epoch, after)
        const left = ranges.flatMap((range) => ids.filter((id) => range.after < id && id < range.before))
        if (left.length === 0) break
        met.push(...left.slice(0, more + 1))
      }
      expect(met.toSorted()).toEqual(ids.filter((id) => holds(idsUpTo(group, floor as Epoch), id) === 1))
      expect(new Set(met).size).toBe(met.length)
    }),
  )
})
