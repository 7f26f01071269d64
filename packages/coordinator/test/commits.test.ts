import { answerSubject, type Commit, maxBudgetMs, ownerName, reasonCodes, sealList, type Vote } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { defaultSettings } from '../src/settings.ts'
import {
  calledList,
  decision,
  foreignId,
  group,
  id,
  inboxToken,
  instance,
  oneShot,
  p,
  prepared,
  q,
  readOnly,
  refused,
  s,
  sealed,
  token,
  value,
} from './samples.ts'
import { on, replicaId, Stage, settled } from './stage.ts'

const list = calledList(p, q)

function commit(of = id(1), over: Partial<Commit> = {}): Commit {
  const { list: branches, digest } = sealed(of, over.list ?? list)
  return { type: 'commit', id: of, list: branches, digest, leftMs: 10_000, wait: 'decided', ...over }
}

function abort(of = id(1), branches = list) {
  const reason = { code: 'client-aborted', message: 'Given up.', retryable: true }
  return { type: 'abort', id: of, list: branches, digest: sealed(of, branches).digest, reason } as const
}

function vote(of: typeof p, cast: Vote = prepared(of), transaction = id(1), branches = list) {
  return { type: 'vote', id: transaction, digest: sealed(transaction, branches).digest, vote: cast } as const
}

function shots(): Commit {
  const { list: branches, digest, operations } = sealed(id(1), sealList([oneShot(p), oneShot(q)]))
  return { ...commit(), list: branches, digest, ...(operations === undefined ? {} : { operations }) }
}

const committed = { kind: 'committed', applied: false, hazards: [] }

describe('a commit', () => {
  test('is prepared at each named instance, decided by the log, told to its owner and to the branches', async () => {
    const stage = Stage.leading()
    const request = stage.ask(commit())
    const prepares = stage.take('prepare')
    expect(prepares.map(({ subject }) => subject)).toEqual([
      on.controlInstance(group, p, instance(p)),
      on.controlInstance(group, q, instance(q)),
    ])
    expect(prepares[0]?.message).toMatchObject({ list, leftMs: 10_000, term: 3, horizon: 0 })
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    expect(stage.decided(request)).toEqual([committed])
    expect(stage.take('outcome').map(({ message }) => message)).toMatchObject([
      { outcome: 'committed', token: token(p) },
      { outcome: 'committed', token: token(q) },
    ])
    expect(stage.leader.underway).toBe(0)
    const [looked] = stage.answers(stage.look([id(1)]))
    expect(looked).toMatchObject({ found: [{ outcome: 'committed', decidedAtMs: Math.round(stage.clock.wallMs()) }] })
  })

  test('is answered on the sender its own inbox, under the name of the replica', async () => {
    const stage = Stage.leading()
    stage.ask(abort())
    await settled()
    const inbox = on.inbox(ownerName('checkout'), inboxToken(1))
    const [answer] = stage.take('decided')
    expect(answer?.subject).toBe(answerSubject(inbox, { kind: 'replica', group, replica: replicaId }))
  })

  test('says nothing before the log has spoken (R1)', async () => {
    const stage = Stage.leading()
    stage.replica.held = true
    const request = stage.ask(commit())
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    expect(stage.decided(request)).toEqual([])
    expect(stage.take('outcome')).toEqual([])
    stage.replica.release()
    await settled()
    expect(stage.decided(request)).toEqual([committed])
  })

  test('no participant hears of an abort before its record is there (R2)', async () => {
    const stage = Stage.leading()
    stage.replica.held = true
    stage.ask(commit())
    stage.speak(p, vote(p))
    stage.speak(q, vote(q, refused(q)))
    await settled()
    expect(stage.take('outcome')).toEqual([])
    stage.replica.release()
    await settled()
    expect(stage.take('outcome').map(({ message }) => message)).toMatchObject([{ outcome: 'aborted', token: token(p) }])
  })

  test.each([
    ['aborted', 'committed'],
    ['committed', 'aborted'],
  ] as const)('everybody is told the earlier %s, though %s was proposed (R1)', async (standing, proposed) => {
    const stage = Stage.leading()
    stage.replica.held = true
    const requests = [
      stage.ask(commit()),
      stage.ask(commit(), { inbox: on.inbox(ownerName('checkout'), inboxToken(2)) }),
    ]
    stage.speak(p, vote(p))
    stage.speak(q, vote(q, proposed === 'committed' ? prepared(q) : refused(q)))
    stage.replica.record(decision(id(1), standing))
    stage.replica.release()
    await settled()
    expect(stage.proposals('decide')[0]?.decision.outcome).toBe(proposed)
    for (const request of requests) expect(stage.decided(request)).toMatchObject([{ kind: standing }])
    const told = new Set(stage.take('outcome').map(({ message }) => message.outcome))
    expect(told).toEqual(new Set([standing]))
    expect(stage.events).toContainEqual({ kind: 'decided', id: id(1), outcome: standing })
  })

  test('is answered expired, and nothing is told, when the log says so', async () => {
    const stage = Stage.leading()
    const request = stage.ask(commit())
    stage.replica.space.put('group/horizon', Uint8Array.of(1))
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    expect(stage.decided(request)).toEqual([{ kind: 'expired' }])
    expect(stage.take('outcome')).toEqual([])
  })

  test('a spent budget aborts', async () => {
    const stage = Stage.leading()
    const request = stage.ask(commit(id(1), { leftMs: 3_000 }))
    stage.speak(p, vote(p))
    await stage.clock.pass(3_000)
    expect(stage.decided(request)).toMatchObject([{ kind: 'aborted', reason: { code: reasonCodes.budgetSpent } }])
  })

  test('a budget of nothing aborts at once', async () => {
    const stage = Stage.leading()
    const request = stage.ask(commit(id(1), { leftMs: 0 }))
    await stage.clock.pass(0)
    expect(stage.decided(request)).toMatchObject([{ kind: 'aborted' }])
  })

  test('the largest budget asks with what is left of it', async () => {
    const stage = Stage.leading()
    stage.ask(commit(id(1), { leftMs: maxBudgetMs }))
    await stage.clock.pass(500)
    expect(stage.take('prepare').map(({ message }) => message.leftMs)).toEqual([
      maxBudgetMs,
      maxBudgetMs,
      maxBudgetMs - 500,
      maxBudgetMs - 500,
    ])
  })

  test('a gone instance is asked elsewhere at once', () => {
    const stage = Stage.leading()
    stage.ask(commit())
    const [first] = stage.take('prepare')
    expect(first?.options?.replyTo).toBe(on.vote(group, p))
    first?.options?.onNoResponders?.()
    expect(stage.take('prepare').map(({ subject }) => subject)).toEqual([on.control(group, p)])
  })

  test('is answered read-only without a record when all only read (R10)', async () => {
    const stage = Stage.leading()
    const request = stage.ask(commit())
    stage.speak(p, vote(p, readOnly(p)))
    stage.speak(q, vote(q, readOnly(q)))
    await settled()
    expect(stage.decided(request)).toEqual([{ kind: 'read-only' }])
    expect(stage.replica.proposed).toEqual([])
    expect(stage.leader.underway).toBe(0)
  })

  test('an id of the caller is recorded all the same (R17)', async () => {
    const stage = Stage.leading()
    const kept = id(1, { mark: 'kept' })
    const request = stage.ask(commit(kept))
    for (const of of [p, q]) stage.speak(of, vote(of, readOnly(of), kept))
    await settled()
    expect(stage.decided(request)).toEqual([{ ...committed, applied: true }])
    expect(stage.proposals('decide')).toHaveLength(1)
  })
})

describe('results of a one-shot', () => {
  const voted = (of: typeof p, text?: string) =>
    vote(of, prepared(of, text === undefined ? {} : { results: [value(text)] }), id(1), shots().list)

  test('come in the order of the list, to whoever asks', async () => {
    const stage = Stage.leading()
    const request = stage.ask(shots())
    expect(stage.take('prepare').map(({ message }) => message.operations)).toEqual(shots().operations)
    stage.speak(q, voted(q, 'second'))
    stage.speak(p, voted(p, 'first'))
    await settled()
    const answer = { ...committed, results: [[value('first')], [value('second')]] }
    expect(stage.decided(request)).toEqual([answer])
    expect(stage.decided(stage.ask(shots()))).toEqual([answer])
  })

  test('are not lost when the record was taken from the store before its proposer heard of it', async () => {
    const stage = Stage.leading({ waveSize: 1 }, ({ replica }) => replica.record(decision(id(9), 'aborted')))
    stage.replica.slow = true
    const request = stage.ask(shots())
    stage.speak(p, voted(p, 'first'))
    stage.speak(q, voted(q, 'second'))
    await stage.clock.pass(defaultSettings.waveMs)
    expect(stage.take('outcome').filter(({ message }) => message.id === id(1))).toHaveLength(2)
    stage.replica.release()
    await settled()
    const answer = { ...committed, results: [[value('first')], [value('second')]] }
    expect(stage.decided(request)).toEqual([answer])
    expect(stage.decided(stage.ask(shots()))).toEqual([answer])
  })

  test('are pending when one died with its instance', async () => {
    const stage = Stage.leading()
    const request = stage.ask(shots())
    stage.speak(p, voted(p))
    stage.speak(q, voted(q, 'second'))
    await settled()
    expect(stage.decided(request)).toEqual([{ ...committed, results: 'pending' }])
  })

  test('are pending when the bus cannot carry them, and the outcome is told all the same', async () => {
    const stage = Stage.leading()
    const request = stage.ask(shots())
    stage.speak(p, voted(p, 'x'.repeat(50_000)))
    stage.speak(q, voted(q, 'second'))
    stage.bus.maxPayloadBytes = 20_000
    await settled()
    expect(stage.decided(request)).toEqual([{ ...committed, results: 'pending' }])
    expect(stage.take('outcome')).toHaveLength(2)
  })

  test('are pending when there is no room to hold them', async () => {
    const stage = Stage.leading({ maxUnderwayBytes: 1 })
    const request = stage.ask(shots())
    stage.speak(p, voted(p, 'first'))
    stage.speak(q, voted(q, 'second'))
    await settled()
    expect(stage.decided(request)).toEqual([{ ...committed, results: 'pending' }])
  })

  test('are pending for whoever comes again when too many are kept', async () => {
    const stage = Stage.leading({ maxResultsHeldBytes: 3 })
    const request = stage.ask(shots())
    stage.speak(p, voted(p, 'first'))
    stage.speak(q, voted(q, 'second'))
    await settled()
    expect(stage.decided(request)).toEqual([{ ...committed, results: [[value('first')], [value('second')]] }])
    expect(stage.decided(stage.ask(shots()))).toEqual([{ ...committed, results: 'pending' }])
  })
})

describe('who may decide (R3, R15)', () => {
  const other = ownerName('reporting')

  test.each([commit(), abort()])('nobody commits or aborts another owner his transaction: $type', async (message) => {
    const stage = Stage.leading()
    const request = stage.ask(message, { subject: on.group(group, other), inbox: on.inbox(other, inboxToken(1)) })
    await settled()
    expect(stage.answers(request)).toMatchObject([{ type: 'failure' }])
    expect([stage.leader.underway, stage.replica.proposed]).toEqual([0, []])
    expect(stage.take('prepare')).toEqual([])
  })

  test('nothing is decided for another group', async () => {
    const stage = Stage.leading()
    const foreign = commit(foreignId(1))
    expect(stage.answers(stage.ask(foreign))).toMatchObject([{ type: 'failure' }])
    expect(stage.leader.underway).toBe(0)
  })

  test.each([
    ['the inbox of another owner', on.inbox(other, inboxToken(1))],
    ['no inbox at all', 'verdict.v1.ctl.main'],
    ['a subject below an inbox', `${on.inbox(ownerName('checkout'), inboxToken(1))}.p.payments`],
    ['an inbox of another installation', 'other.v1.ans.checkout.aaaaaaaaaaaaaaaaaaaa'],
    ['nothing', ''],
  ])('a request that wants its answer at %s is neither answered nor acted upon', async (_, inbox) => {
    const stage = Stage.leading()
    stage.take('announce')
    stage.ask(commit(), { inbox })
    await settled()
    expect(stage.bus.sent).toEqual([])
    expect(stage.leader.underway).toBe(0)
    expect(stage.events).toMatchObject([{ kind: 'unusableMessage' }])
  })
})

describe('a one-shot that only read', () => {
  test('is recorded, since it may write when it is executed again (R10)', async () => {
    const stage = Stage.leading()
    const request = stage.ask(shots())
    for (const of of [p, q]) stage.speak(of, vote(of, readOnly(of), id(1), shots().list))
    await settled()
    expect(stage.decided(request)).toMatchObject([{ kind: 'committed', applied: true }])
    expect(stage.proposals('decide')).toHaveLength(1)
  })

  test('is not when each of its operations is declared to, and its values are told (R10)', async () => {
    const stage = Stage.leading()
    const request = stage.ask(shots())
    const read = (of: typeof p, text: string) => ({ ...readOnly(of), declared: true, results: [value(text)] })
    stage.speak(p, vote(p, read(p, 'first'), id(1), shots().list))
    stage.speak(q, vote(q, read(q, 'second'), id(1), shots().list))
    await settled()
    expect(stage.decided(request)).toEqual([{ kind: 'read-only', results: [[value('first')], [value('second')]] }])
    expect(stage.replica.proposed).toEqual([])
  })

  test('is when one of them is not', async () => {
    const stage = Stage.leading()
    stage.ask(shots())
    stage.speak(p, vote(p, { ...readOnly(p), declared: true }, id(1), shots().list))
    stage.speak(q, vote(q, readOnly(q), id(1), shots().list))
    await settled()
    expect(stage.proposals('decide')).toHaveLength(1)
  })
})

test('what a commit cost is told with its outcome', async () => {
  const stage = Stage.leading()
  const request = stage.ask(commit())
  await stage.clock.pass(5)
  for (const of of [p, q]) stage.speak(of, vote(of))
  await settled()
  expect(stage.answers(request)).toMatchObject([{ answer: { took: { messages: 4, votesMs: 5, logMs: 0 } } }])
})

test('a lone transaction is not decided here: commit and abort of one branch are refused (R9)', async () => {
  const stage = Stage.leading()
  const only = calledList(p)
  const requests = [stage.ask(commit(id(1), { list: only })), stage.ask(abort(id(1), only))]
  await settled()
  for (const request of requests) expect(stage.answers(request)).toMatchObject([{ code: 'malformed-message' }])
  expect(stage.replica.proposed).toEqual([])
  expect(stage.take('prepare')).toEqual([])
})

describe('one work for one transaction', () => {
  test('a repeated commit joins it, and each asker is told once', async () => {
    const stage = Stage.leading()
    const second = { inbox: on.inbox(ownerName('checkout'), inboxToken(2)), request: 70 }
    stage.ask(commit(), { request: 50 })
    stage.ask(commit(), { request: 50 })
    stage.ask(commit(), { request: 51 })
    stage.ask(commit(), second)
    expect(stage.take('prepare')).toHaveLength(2)
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    for (const request of [50, 51, 70]) expect(stage.decided(request)).toEqual([committed])
    expect(stage.proposals('decide')).toHaveLength(1)
  })

  test('another list waits, and is answered conflict once there is a record (R4)', async () => {
    const stage = Stage.leading()
    stage.ask(commit())
    const other = stage.ask(commit(id(1), { list: calledList(p, s) }))
    const otherAbort = stage.ask(abort(id(1), calledList(p, s)))
    await settled()
    expect([...stage.decided(other), ...stage.decided(otherAbort)]).toEqual([])
    expect(stage.take('prepare').map(({ message }) => message.list)).toEqual([list, list])
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    const conflict = { kind: 'conflict', recorded: sealed(id(1), list).digest, outcome: 'committed' }
    expect(stage.decided(other)).toEqual([conflict])
    expect(stage.decided(otherAbort)).toEqual([conflict])
  })

  test('read-only is told for the list that only read, and no other: the other has its own turn', async () => {
    const stage = Stage.leading()
    const own = stage.ask(commit())
    const others = calledList(p, s)
    const other = stage.ask(commit(id(1), { list: others }))
    stage.speak(p, vote(p, readOnly(p)))
    stage.speak(q, vote(q, readOnly(q)))
    expect(stage.decided(own)).toEqual([{ kind: 'read-only' }])
    expect(stage.decided(other)).toEqual([{ kind: 'pending' }])
    const again = stage.ask(commit(id(1), { list: others }))
    for (const of of [p, s]) stage.speak(of, vote(of, prepared(of), id(1), others))
    await settled()
    expect(stage.decided(again)).toEqual([committed])
  })

  test('a commit that finds a record is answered from it', async () => {
    const stage = Stage.leading({}, ({ replica }) => replica.record(decision(id(1), 'aborted')))
    const own = stage.ask(commit())
    const other = stage.ask(commit(id(1), { list: calledList(p, s) }))
    expect(stage.decided(own)).toMatchObject([{ kind: 'aborted' }])
    expect(stage.decided(other)).toMatchObject([{ kind: 'conflict', outcome: 'aborted' }])
    expect(stage.replica.proposed).toEqual([])
  })

  test('an abort that comes after the vote of all loses against the commit', async () => {
    const stage = Stage.leading()
    stage.replica.held = true
    stage.ask(commit())
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    const request = stage.ask(abort())
    stage.replica.release()
    await settled()
    expect(stage.decided(request)).toEqual([committed])
    expect(stage.proposals('decide')).toHaveLength(1)
  })

  test('the requests of a dead client keep nobody out', async () => {
    const stage = Stage.leading({ maxWaiters: 3 })
    const requests = [1, 2, 3, 4, 5].map(() => stage.ask(commit()))
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    expect(requests.map((request) => stage.decided(request).length)).toEqual([0, 0, 1, 1, 1])
  })
})

describe('limits', () => {
  test('beyond the number of transactions under way new ones are refused, and those under way go on', async () => {
    const stage = Stage.leading({ maxUnderway: 1 })
    const first = stage.ask(commit())
    const second = stage.ask(commit(id(2)))
    expect(stage.decided(second)).toMatchObject([{ kind: 'refused', reason: { code: 'overloaded', retryable: true } }])
    stage.ask(commit())
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    expect(stage.decided(first)).toEqual([committed])
    stage.ask(commit(id(2)))
    expect(stage.leader.underway).toBe(1)
  })

  test('beyond the bytes that are held new ones are refused, and there is room again when those end', async () => {
    const stage = Stage.leading({ maxUnderwayBytes: 200 })
    stage.ask(commit())
    for (let repeated = 0; repeated < 3; repeated += 1) stage.ask(commit())
    expect(stage.decided(stage.ask(commit(id(2))))).toMatchObject([{ kind: 'refused' }])
    stage.ask(abort())
    await settled()
    stage.ask(commit(id(2)))
    expect(stage.leader.underway).toBe(1)
  })

  test('a request that comes again and again is counted once', () => {
    const stage = Stage.leading({ maxUnderwayBytes: 4_000 })
    for (let repeated = 0; repeated < 40; repeated += 1) stage.ask(commit())
    expect(stage.decided(stage.ask(commit(id(2))))).toEqual([])
    expect(stage.leader.underway).toBe(2)
  })

  test('an epoch that the group has not reached is refused for good', () => {
    const stage = Stage.leading()
    expect(stage.decided(stage.ask(commit(id(1, { epoch: 2 }))))).toMatchObject([
      { kind: 'refused', reason: { code: reasonCodes.futureEpoch, retryable: false } },
    ])
    expect(stage.leader.underway).toBe(0)
  })
})

describe('a proposal that the log did not take', () => {
  test('leaves nothing behind: whoever waits is told to ask again, and asking again works', async () => {
    const stage = Stage.leading()
    stage.replica.refusal = new Error('The log is overloaded.')
    const first = stage.ask(commit())
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    expect(stage.decided(first)).toEqual([{ kind: 'pending' }])
    expect(stage.leader.underway).toBe(0)
    expect(stage.take('outcome')).toEqual([])
    stage.replica.refusal = undefined
    const second = stage.ask(commit())
    stage.speak(p, vote(p))
    stage.speak(q, vote(q))
    await settled()
    expect(stage.decided(second)).toEqual([committed])
  })
})
