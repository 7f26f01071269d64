import { reasonCodes, sealList } from '@verdict/protocol'
import { describe, expect, test } from 'vitest'
import { advanceCommit, type CommitEffect, type CommitEvent, wakeAtMs } from '../src/commit.ts'
import { type Commit, newCommit } from '../src/commit-state.ts'
import {
  calledList,
  id,
  instance,
  oneShot,
  operations,
  otherDigest,
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

const timing = { resendMs: 500, maxResendMs: 5_000 }
const pair = sealed(id(1), calledList(p, q))
const shots = sealed(id(1), sealList([oneShot(p), oneShot(q)]))
const noTrace = { trace: undefined }
const refusal = { code: 'client-aborted', message: 'Given up.', retryable: true }

/** A commit with its clock: every event at the time that `at` set. */
class Desk {
  readonly commit: Commit
  private nowMs = 0

  constructor(kept = false) {
    this.commit = newCommit(id(1), kept)
  }

  at(nowMs: number): this {
    this.nowMs = nowMs
    return this
  }

  on(event: CommitEvent): CommitEffect[] {
    return advanceCommit(this.commit, event, this.nowMs, timing)
  }

  ask(what = pair, endsAtMs = 10_000): CommitEffect[] {
    return this.on({ kind: 'asked', sealed: what, endsAtMs, begunAtMs: 0, ...noTrace })
  }

  abort(what = pair): CommitEffect[] {
    return this.on({ kind: 'abortAsked', sealed: what, reason: refusal, ...noTrace })
  }

  vote(of: typeof p, vote = prepared(of), digest = this.commit.sealed?.digest ?? pair.digest): CommitEffect[] {
    return this.on({ kind: 'voted', participant: of, digest, vote })
  }

  hold(of: typeof p, what: typeof pair | undefined, digest = pair.digest): CommitEffect[] {
    const holder = { participant: of, digest, token: token(of) }
    return this.on({ kind: 'held', holder, list: what?.list, endsAtMs: 5_000, ...noTrace })
  }

  unreachable(of: typeof p, at = instance(of)): CommitEffect[] {
    return this.on({ kind: 'unreachable', participant: of, instance: at })
  }

  wake(): CommitEffect[] {
    return this.on({ kind: 'woke' })
  }
}

function asked(desk: Desk = new Desk(), what = pair): Desk {
  desk.ask(what)
  return desk
}

const prepareTo = (of: typeof p, at: ReturnType<typeof instance> | undefined): CommitEffect => ({
  kind: 'prepare',
  participant: of,
  instance: at,
  operations: undefined,
})

function proposed(effects: readonly CommitEffect[]): Extract<CommitEffect, { kind: 'propose' }>['decision'] {
  const [effect, ...rest] = effects
  if (effect?.kind !== 'propose' || rest.length > 0)
    throw new Error(`expected one proposal: ${JSON.stringify(effects)}`)
  return effect.decision
}

describe('from list to decision', () => {
  test('a commit asks every branch at its instance, and proposes committed when all have voted prepared', () => {
    const desk = new Desk()
    expect(desk.ask()).toEqual([prepareTo(p, instance(p)), prepareTo(q, instance(q))])
    expect(desk.vote(p)).toEqual([])
    expect(proposed(desk.vote(q))).toEqual({
      id: id(1),
      outcome: 'committed',
      digest: pair.digest,
      branches: [
        { participant: p, vote: 'prepared', instance: instance(p), token: token(p) },
        { participant: q, vote: 'prepared', instance: instance(q), token: token(q) },
      ],
      actor: { kind: 'owner' },
    })
  })

  test('one refusal proposes aborted at once, with whose reason it is and the votes so far', () => {
    const desk = asked()
    desk.vote(p)
    expect(proposed(desk.vote(q, refused(q)))).toMatchObject({
      outcome: 'aborted',
      reason: { code: 'insufficient-funds', participant: q },
      branches: [{ vote: 'prepared' }, { vote: 'refused', instance: instance(q) }],
    })
  })

  test('a decision is proposed once: nothing that comes later proposes again', () => {
    const desk = asked()
    desk.vote(p)
    proposed(desk.vote(q))
    const later = [desk.vote(q, refused(q)), desk.abort(), desk.ask(), desk.at(99_999).wake(), desk.hold(p, pair)]
    expect(later.flat()).toEqual([])
    expect(wakeAtMs(desk.commit)).toBeUndefined()
  })

  test('a repeated request changes nothing', () => {
    const desk = asked()
    expect(desk.at(100).ask(pair, 99_999)).toEqual([])
    expect(desk.commit.endsAtMs).toBe(10_000)
  })

  test('silent branches are asked again with growing pauses, at the named instance and at any in turn', () => {
    const desk = asked()
    desk.vote(q)
    const rounds: unknown[] = []
    for (let round = 0; round < 4; round += 1) {
      const atMs = wakeAtMs(desk.commit) ?? 0
      rounds.push([atMs, ...desk.at(atMs).wake()])
    }
    expect(rounds).toEqual([
      [500, prepareTo(p, undefined)],
      [1_500, prepareTo(p, instance(p))],
      [3_500, prepareTo(p, undefined)],
      [7_500, prepareTo(p, instance(p))],
    ])
    expect(wakeAtMs(desk.commit)).toBe(10_000)
  })

  test('a spent budget proposes aborted and names the silent ones', () => {
    const desk = asked()
    desk.vote(p)
    const decision = proposed(desk.at(10_000).wake())
    expect(decision).toMatchObject({ outcome: 'aborted', reason: { code: reasonCodes.budgetSpent, retryable: true } })
    expect(decision.reason?.message).toContain(q)
    expect(decision.reason?.message).not.toContain(p)
  })

  test('a budget of nothing is spent at once, not never', () => {
    const desk = new Desk().at(7)
    desk.ask(pair, 7)
    expect(wakeAtMs(desk.commit)).toBe(7)
    expect(proposed(desk.wake())).toMatchObject({ outcome: 'aborted' })
  })

  test('the owner may abort what it asked to commit', () => {
    const desk = asked()
    desk.vote(p)
    expect(proposed(desk.abort())).toMatchObject({ outcome: 'aborted', reason: refusal, actor: { kind: 'owner' } })
  })

  test('an abort for an id that nobody knows records the sealed list (R3)', () => {
    expect(proposed(new Desk().abort())).toMatchObject({
      outcome: 'aborted',
      digest: pair.digest,
      branches: [
        { participant: p, vote: 'unknown', instance: instance(p), token: token(p) },
        { participant: q, vote: 'unknown', instance: instance(q), token: token(q) },
      ],
    })
  })
})

describe('R4: a vote counts only for its own list', () => {
  test('a vote with another digest is nothing, be it good or bad', () => {
    const desk = asked()
    expect(desk.vote(p, prepared(p), otherDigest(id(1)))).toEqual([])
    expect(desk.vote(p, refused(p), otherDigest(id(1)))).toEqual([])
    expect(desk.commit.branches.map(({ vote }) => vote)).toEqual(['awaited', 'awaited'])
  })

  test('a vote of a participant that is not listed is nothing', () => {
    expect(asked().vote(s, refused(s))).toEqual([])
  })

  test('a request under another list neither asks nor aborts: it waits for the record', () => {
    const desk = asked()
    const other = sealed(id(1), calledList(p, s))
    expect([...desk.ask(other), ...desk.abort(other)]).toEqual([])
    desk.vote(p)
    expect(proposed(desk.vote(q))).toMatchObject({ outcome: 'committed', digest: pair.digest })
  })
})

describe('R5: a vote counts only for the opening that the list names', () => {
  test.each([prepared(p, { token: token(p, 1) }), { ...readOnly(p), token: token(p, 1) }])('%o is nothing', (vote) => {
    const desk = asked()
    expect(desk.vote(p, vote)).toEqual([])
    expect(desk.vote(q)).toEqual([])
  })

  test('the first vote of a branch stays', () => {
    const desk = asked()
    desk.vote(p)
    expect(desk.vote(p, refused(p))).toEqual([])
    expect(desk.vote(p, readOnly(p))).toEqual([])
    expect(proposed(desk.vote(q))).toMatchObject({ outcome: 'committed', branches: [{ vote: 'prepared' }, {}] })
  })

  test('a one-shot keeps token, instance and results of the first vote', () => {
    const desk = asked(new Desk(), shots)
    desk.vote(p, prepared(p, { token: token(p, 7), results: [value('first')] }))
    desk.vote(p, prepared(p, { token: token(p, 8), results: [value('second')] }))
    expect(proposed(desk.vote(q))).toMatchObject({ branches: [{ token: token(p, 7) }, {}] })
    expect(desk.commit.branches[0]?.results).toEqual([value('first')])
  })

  test('a one-shot is asked with its own operations', () => {
    expect(new Desk().ask(shots)).toMatchObject([
      { participant: p, instance: undefined, operations },
      { participant: q, instance: undefined, operations },
    ])
  })

  test('busy is no vote', () => {
    const desk = asked()
    const busy = { kind: 'busy', instance: instance(p, 1), found: 'underway' } as const
    expect(desk.vote(p, busy)).toEqual([])
    expect(desk.vote(p)).toEqual([])
    expect(proposed(desk.vote(q))).toMatchObject({ outcome: 'committed' })
  })
})

describe('R5: a branch that died with its instance is given up early, and no other', () => {
  const nothing = (number: number): ReturnType<typeof prepared> => ({
    kind: 'busy',
    instance: instance(p, number),
    found: 'nothing',
  })

  test('when the named instance did not listen and another one, asked at once, found nothing', () => {
    const desk = asked()
    expect(desk.unreachable(p)).toEqual([prepareTo(p, undefined)])
    expect(proposed(desk.vote(p, nothing(1)))).toMatchObject({
      outcome: 'aborted',
      reason: { code: reasonCodes.instanceGone, participant: p },
    })
  })

  test('not before the named instance was seen to be gone: it is asked at once, and that changes no pause', () => {
    const desk = asked()
    const wakesAtMs = wakeAtMs(desk.commit)
    expect(desk.vote(p, nothing(1))).toEqual([prepareTo(p, instance(p, 0))])
    expect(wakeAtMs(desk.commit)).toBe(wakesAtMs)
    expect(desk.unreachable(p)).toEqual([prepareTo(p, undefined)])
    expect(proposed(desk.vote(p, nothing(1)))).toMatchObject({ outcome: 'aborted' })
  })

  test('not when the named instance itself answers', () => {
    const desk = asked()
    desk.unreachable(p)
    expect(desk.vote(p, nothing(0))).toEqual([])
  })

  test('not when the other one finds something under way', () => {
    const desk = asked()
    desk.unreachable(p)
    expect(desk.vote(p, { kind: 'busy', instance: instance(p, 1), found: 'underway' })).toEqual([])
  })

  test('not for a one-shot, which any instance may open', () => {
    const desk = asked(new Desk(), shots)
    desk.on({ kind: 'unreachable', participant: p, instance: undefined })
    expect(desk.vote(p, nothing(1))).toEqual([])
  })

  test('nobody listening at another or at no named instance is no sign; the hint twice asks once', () => {
    const desk = asked()
    expect(desk.unreachable(p, instance(p, 1))).toEqual([])
    expect(desk.on({ kind: 'unreachable', participant: p, instance: undefined })).toEqual([])
    expect(desk.unreachable(p)).toHaveLength(1)
    expect(desk.unreachable(p)).toEqual([])
  })

  test('from then on only any instance is asked', () => {
    const desk = asked()
    desk.unreachable(p)
    desk.vote(q)
    for (let round = 0; round < 3; round += 1)
      expect(desk.at(wakeAtMs(desk.commit) ?? 0).wake()).toEqual([prepareTo(p, undefined)])
  })
})

describe('R5: a resend must not kill a healthy one-shot', () => {
  const lockTimeout = refused(p, reasonCodes.lockTimeout)

  test('a copy that waited in vain for the locks of another copy is no refusal', () => {
    const desk = asked(new Desk(), shots)
    desk.at(500).wake()
    expect(desk.vote(p, lockTimeout)).toEqual([])
    desk.vote(p)
    expect(proposed(desk.vote(q))).toMatchObject({ outcome: 'committed' })
  })

  test('it is one when every copy waited in vain', () => {
    const desk = asked(new Desk(), shots)
    desk.at(500).wake()
    desk.vote(p, lockTimeout)
    expect(proposed(desk.vote(p, { ...lockTimeout, instance: instance(q) }))).toMatchObject({ outcome: 'aborted' })
  })

  test('it is one when the same instance says so again, though more copies were sent: they met there', () => {
    const desk = asked(new Desk(), shots)
    desk.at(500).wake()
    desk.at(1_500).wake()
    expect(desk.vote(p, lockTimeout)).toEqual([])
    expect(proposed(desk.vote(p, lockTimeout))).toMatchObject({ outcome: 'aborted' })
  })

  test('it is one when only one copy was sent', () => {
    expect(proposed(asked(new Desk(), shots).vote(p, lockTimeout))).toMatchObject({ outcome: 'aborted' })
  })

  test('another reason refuses, however many copies were sent', () => {
    const desk = asked(new Desk(), shots)
    desk.at(500).wake()
    expect(proposed(desk.vote(p, refused(p)))).toMatchObject({ outcome: 'aborted' })
  })

  test('a called branch is not run again, so its lock time-out refuses', () => {
    const desk = asked()
    desk.at(500).wake()
    expect(proposed(desk.vote(p, lockTimeout))).toMatchObject({ outcome: 'aborted' })
  })
})

describe('R10, R17: what only read', () => {
  test('nothing is proposed when every called branch only read', () => {
    const desk = asked()
    desk.vote(p, readOnly(p))
    expect(desk.vote(q, readOnly(q))).toEqual([{ kind: 'readOnly' }])
    expect(desk.abort()).toEqual([])
  })

  test('one branch that wrote has all of them recorded', () => {
    const desk = asked()
    desk.vote(p, readOnly(p))
    expect(proposed(desk.vote(q))).toMatchObject({
      outcome: 'committed',
      branches: [{ vote: 'read-only', token: token(p) }, { vote: 'prepared' }],
    })
  })

  test('a one-shot is recorded: executed again it may write', () => {
    const desk = asked(new Desk(), shots)
    desk.vote(p, readOnly(p))
    expect(proposed(desk.vote(q, readOnly(q)))).toMatchObject({ outcome: 'committed' })
  })

  test('an id of the caller is always recorded', () => {
    const desk = asked(new Desk(true))
    desk.vote(p, readOnly(p))
    expect(proposed(desk.vote(q, readOnly(q)))).toMatchObject({ outcome: 'committed' })
  })
})

describe('R6: taking up', () => {
  test('with the list of a holder: all are asked, and the votes decide as for a commit', () => {
    const desk = new Desk()
    expect(desk.hold(p, pair)).toEqual([prepareTo(p, instance(p)), prepareTo(q, instance(q))])
    desk.vote(p)
    expect(proposed(desk.vote(q))).toMatchObject({ outcome: 'committed', actor: { kind: 'holder', participant: p } })
  })

  test('without a list: nobody is asked and nothing is proposed until the budget is spent', () => {
    const desk = new Desk()
    expect(desk.hold(p, undefined)).toEqual([])
    expect(desk.vote(p)).toEqual([])
    expect(wakeAtMs(desk.commit)).toBe(5_000)
    expect(desk.at(4_999).wake()).toEqual([])
    expect(proposed(desk.at(5_000).wake())).toEqual({
      id: id(1),
      outcome: 'aborted',
      digest: pair.digest,
      branches: [{ participant: p, vote: 'unknown', token: token(p) }],
      actor: { kind: 'holder', participant: p },
      reason: expect.objectContaining({ code: reasonCodes.listLost }),
    })
  })

  test('a holder that asks again does not put the end off', () => {
    const desk = new Desk()
    desk.hold(p, undefined)
    desk.at(4_000).on({
      kind: 'held',
      holder: { participant: p, digest: pair.digest, token: token(p) },
      list: undefined,
      endsAtMs: 9_000,
      ...noTrace,
    })
    expect(wakeAtMs(desk.commit)).toBe(5_000)
  })

  test('the list comes from another holder, or from the owner', () => {
    for (const bring of [(desk: Desk) => desk.hold(q, pair), (desk: Desk) => desk.ask()]) {
      const desk = new Desk()
      desk.hold(p, undefined)
      expect(bring(desk)).toHaveLength(2)
      desk.vote(p)
      expect(proposed(desk.vote(q))).toMatchObject({ outcome: 'committed' })
    }
  })

  test('the owner that comes back brings its own budget, and the operations', () => {
    const desk = new Desk()
    desk.hold(p, shots, shots.digest)
    desk.vote(p)
    expect(desk.at(100).ask(shots, 9_000)).toMatchObject([{ participant: q, operations }])
    expect(desk.commit.endsAtMs).toBe(9_000)
    expect(proposed(desk.vote(q))).toMatchObject({ outcome: 'committed', actor: { kind: 'owner' } })
  })

  test('a holder changes nothing of what is under way', () => {
    const desk = asked()
    expect(desk.hold(s, sealed(id(1), calledList(p, s)), otherDigest(id(1)))).toEqual([])
    expect(desk.commit).toMatchObject({ actor: { kind: 'owner' }, endsAtMs: 10_000, sealed: { digest: pair.digest } })
  })
})
