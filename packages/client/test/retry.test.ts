import {
  InDoubt,
  type PlannedCall,
  type RetryPolicy,
  type Transaction,
  TransactionAborted,
  type Verdict,
} from '@verdict/client'
import { type Reason, reasonCodes } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { maxAttempts, pauseBefore } from '../src/retry.ts'
import { type Payments, Stage } from './stage.ts'

const input = { account: 'ada', cents: 5 }
const locked: Reason = { code: reasonCodes.lockTimeout, message: 'Waited too long.', retryable: true }
const refusal = (reason: Reason) => ({ kind: 'refused', reason }) as const

describe('whether there is another attempt, and after which pause', () => {
  const at = (policy: RetryPolicy, reason: Reason, made = 1, nowMs = 0): number | undefined =>
    pauseBefore({ policy, endsAtMs: 10_000 }, reason, made, nowMs, 0.5)

  test.each([
    ['never', locked, false],
    ['contention', locked, true],
    ['contention', { ...locked, code: reasonCodes.deadlock }, true],
    ['contention', { ...locked, code: reasonCodes.notSerializable }, true],
    ['contention', { ...locked, code: reasonCodes.unreachable }, false],
    ['retryable', { ...locked, code: reasonCodes.unreachable }, true],
    ['retryable', { ...locked, code: 'insufficient-funds', retryable: false }, false],
    ['contention', { ...locked, retryable: false }, false],
  ] as const)('%s after %o: %j', (policy, reason, again) => {
    expect(at(policy, reason) !== undefined).toBe(again)
  })

  test('pauses double up to a maximum, and differ by chance', () => {
    expect([1, 2, 3, 9, 10].map((made) => at('contention', locked, made))).toEqual([50, 100, 200, 2_000, 2_000])
    expect(pauseBefore({ policy: 'contention', endsAtMs: 10_000 }, locked, 1, 0, 0)).toBe(25)
  })

  test('the number of attempts and the budget bound them', () => {
    expect(at('contention', locked, maxAttempts)).toBeUndefined()
    expect(at('contention', locked, 1, 9_899)).toBe(50)
    expect(at('contention', locked, 1, 9_900)).toBeUndefined()
  })
})

interface Stock extends Omit<Payments, 'name'> {
  readonly name: 'stock'
}

/** At two participants, so that their group decides it. */
async function atTwo(tx: Transaction): Promise<string> {
  const value = await tx.on<Payments>('payments').debit(input)
  await tx.on<Stock>('stock').debit(input)
  return value
}

function twoCalls(verdict: Verdict): PlannedCall<string>[] {
  return [verdict.call<Payments>('payments').debit(input), verdict.call<Stock>('stock').debit(input)]
}

describe('a transaction with a policy', () => {
  test('runs its function anew under a fresh id, as old as its first attempt, within one budget', async () => {
    const stage = new Stage()
    stage.participant('stock')
    stage.participant('payments', (_, nth) => (nth < 2 ? refusal(locked) : { value: 'done' }))
    let runs = 0
    const { value, receipt } = await stage.play((verdict) =>
      verdict.transaction(
        async (tx) => {
          runs += 1
          return await atTwo(tx)
        },
        { retry: 'contention', budgetMs: 8_000 },
      ),
    )
    expect([value, runs]).toEqual(['done', 3])
    const calls = stage.calls.flatMap(({ participant, call }) => (participant === 'payments' ? [call] : []))
    expect(new Set(calls.map(({ id }) => id)).size).toBe(3)
    expect(receipt.id).toBe(calls[2]?.id)
    const ages = calls.map(({ ageMs = -1 }) => ageMs)
    expect(ages[0]).toBe(0)
    expect(ages[1]).toBeGreaterThan(20)
    expect(ages[2]).toBeGreaterThan(ages[1] ?? 0)
    for (const { ageMs = 0, leftMs } of calls) expect(Math.abs(ageMs + leftMs - 8_000)).toBeLessThanOrEqual(1)
    expect(stage.commits).toHaveLength(1)
  })

  test('of one-shots too, after an abort that the group has recorded', async () => {
    const stage = new Stage()
    stage.onCommit = (_, nth) =>
      nth === 0 ? { kind: 'aborted', reason: locked } : { kind: 'committed', applied: true, hazards: [] }
    await stage.play((verdict) => verdict.submit(twoCalls(verdict), { retry: 'contention' }))
    const [first, second] = stage.commits
    expect(stage.commits).toHaveLength(2)
    expect(first?.id).not.toBe(second?.id)
    expect([first?.ageMs, (second?.ageMs ?? 0) > 20]).toEqual([0, true])
  })

  test('gives up with the last reason when the budget is nearly spent, and not later', async () => {
    const stage = new Stage()
    stage.participant('payments', () => refusal(locked))
    const before = stage.simulation.nowMs
    const failure = await stage.play((verdict) =>
      verdict
        .transaction((tx) => tx.on<Payments>('payments').debit(input), { retry: 'contention', budgetMs: 1_000 })
        .catch((error: unknown) => error),
    )
    expect(failure).toBeInstanceOf(TransactionAborted)
    expect(failure).toMatchObject({ reason: { code: 'lock-timeout' } })
    expect(stage.calls.length).toBeGreaterThan(2)
    expect(stage.simulation.nowMs - before).toBeLessThanOrEqual(1_500)
  })

  test('is not run again when it is in doubt', async () => {
    const stage = new Stage()
    stage.participant('payments')
    stage.participant('stock')
    stage.onCommit = () => 'silence'
    const failure = await stage.play((verdict) =>
      verdict.transaction(atTwo, { retry: 'retryable', budgetMs: 500 }).catch((error: unknown) => error),
    )
    expect(failure).toBeInstanceOf(InDoubt)
    expect(new Set(stage.calls.map(({ call }) => call.id)).size).toBe(1)
  })

  test('is refused with an id of the caller, which names one attempt (R17)', async () => {
    const stage = new Stage()
    const options = { retry: 'contention' } as object
    const failure = await stage.play((verdict) =>
      verdict
        .transaction((tx) => tx.on<Payments>('payments').debit(input), { ...options, id: verdict.newId() })
        .catch((error: unknown) => error),
    )
    expect(failure).toMatchObject({ code: 'bad-option' })
    expect(stage.calls).toEqual([])
  })

  test('ends with its signal, in a pause too', async () => {
    const stage = new Stage()
    const ending = new AbortController()
    stage.participant('payments', () => {
      stage.simulation.plan(10, () => ending.abort())
      return refusal(locked)
    })
    const failure = await stage.play((verdict) =>
      verdict
        .transaction((tx) => tx.on<Payments>('payments').debit(input), { retry: 'contention', signal: ending.signal })
        .catch((error: unknown) => error),
    )
    expect(failure).toMatchObject({ reason: { code: 'lock-timeout' } })
    expect(stage.calls).toHaveLength(1)
  })
})

test('a one-shot says in which manner it is to be run', async () => {
  const stage = new Stage()
  stage.onCommit = () => ({ kind: 'committed', applied: true, hazards: [] })
  await stage.play(async (verdict) => {
    const calls = twoCalls(verdict)
    await verdict.submit(calls, { ordered: true, isolation: 'serializable' })
    await verdict.submit(calls)
  })
  const [first, second] = stage.commits
  expect(first).toMatchObject({ ordered: true, isolation: 'serializable' })
  expect([second?.ordered, second?.isolation]).toEqual([undefined, undefined])
})
