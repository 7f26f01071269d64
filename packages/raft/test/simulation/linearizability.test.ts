import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byObject, linearize, type Operation } from './linearizability.ts'
import { type Call, register, stateAfter, withoutUnseen } from './register.ts'

type Op = Operation<Call, string>

const unknown = Number.POSITIVE_INFINITY

function read(found: string, calledAt: number, returnedAt: number): Op {
  return { input: { kind: 'read', key: 'x' }, output: found, calledAt, returnedAt }
}

/** A write, an append or a swap; without an answer when nothing was found. */
function change(input: Call, calledAt: number, returnedAt?: number, found?: string): Op {
  return { input, output: found, calledAt, returnedAt: returnedAt ?? unknown }
}

const write = (value: string): Call => ({ kind: 'write', key: 'x', value })
const append = (value: string): Call => ({ kind: 'append', key: 'x', value })
const swap = (expected: string, value: string): Call => ({ kind: 'swap', key: 'x', expected, value })

const histories: readonly (readonly [what: string, linearizable: boolean, operations: readonly Op[]])[] = [
  ['nothing happens', true, []],
  ['what was never written is read', false, [read('1', 1, 2)]],
  ['a read after a write sees it', true, [change(write('1'), 1, 2, ''), read('1', 3, 4)]],
  ['a read after a write misses it', false, [change(write('1'), 1, 2, ''), read('', 3, 4)]],
  ['a read beside a write may see it', true, [change(write('1'), 1, 4, ''), read('1', 2, 3)]],
  ['a read beside a write may miss it', true, [change(write('1'), 1, 4, ''), read('', 2, 3)]],
  ['two reads beside a write see it come', true, [change(write('1'), 1, 6, ''), read('', 2, 3), read('1', 4, 5)]],
  ['two reads beside a write see it go', false, [change(write('1'), 1, 6, ''), read('1', 2, 3), read('', 4, 5)]],
  ['two reads at once beside a write differ', true, [change(write('1'), 1, 6, ''), read('1', 2, 5), read('', 3, 4)]],
  [
    'a read goes back behind the last write',
    false,
    [change(write('1'), 1, 2, ''), change(write('2'), 3, 4, '1'), read('1', 5, 6)],
  ],
  [
    'two writes at once end in the order in which they found each other',
    true,
    [change(write('1'), 1, 4, '2'), change(write('2'), 2, 3, ''), read('1', 5, 6)],
  ],
  [
    'two writes at once end in the other order',
    false,
    [change(write('1'), 1, 4, '2'), change(write('2'), 2, 3, ''), read('2', 5, 6)],
  ],
  ['two writes at once find each other', false, [change(write('1'), 1, 4, '2'), change(write('2'), 2, 3, '1')]],
  ['two writes after each other find the same', false, [change(write('1'), 1, 2, ''), change(write('2'), 3, 4, '')]],
  ['a write of which nobody knows is never seen', true, [change(write('1'), 1), read('', 2, 3), read('', 4, 5)]],
  ['a write of which nobody knows is seen late', true, [change(write('1'), 1), read('', 2, 3), read('1', 4, 5)]],
  ['a write of which nobody knows is seen once', false, [change(write('1'), 1), read('1', 2, 3), read('', 4, 5)]],
  ['a write of which nobody knows is seen before it', false, [read('1', 1, 2), change(write('1'), 3)]],
  ['an append of which nobody knows counts twice', false, [change(append('1'), 1), read(',1,1', 2, 3)]],
  ['an append is lost', false, [change(append('1'), 1, 2, ''), change(append('2'), 3, 4, '')]],
  ['appends build on each other', true, [change(append('1'), 1, 2, ''), change(append('2'), 3, 4, ',1')]],
  [
    'a swap changes what it expects',
    true,
    [change(write('1'), 1, 2, ''), change(swap('1', '2'), 3, 4, '1'), read('2', 5, 6)],
  ],
  [
    'a swap changes something else',
    false,
    [change(write('1'), 1, 2, ''), change(swap('3', '2'), 3, 4, '1'), read('2', 5, 6)],
  ],
  [
    'a swap leaves what it expects',
    false,
    [change(write('1'), 1, 2, ''), change(swap('1', '2'), 3, 4, '1'), read('1', 5, 6)],
  ],
  [
    'of two swaps at once both find the same',
    false,
    [change(write('1'), 1, 2, ''), change(swap('1', '2'), 3, 6, '1'), change(swap('1', '3'), 4, 5, '1')],
  ],
]

function isLinearizable(operations: readonly Op[]): boolean {
  return linearize(register, operations).outcome === 'linearizable'
}

describe('the checker', () => {
  test.each(histories)('%s: linearizable is %s', (_, linearizable, operations) => {
    expect(isLinearizable(operations)).toBe(linearizable)
  })

  test('tells the longest order that it found when there is none', () => {
    const operations = [change(write('1'), 1, 2, ''), change(write('2'), 3, 4, '1'), read('1', 5, 6)]
    expect(linearize(register, operations).order).toEqual(operations.slice(0, 2))
  })

  test('gives up before it has tried more ways than can be tried', () => {
    const writes = Array.from({ length: 20 }, (_, place) => change(write(String(place)), place - 20))
    const impossible = [...writes, read('nowhere', 1, 2)]
    expect(linearize(register, impossible).outcome).toBe('undecided')
  })

  test('looks at each object by itself', () => {
    const other = change({ ...write('2'), key: 'y' }, 3, 4, '')
    const split = byObject([change(write('1'), 1, 2, ''), other, read('1', 5, 6)], ({ key }) => key)
    expect([...split].map(([key, operations]) => [key, operations.length])).toEqual([
      ['x', 2],
      ['y', 1],
    ])
  })
})

const call: fc.Arbitrary<Call> = fc.oneof(
  fc.constant<Call>({ kind: 'read', key: 'x' }),
  fc.constantFrom('1', '2').map<Call>((value) => ({ kind: 'write', key: 'x', value })),
  fc.constantFrom('1', '2').map<Call>((value) => ({ kind: 'append', key: 'x', value })),
  fc.constantFrom('', '1').map<Call>((expected) => ({ kind: 'swap', key: 'x', expected, value: '2' })),
)

/** What clients see of an object that takes each call at one moment, between the call and the answer. */
const observed = fc
  .array(
    fc.record({
      call,
      before: fc.double({ min: 0, max: 3, noNaN: true }),
      after: fc.double({ min: 0, max: 3, noNaN: true }),
      known: fc.boolean(),
    }),
    {
      maxLength: 12,
    },
  )
  .map((steps) => {
    let state = register.initial
    return steps.map(({ call: input, before, after, known }, place): Op => {
      const output = state
      state = stateAfter(state, input)
      const calledAt = place - before - place / 1_000
      return known
        ? { input, output, calledAt, returnedAt: place + after + place / 1_000 + 1e-4 }
        : { input, output: undefined, calledAt, returnedAt: unknown }
    })
  })

/** Any history at all, short enough to try each order of it. */
const arbitrary = fc
  .array(fc.record({ call, output: fc.constantFrom('', '1', '2', ',1'), known: fc.boolean() }), {
    maxLength: 5,
  })
  .chain((steps) =>
    fc
      .shuffledSubarray(
        Array.from({ length: 2 * steps.length }, (_, moment) => moment),
        { minLength: 2 * steps.length },
      )
      .map((moments) =>
        steps.map(({ call: input, output, known }, place): Op => {
          const pair = [moments[2 * place] ?? 0, moments[2 * place + 1] ?? 0].toSorted((one, other) => one - other)
          const [calledAt = 0, returnedAt = 0] = pair
          return known
            ? { input, output, calledAt, returnedAt }
            : { input, output: undefined, calledAt, returnedAt: unknown }
        }),
      ),
  )

/** By the definition: some order, of all that returned and any of the others, that time allows and the object can have taken. */
function hasOrder(operations: readonly Op[], state: string = register.initial): boolean {
  if (operations.every(({ returnedAt }) => returnedAt === unknown)) return true
  return operations.some((first) => {
    const others = operations.filter((operation) => operation !== first)
    if (others.some(({ returnedAt }) => returnedAt < first.calledAt)) return false
    const next = register.apply(state, first.input, first.output)
    return next !== undefined && hasOrder(others, next)
  })
}

describe('for any history', () => {
  test('the checker accepts what an object that takes one call after the other can have answered', () => {
    fc.assert(fc.property(observed, (operations) => isLinearizable(operations)))
  })

  test('the order that it found keeps time and could have happened', () => {
    fc.assert(
      fc.property(observed, (operations) => {
        const { order } = linearize(register, operations)
        let state: string | undefined = register.initial
        for (const [place, { input, output, calledAt }] of order.entries()) {
          expect(order.slice(place + 1).every(({ returnedAt }) => returnedAt > calledAt)).toBe(true)
          state = register.apply(state ?? '', input, output)
          expect(state).toBeDefined()
        }
      }),
    )
  })

  test('the checker agrees with the definition', () => {
    fc.assert(
      fc.property(arbitrary, (operations) => isLinearizable(operations) === hasOrder(operations)),
      { numRuns: 1_000 },
    )
  })

  test('what nobody knows of and nobody saw makes no difference', () => {
    const unlike = arbitrary.map((operations) => operations.map(withValue))
    fc.assert(
      fc.property(unlike, (operations) => {
        const whole = isLinearizable(operations)
        expect(isLinearizable(withoutUnseen(operations))).toBe(whole)
      }),
      { numRuns: 1_000 },
    )
  })
})

/** The same operation with a value that no other writes. */
function withValue(operation: Op, place: number): Op {
  const { input } = operation
  return input.kind === 'read' ? operation : { ...operation, input: { ...input, value: String(place) } }
}
