import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvariantError } from '../src/invariant.ts'
import { OverlaySpace } from '../src/space.ts'
import type { LogStore } from '../src/store.ts'

/** A store whose disk is a map. */
function storeOf(disk: Map<string, Uint8Array>): Pick<LogStore, 'get' | 'list'> {
  return {
    get: (key) => disk.get(key),
    list: (prefix, limit, after = '') =>
      [...disk]
        .filter(([key]) => key.startsWith(prefix) && key > after)
        .sort(([one], [other]) => (one < other ? -1 : 1))
        .slice(0, limit),
  }
}

const key = fc.constantFrom('a', 'a/1', 'a/2', 'a/3', 'b', 'b/1')
const action = fc.oneof(
  fc.record({ kind: fc.constant('put' as const), key, value: fc.nat(255) }),
  fc.record({ kind: fc.constant('delete' as const), key }),
  fc.record({ kind: fc.constantFrom('take' as const, 'land' as const) }),
)

test('reads see every earlier write, whether it gathers, is under way or has landed', () => {
  fc.assert(
    fc.property(fc.array(action, { maxLength: 40 }), (actions) => {
      const disk = new Map<string, Uint8Array>()
      const model = new Map<string, Uint8Array>()
      const space = new OverlaySpace(storeOf(disk))
      let underWay: ReadonlyMap<string, Uint8Array | undefined> | undefined
      for (const one of actions) {
        if (one.kind === 'put') {
          space.put(one.key, Uint8Array.of(one.value))
          model.set(one.key, Uint8Array.of(one.value))
        } else if (one.kind === 'delete') {
          space.delete(one.key)
          model.delete(one.key)
        } else if (one.kind === 'take' && underWay === undefined) underWay = space.take()
        else if (one.kind === 'land' && underWay !== undefined) {
          for (const [name, value] of underWay) {
            if (value === undefined) disk.delete(name)
            else disk.set(name, value)
          }
          space.landed()
          underWay = undefined
        }
        expect(space.list('', 100)).toEqual(storeOf(model).list('', 100))
        expect(space.list('a/', 2, 'a/1')).toEqual(storeOf(model).list('a/', 2, 'a/1'))
        for (const name of ['a', 'a/1', 'b/1']) expect(space.get(name)).toEqual(model.get(name))
      }
    }),
  )
})

test.each(['', 'é', 'x'.repeat(401), 'a\u0000b'])('%j is no key', (name) => {
  const space = new OverlaySpace(storeOf(new Map()))
  expect(() => space.put(name, Uint8Array.of(1))).toThrow(InvariantError)
})
