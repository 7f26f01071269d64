import { InDoubt, TransactionAborted } from '@verdict/client'
import { type Epoch, makeId, ownerName, parseGroupId, parseId, type Reason } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { group, type Payments, recorded, Stage } from './stage.ts'

const input = { account: 'ada', cents: 5 }
const reason: Reason = {
  code: 'insufficient-funds',
  message: 'Ada has nothing.',
  retryable: false,
  participant: 'payments',
}

/** Runs a payment under a fresh id of the caller's. */
function payKept(verdict: Parameters<Parameters<Stage['play']>[0]>[0], options = {}) {
  return verdict.transaction((tx) => tx.on<Payments>('payments').debit(input), { id: verdict.newId(), ...options })
}

describe('a run under an id that the caller kept', () => {
  test('begins with a look, and runs when nothing is recorded', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const result = await stage.play((verdict) => payKept(verdict))
    expect(result).toMatchObject({ outcome: 'committed', replayed: false, value: 'done' })
    expect(stage.asked.map(({ type }) => type)).toEqual(['hello', 'look', 'commit'])
    expect(parseId(result.receipt.id).mark).toBe('kept')
  })

  test('that was committed is told so, and nothing runs', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onLook = () => recorded('committed')
    const result = await stage.play((verdict) => payKept(verdict))
    expect(result).toMatchObject({
      outcome: 'committed',
      replayed: true,
      receipt: { applied: true, participants: ['payments'] },
    })
    expect([...stage.calls, ...stage.commits]).toEqual([])
  })

  test('that was aborted is told so, and nothing runs', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onLook = () => recorded('aborted', { reason })
    const error = await stage.fail(payKept)
    expect(error).toBeInstanceOf(TransactionAborted)
    expect(error).toMatchObject({ reason, recorded: true })
    expect([...stage.calls, ...stage.commits]).toEqual([])
  })

  test('that is forgotten is in doubt for good', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onLook = () => ({ kind: 'expired' })
    const error = await stage.fail(payKept)
    expect(error).toBeInstanceOf(InDoubt)
    expect(error).toMatchObject({ expired: true, retryable: false })
    expect([...stage.calls, ...stage.commits]).toEqual([])
  })

  test('that was committed with hazards is no success', async () => {
    const stage = new Stage()
    const hazards = [{ participant: 'payments' as never, kind: 'effects-lost' as const, note: 'lost' }]
    stage.onLook = () => recorded('committed', { hazards })
    expect(await stage.fail(payKept)).toMatchObject({ code: 'committed-with-hazards', hazards })
  })

  test('runs nothing while the look is not answered', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onLook = () => 'silence'
    const error = await stage.fail((verdict) => payKept(verdict, { budgetMs: 2_000 }))
    expect(error).toBeInstanceOf(InDoubt)
    expect(error).toMatchObject({ expired: false, retryable: true })
    expect([...stage.calls, ...stage.commits]).toEqual([])
  })

  test('whose commit is answered conflict is told what the other run came to', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = () => ({ kind: 'conflict', recorded: 'b'.repeat(26) as never, outcome: 'committed' })
    stage.onLook = (_, nth) => (nth === 0 ? { kind: 'none' } : recorded('committed'))
    const result = await stage.play((verdict) => payKept(verdict))
    expect(result).toMatchObject({ replayed: true })
    expect(result).not.toHaveProperty('value')
  })

  test('whose commit is answered conflict, and the other run was aborted, is aborted', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = () => ({ kind: 'conflict', recorded: 'b'.repeat(26) as never, outcome: 'aborted' })
    stage.onLook = (_, nth) => (nth === 0 ? { kind: 'none' } : recorded('aborted', { reason }))
    expect(await stage.fail(payKept)).toMatchObject({ code: 'transaction-aborted', reason, recorded: true })
  })

  test('whose call meets another run looks again until that is decided', async () => {
    const stage = new Stage()
    stage.participant('payments', () => ({ kind: 'busy' }))
    stage.onLook = (_, nth) => (nth < 3 ? { kind: 'none' } : recorded('committed'))
    expect(await stage.play((verdict) => payKept(verdict))).toMatchObject({ replayed: true })
    expect(stage.commits).toEqual([])
  })

  test('whose call meets another run that stays undecided is in doubt, and never aborted', async () => {
    const stage = new Stage()
    stage.participant('payments', () => ({ kind: 'busy' }))
    const error = await stage.fail(payKept)
    expect(error).toBeInstanceOf(InDoubt)
    expect(error).toMatchObject({ retryable: true, expired: false })
    expect(stage.asked.filter(({ type }) => type === 'look').length).toBeLessThan(10)
  })

  test('that fails while another run was committed is told that', async () => {
    const stage = new Stage()
    stage.participant('payments', () => ({ kind: 'refused', reason }))
    stage.onLook = (_, nth) => (nth === 0 ? { kind: 'none' } : recorded('committed'))
    expect(await stage.play((verdict) => payKept(verdict))).toMatchObject({ replayed: true })
  })

  test('that fails by itself may be run again under the same id', async () => {
    const stage = new Stage()
    stage.participant('payments', (_, nth) => (nth === 0 ? { kind: 'refused', reason } : { value: 'paid' }))
    const result = await stage.play(async (verdict) => {
      const id = verdict.newId()
      const pay = () => verdict.transaction((tx) => tx.on<Payments>('payments').debit(input), { id })
      await expect(pay()).rejects.toMatchObject({ reason, recorded: false })
      return await pay()
    })
    expect(result).toMatchObject({ replayed: false, value: 'paid' })
    const [first, second] = stage.calls
    expect(first?.call.id).toBe(second?.call.id)
    expect(first?.call.nonce).not.toBe(second?.call.nonce)
  })

  test('in doubt can be run again', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.onCommit = () => 'silence'
    const error = await stage.fail((verdict) => payKept(verdict, { budgetMs: 100 }))
    expect(error).toMatchObject({ code: 'in-doubt', retryable: true, id: stage.commits[0]?.id })
  })
})

describe('an id', () => {
  test('of another group, another owner or for one run only is refused before anything is sent', async () => {
    const stage = new Stage()
    const { name, incarnation } = parseGroupId(group)
    const parts = { group: name, incarnation, epoch: 1 as Epoch, owner: ownerName('checkout'), mark: 'kept' as const }
    const random = new Uint8Array(12)
    const foreign = [
      makeId({ ...parts, incarnation: 'aaaaaaaaaaaaa' as never }, random),
      makeId({ ...parts, owner: ownerName('another') }, random),
      makeId({ ...parts, mark: 'once' }, random),
    ]
    await stage.play(async (verdict) => {
      for (const id of foreign) {
        await expect(verdict.transaction(() => 1, { id })).rejects.toMatchObject({ code: 'foreign-id' })
        await expect(verdict.submit([verdict.call<Payments>('payments').audit()], { id })).rejects.toMatchObject({
          code: 'foreign-id',
        })
      }
      await expect(verdict.transaction(() => 1, { id: 'order-7' })).rejects.toMatchObject({ code: 'bad-id' })
    })
    expect(stage.asked.map(({ type }) => type)).toEqual(['hello'])
  })

  test('carries the newest epoch that the group told', async () => {
    const stage = new Stage()
    stage.participant('payments')
    const epochs = await stage.play(async (verdict, { clock }) => {
      const epoch = () => parseId(verdict.newId()).epoch
      const told = [epoch()]
      stage.epoch = 8 as Epoch
      await payKept(verdict)
      told.push(epoch())
      stage.epoch = 6 as Epoch
      await payKept(verdict)
      told.push(epoch())
      stage.epoch = 9 as Epoch
      await new Promise<void>((resolve) => clock.after(61_000, resolve))
      return [...told, epoch()]
    })
    expect(epochs).toEqual([5, 8, 8, 9])
  })
})
