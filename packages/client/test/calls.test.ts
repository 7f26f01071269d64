import { connect, TransactionAborted } from '@verdict/client'
import { encodePacket, operationScope } from '@verdict/protocol'
import type { Bus } from '@verdict/runtime'
import { describe, expect, test } from 'vitest'
import { type Inventory, type Payments, Stage, value } from './stage.ts'

const input = { account: 'ada', cents: 5 }

/** A bus on which each message comes a second time, at once: as when an answer and its repetition were read together. */
function hearingTwice(bus: Bus): Bus {
  return {
    maxPayloadBytes: bus.maxPayloadBytes,
    publish: (...args) => bus.publish(...args),
    subscribe: (subject, handler, options) =>
      bus.subscribe(
        subject,
        (message) => {
          handler(message)
          handler(message)
        },
        options,
      ),
    flush: () => bus.flush(),
    close: () => bus.close(),
    [Symbol.asyncDispose]: () => bus.close(),
  }
}

describe('calls', () => {
  test('to one participant run one after another on the instance that holds the branch', async () => {
    const stage = new Stage()
    const payments = stage.participant('payments')
    await stage.play((verdict) =>
      verdict.transaction(async (tx) => {
        const { debit } = tx.on<Payments>('payments')
        await Promise.all([debit(input), debit(input), debit(input)])
      }),
    )
    expect(stage.calls.map(({ call }) => call.n)).toEqual([1, 2, 3])
    const [first, ...later] = stage.calls
    expect(first?.subject).toBe('verdict.v1.call.payments.checkout')
    expect(first?.call.token).toBeUndefined()
    for (const { subject, call } of later) {
      expect(subject).toBe(`verdict.v1.call.payments.${payments.instance}.checkout`)
      expect(call.token).toBe(stage.alones[0]?.alone.list.map((branch) => 'token' in branch && branch.token)[0])
    }
  })

  test('to different participants run at the same time', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.participant('inventory')
    stage.simulation.network.set({ minDelayMs: 100, maxDelayMs: 100 })
    const tookMs = await stage.play((verdict, { clock }) =>
      verdict.transaction(async (tx) => {
        const begunMs = clock.nowMs()
        await Promise.all([
          tx.on<Payments>('payments').debit(input),
          tx.on<Inventory>('inventory').reserve({ sku: 'tea' }),
        ])
        return clock.nowMs() - begunMs
      }),
    )
    expect(tookMs.value).toBeLessThan(300)
  })

  test('that get no answer are sent again under the same nonce and number', async () => {
    const stage = new Stage()
    stage.participant('payments', (_, nth) => (nth % 2 === 0 ? 'silence' : { value: 'done' }))
    await stage.play((verdict) =>
      verdict.transaction(async (tx) => {
        await tx.on<Payments>('payments').debit(input)
        await tx.on<Payments>('payments').debit(input)
      }),
    )
    expect(stage.calls.map(({ call }) => call.n)).toEqual([1, 1, 2, 2])
    expect(new Set(stage.calls.map(({ call }) => call.nonce)).size).toBe(1)
  })

  test('that opened a second branch on their way have it released', async () => {
    const stage = new Stage()
    // One instance is so slow that the call is sent again, and reaches the other.
    stage.participant('payments', undefined, 'slow')
    stage.participant('payments', undefined, 'quick')
    stage.simulation.network.intercept(({ from }) => (from === 'slow' ? { delayMs: 3_000 } : 'pass'))
    await stage.play(async (verdict, { clock }) => {
      for (let round = 0; round < 12; round += 1)
        await verdict.transaction((tx) => tx.on<Payments>('payments').debit(input))
      await new Promise<void>((resolve) => clock.after(5_000, resolve))
    })
    const committed = stage.alones.flatMap(({ alone }) =>
      alone.list.flatMap((branch) => ('token' in branch ? [branch.token] : [])),
    )
    const strays = [...stage.opened].filter((token) => !committed.includes(token))
    const released = stage.releases.map(({ release }) => release.token)
    expect(strays).not.toEqual([])
    expect(released).toEqual(expect.arrayContaining(strays))
  })

  test('that are answered twice in one turn keep their branch', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const told = await stage.play(async (_, world) => {
      await using verdict = await connect({ world: { ...world, bus: hearingTwice(world.bus) }, owner: 'checkout' })
      return await verdict.transaction((tx) => tx.on<Payments>('payments').debit(input))
    })
    expect(told.outcome).toBe('committed')
    expect(stage.releases).toEqual([])
  })

  test('believe nobody but the participant that was called, and no answer to another call', async () => {
    const stage = new Stage()
    const forger = stage.simulation.process('forger')
    forger.start()
    const bus = () => forger.world.bus
    stage.participant('payments', (call, nth) => {
      // The true answers come when the call is sent again, long after the forged ones.
      if (nth % 2 === 1) return { value: call.n }
      const { inbox, request } = stage.lastCall
      const forged = {
        type: 'result',
        id: call.id,
        n: call.n,
        instance: 'b'.repeat(20) as never,
        token: 'c'.repeat(20) as never,
        result: { kind: 'value', value: value('forged') },
      } as const
      const tell = (from: string, message: object): void =>
        bus().publish(`${inbox}.p.${from}`, encodePacket({ request, message: { ...forged, ...message } }))
      tell('inventory', {})
      tell('payments', { n: call.n + 1 })
      tell('payments', { id: call.id.replace(/_o.*/, `_o${'a'.repeat(20)}`) })
      if (call.n > 1) tell('payments', {})
      return 'silence'
    })
    const result = await stage.play(async (verdict) => {
      const { value: told } = await verdict.transaction(async (tx) => [
        await tx.on<Payments>('payments').debit(input),
        await tx.on<Payments>('payments').debit(input),
      ])
      return { told, foreign: verdict.counters.foreign }
    })
    expect(result.told).toEqual([1, 2])
    expect(result.foreign).toBe(7)
  })

  test('to nobody fail soon, and a new attempt may succeed', async () => {
    const stage = new Stage()
    const error = await stage.fail((verdict) => verdict.transaction((tx) => tx.on<Payments>('payments').debit(input)))
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(error).toMatchObject({ reason: { code: 'unreachable', participant: 'payments' }, retryable: true })
    expect(stage.simulation.nowMs).toBeLessThan(5_000)
  })

  test('to nobody for a moment are sent again until somebody is there', async () => {
    const stage = new Stage()
    stage.simulation.plan(500, () => void stage.participant('payments'))
    const { value } = await stage.play((verdict) =>
      verdict.transaction((tx) => tx.on<Payments>('payments').debit(input)),
    )
    expect(value).toBe('done')
  })

  test('to an instance that is gone fail: its branch is gone with it', async () => {
    const stage = new Stage()
    const { crash } = stage.participant('payments')
    stage.participant('payments', undefined, 'another')
    const error = await stage.fail((verdict) =>
      verdict.transaction(async (tx) => {
        stage.simulation.network.cutOneWay('client', 'another')
        await tx.on<Payments>('payments').debit(input)
        crash()
        await tx.on<Payments>('payments').debit(input)
      }),
    )
    expect(error).toMatchObject({ reason: { code: 'instance-gone' }, retryable: true, recorded: false })
  })

  test('by code of an operation are refused before anything is sent', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const error = await stage.fail((verdict) =>
      operationScope.run({ participant: 'orders', operation: 'place' }, () =>
        verdict.transaction((tx) => tx.on<Payments>('payments').debit(input)),
      ),
    )
    expect(error).toMatchObject({ code: 'nested-call' })
    expect(stage.calls).toEqual([])
  })
})
