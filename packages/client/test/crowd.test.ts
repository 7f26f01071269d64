import { TransactionAborted } from '@verdict/client'
import { describe, expect, test } from 'vitest'
import { Crowd, maxWaitingForOne, maxWaitingForSilent, silentMs } from '../src/crowd.ts'
import { type Payments, Stage } from './stage.ts'

/** A crowd, and a clock that a test sets. */
function crowdAt(): { readonly crowd: Crowd; readonly clock: { ms: number } } {
  const clock = { ms: 0 }
  return { crowd: new Crowd({ nowMs: () => clock.ms }), clock }
}

/** How many more may join. */
function places(crowd: Crowd, whom: string): number {
  for (let joined = 0; ; joined += 1) {
    try {
      crowd.join(whom)
    } catch (error) {
      expect(error).toMatchObject({ code: 'overloaded', retryable: true })
      return joined
    }
  }
}

describe('those that wait for one participant', () => {
  test('are no more than their share, and leave the others theirs', () => {
    const { crowd } = crowdAt()
    expect([places(crowd, 'a'), places(crowd, 'a'), places(crowd, 'b')]).toEqual([
      maxWaitingForOne,
      0,
      maxWaitingForOne,
    ])
  })

  test('are few while it is silent, until it answers', () => {
    const { crowd, clock } = crowdAt()
    const leave = Array.from({ length: maxWaitingForSilent }, () => crowd.join('a'))
    clock.ms = silentMs
    leave.push(crowd.join('a'))
    clock.ms = silentMs + 1
    expect(() => crowd.join('a')).toThrow('33 transactions of this client wait for a already')
    for (const one of leave.splice(0, 2)) one(false)
    expect(places(crowd, 'a')).toBe(1)
    leave.shift()?.(true)
    expect(places(crowd, 'a')).toBe(maxWaitingForOne - maxWaitingForSilent + 1)
  })

  test('are forgotten with the last of them', () => {
    const { crowd, clock } = crowdAt()
    const leave = crowd.join('a')
    clock.ms = 2 * silentMs
    leave(false)
    expect(places(crowd, 'a')).toBe(maxWaitingForOne)
  })
})

test('a participant that does not answer leaves room in the client for transactions with others', async () => {
  const stage = new Stage()
  stage.participant('silent', () => 'silence')
  stage.participant('payments')
  const outcomes = await stage.play(async (verdict) => {
    const call = (name: string): Promise<string> =>
      verdict
        .transaction((tx) => tx.on<Payments>(name as 'payments').debit({ account: 'ada', cents: 5 }), {
          budgetMs: 2_000,
        })
        .then(
          () => 'committed',
          (error: unknown) => (error instanceof TransactionAborted ? error.message.replace(/.*\): /, '') : 'other'),
        )
    const silent = Array.from({ length: maxWaitingForOne + 10 }, () => call('silent'))
    return [await call('payments'), ...new Set(await Promise.all(silent))]
  })
  expect(outcomes[0]).toBe('committed')
  expect(outcomes.join()).toContain('1024 transactions of this client wait for silent already')
})
