import type { InputOf, OutputOf, ParticipantContract } from '@verdict/protocol'
import { Simulation } from '@verdict/runtime/simulated'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { defineParticipant, operation, Refusal, refuse } from '../src/index.ts'
import { type MemorySession, MemoryStore } from './memory-store.ts'
import { fields } from './schema.ts'

const standing = operation({
  input: fields({ value: 'string' }),
  run({ value }, { write }: MemorySession) {
    write(value)
    return value.length
  },
})

const define = (name = 'payments') =>
  defineParticipant({
    name,
    resource: new MemoryStore().resource(),
    operations: {
      write: {
        input: fields({ value: 'string' }),
        async run({ value }, { write, signal, id }) {
          write(value)
          return { wrote: value, aborted: signal.aborted, id }
        },
      },
      standing,
    },
  })

type Payments = ReturnType<typeof define>

describe('the type of a participant', () => {
  test('satisfies what a client needs', () => {
    expectTypeOf<Payments>().toExtend<ParticipantContract>()
  })

  test('tells the input and the value of each operation', () => {
    type Operations = Payments['operations']
    expectTypeOf<InputOf<Operations['write']>>().toEqualTypeOf<{ readonly value: string }>()
    expectTypeOf<OutputOf<Operations['write']>>().toExtend<{ wrote: string; aborted: boolean }>()
    expectTypeOf<OutputOf<Operations['standing']>>().toEqualTypeOf<number>()
    expectTypeOf<Operations['write' | 'standing']>().not.toBeAny()
  })
})

describe('a definition', () => {
  test('with a name that is none is refused', () => {
    expect(() => define('Payments')).toThrow(/cannot be the name of a participant/)
  })

  test.each<[unknown, RegExp]>([
    [{ write: { input: {}, run: () => 1 } }, /payments\.write cannot be used: its input is no Standard Schema/],
    [{ write: { input: fields({}) } }, /it has no function run/],
    [{ ['x'.repeat(65)]: { input: fields({}), run: () => 1 } }, /its name/],
  ])('with an operation that is none is refused', (operations, message) => {
    expect(() =>
      defineParticipant({ name: 'payments', resource: new MemoryStore().resource(), operations: operations as never }),
    ).toThrow(message)
  })

  test('is served once', async () => {
    const simulation = new Simulation({ seed: 1 })
    const outcomes: unknown[] = []
    const process = simulation.process('p', async (world) => {
      const payments = define()
      await payments.serve({ world })
      await payments.serve({ world }).catch((error: unknown) => outcomes.push(error))
    })
    process.start()
    await simulation.runUntil(() => outcomes.length > 0, { withinMs: 1_000 })
    expect(outcomes).toMatchObject([{ code: 'already-serving', message: expect.stringContaining('define it again') }])
  })
})

describe('a refusal', () => {
  test.each([
    [refuse('sold-out'), 'sold-out', 'sold-out', false],
    [refuse('sold-out', 'None are left.'), 'sold-out', 'None are left.', false],
    [
      refuse('sold-out', { sku: 'a', left: 0n }, { retryable: true }),
      'sold-out',
      'sold-out {"sku":"a","left":"0"}',
      true,
    ],
  ])('says code, message and whether to try again', (refusal, code, message, retryable) => {
    expect(refusal).toBeInstanceOf(Refusal)
    expect(refusal).toMatchObject({ code, message, retryable })
  })
})
