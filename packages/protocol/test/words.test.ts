import {
  branchOf,
  checkList,
  decodePayload,
  digestOf,
  encodePayload,
  groupName,
  groupOf,
  makeId,
  maxBranches,
  maxPayloadBytes,
  operationsHash,
  ownerName,
  type Payload,
  ProtocolError,
  parseGroupId,
  parseId,
  participantName,
  sealList,
  transactionId,
} from '@verdict/protocol'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { base32ToNumber, isBase32, numberToBase32, toBase32 } from '../src/base32.ts'
import { calledBranches, groupIds, ids, participants } from './arbitrary.ts'

function codeOf(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (error instanceof ProtocolError) return error.code
    throw error
  }
  return 'nothing was thrown'
}

function circle(): unknown {
  const list: unknown[] = []
  list.push(list)
  return list
}

describe('base32', () => {
  test('bytes become text of the length that their bits take, and different bytes different text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ maxLength: 40 }), (a, b) => {
        expect(isBase32(toBase32(a), a.length * 8)).toBe(true)
        expect(toBase32(a) === toBase32(b)).toBe(Buffer.compare(a, b) === 0)
      }),
    )
  })

  test('numbers are read back', () => {
    fc.assert(fc.property(fc.nat(0xffff_ffff), (n) => base32ToNumber(numberToBase32(n, 32)) === n))
  })

  test('RFC 4648 agrees', () => {
    expect(toBase32(Buffer.from('foobar'))).toBe('mzxw6ytboi')
  })
})

describe('names', () => {
  test.each([
    ['a participant', participantName, 30],
    ['an owner', ownerName, 24],
    ['a group', groupName, 14],
  ] as const)('%s has 1 to its most characters of a-z, 0-9 and -', (_, parse, most) => {
    expect(parse('a'.repeat(most))).toBe('a'.repeat(most))
    for (const bad of ['', 'a'.repeat(most + 1), 'A', 'a.b', 'a*', 'a>', 'a_b', 'ä', 'a ', 'a\n']) {
      expect(codeOf(() => parse(bad))).toBe('bad-name')
    }
  })

  test('a group with its incarnation is read back', () => {
    fc.assert(
      fc.property(groupIds, (group) => {
        const { name, incarnation } = parseGroupId(group)
        expect(`${name}_${incarnation}`).toBe(group)
      }),
    )
    expect(codeOf(() => parseGroupId('main'))).toBe('bad-name')
    expect(codeOf(() => parseGroupId('main_short'))).toBe('bad-name')
  })
})

describe('ids', () => {
  test('parts of an id are what it was made of', () => {
    fc.assert(
      fc.property(ids, (id) => {
        const { random, ...parts } = parseId(id)
        expect(transactionId(id)).toBe(id)
        expect(makeId(parts, new Uint8Array(12))).toBe(id.slice(0, -random.length) + 'a'.repeat(random.length))
        expect(groupOf(id)).toBe(`${parts.group}_${parts.incarnation}`)
      }),
    )
  })

  test('what is not an id is refused, whatever it is', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 120 }), (text) =>
        ['bad-id', 'bad-name'].includes(codeOf(() => parseId(text))),
      ),
    )
    fc.assert(
      fc.property(ids, fc.constantFrom('', '_', '.', 'A', ' ', '\n'), (id, more) => {
        const changed = more === '' ? id.slice(1).slice(0, -1) : id + more
        expect(['bad-id', 'bad-name']).toContain(codeOf(() => parseId(changed)))
      }),
    )
  })
})

describe('lists', () => {
  test('the order in which branches were opened does not matter', () => {
    fc.assert(
      fc.property(ids, calledBranches, (id, branches) => {
        const list = sealList(branches)
        expect(sealList(branches.toReversed())).toEqual(list)
        expect(checkList(list)).toBe(list)
        for (const branch of branches) expect(branchOf(list, branch.participant)).toEqual(branch)
        expect(digestOf(id, sealList(branches.toReversed()))).toBe(digestOf(id, list))
      }),
    )
  })

  test('the digest changes with each field of each branch, and with the id', () => {
    fc.assert(
      fc.property(ids, ids, calledBranches, (id, other, branches) => {
        const digest = digestOf(id, sealList(branches))
        fc.pre(id !== other)
        expect(digestOf(other, sealList(branches))).not.toBe(digest)
        branches.forEach((branch, place) => {
          const flipped = branch.token.startsWith('a') ? 'b' : 'a'
          for (const change of [
            { calls: branch.calls + 1 },
            { token: `${flipped}${branch.token.slice(1)}` as typeof branch.token },
            { instance: `${branch.instance.slice(1)}7` as typeof branch.instance },
          ]) {
            expect(digestOf(id, sealList(branches.with(place, { ...branch, ...change })))).not.toBe(digest)
          }
        })
      }),
    )
  })

  test('nothing, too much, the same participant twice, both kinds, or another order is no list', () => {
    const [one, two, three] = ['a', 'b', 'c'].map((participant) => ({
      kind: 'oneShot' as const,
      participant: participantName(participant),
      operations: operationsHash([]),
    }))
    if (!one || !two || !three) throw new Error('no branches')
    const called = { kind: 'called', participant: three.participant, instance: '', token: '', calls: 1 } as never
    expect(codeOf(() => checkList([]))).toBe('bad-list')
    expect(codeOf(() => checkList(Array.from({ length: maxBranches + 1 }, () => one)))).toBe('bad-list')
    expect(codeOf(() => checkList([one, one]))).toBe('bad-list')
    expect(codeOf(() => checkList([two, one]))).toBe('bad-list')
    expect(codeOf(() => checkList([one, called]))).toBe('bad-list')
    expect(checkList([one, two, three])).toHaveLength(3)
  })

  test('the hash of operations says where each name and each argument ends', () => {
    const hash = (...pairs: [name: string, args: string][]) =>
      operationsHash(pairs.map(([name, args]) => ({ name, args: Buffer.from(args) as Uint8Array as Payload })))
    const same = [
      hash(['ab', 'c']),
      hash(['a', 'bc']),
      hash(['a', 'b'], ['', 'c']),
      hash(['a', ''], ['b', 'c']),
      hash(['c', 'ab']),
    ]
    expect(new Set(same).size).toBe(same.length)
  })
})

describe('payloads', () => {
  test('plain data is read back', () => {
    const value = {
      at: new Date(1_700_000_000_123),
      big: 2n ** 63n,
      bytes: new Uint8Array([1, 2]),
      none: undefined,
      list: [null, -1.5],
    }
    expect(decodePayload(encodePayload(value, 'it'), 'it')).toEqual(value)
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (json) => {
        // The library renames the key that would reach a prototype.
        fc.pre(!JSON.stringify(json).includes('__proto__'))
        expect(decodePayload(encodePayload(json, 'it'), 'it')).toEqual(JSON.parse(JSON.stringify(json)))
      }),
    )
  })

  test.each([
    ['a map whose keys are no strings', new Map([[{}, 1]])],
    ['a bigint beyond 64 bits', 2n ** 70n],
    ['a circle', circle()],
  ])('%s is refused where it is written', (_, value) => {
    expect(codeOf(() => encodePayload(value, 'it'))).toBe('bad-payload')
  })

  test('too large data is refused where it is written', () => {
    expect(codeOf(() => encodePayload('x'.repeat(maxPayloadBytes), 'it'))).toBe('payload-too-large')
  })
})

test('a participant is found by its own name only', () => {
  fc.assert(
    fc.property(calledBranches, participants, (branches, stranger) => {
      fc.pre(branches.every(({ participant }) => participant !== stranger))
      expect(branchOf(sealList(branches), stranger)).toBeUndefined()
    }),
  )
})
