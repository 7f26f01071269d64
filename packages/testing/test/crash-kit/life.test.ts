import { defineParticipant, operation } from '@verdict/participant'
import { memoryDatabase, memoryResource, type SimulatedDatabase, type SimulatedSession } from '@verdict/testing'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { Director } from '../../src/crash-kit/director.ts'
import { Life } from '../../src/crash-kit/life.ts'
import type { Moment } from '../../src/crash-kit/probe.ts'
import { MemoryBus } from '../../src/memory-bus.ts'

/** A bus that counts what is said on it. */
class CountingBus extends MemoryBus {
  said = 0

  override publish(...message: Parameters<MemoryBus['publish']>): void {
    this.said += 1
    super.publish(...message)
  }
}

const debit = operation({
  input: z.object({}),
  run: async (_, { table }: SimulatedSession) => {
    await table.add('anna', -30)
    await table.put('debited', 30)
  },
})

/** A life that is held at a moment of one transaction, with another participant or alone, and what it stands on. */
async function heldAt(
  hold: Moment,
  isLone = false,
): Promise<{ life: Life; bus: CountingBus; database: SimulatedDatabase }> {
  const [bus, database] = [new CountingBus(), memoryDatabase({ anna: 100 })]
  const define = () => defineParticipant({ name: 'bank', resource: memoryResource(database), operations: { debit } })
  const life = await Life.start(define, bus, { hold })
  const tx = new Director(bus, 'bank', { operation: 'debit', input: {} }).begin(isLone)
  tx.call(10_000)
  const first = await Promise.race([life.probe.held, tx.answer(10_000)])
  if (first !== 'held') {
    if (isLone) tx.alone('called', false, life.instance)
    else tx.prepare('called', life.instance)
    await life.probe.held
  }
  return { life, bus, database }
}

describe('a life that crashes', () => {
  test.each<Moment>(['called', 'statement 1', 'returned', 'preparing'])(
    'at %s leaves nothing, not even a lock',
    async (hold) => {
      const { life, bus, database } = await heldAt(hold)
      expect(database.locks().length > 0).toBe(hold !== 'called')
      await life.crash()
      expect([database.locks(), database.prepared(), database.value('anna')]).toEqual([[], [], 100])
      await bus.close()
    },
  )

  test('once its branch is durable leaves it prepared, with its locks', async () => {
    const { life, bus, database } = await heldAt('durable')
    await life.crash()
    expect(database.prepared().length).toBe(1)
    expect(database.locks().length).toBeGreaterThan(0)
    await bus.close()
  })

  test.each([
    ['committing', 100],
    ['committed', 70],
  ] as const)('at %s of a lone transaction leaves %i, and no lock', async (hold, cents) => {
    const { life, bus, database } = await heldAt(hold, true)
    await life.crash()
    expect([database.locks(), database.prepared(), database.value('anna')]).toEqual([[], [], cents])
    await bus.close()
  })

  test('says nothing any more, though its code runs on', async () => {
    const { life, bus, database } = await heldAt('durable')
    const before = bus.said
    await life.crash()
    life.probe.release()
    await bus.close()
    expect([bus.said - before, database.prepared().length]).toEqual([0, 1])
  })

  test('hears nothing any more: what is sent to any instance reaches the next one', async () => {
    const { life, bus, database } = await heldAt('called')
    await life.crash()
    const define = () => defineParticipant({ name: 'bank', resource: memoryResource(database), operations: { debit } })
    const next = await Life.start(define, bus)
    for (let n = 0; n < 3; n += 1) {
      const tx = new Director(bus, 'bank', { operation: 'debit', input: {} }).begin()
      tx.call(10_000)
      expect(await tx.answer(10_000)).toMatchObject({ instance: next.instance, result: { kind: 'value' } })
      tx.release()
    }
    await next.stop()
    await bus.close()
  })
})
