import { type Decision, isLone, type ParticipantName, parseId, sealList } from '@verdict/protocol'
import type { LogIndex } from '@verdict/raft'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { encodeCommand } from '../src/command.ts'
import { advanceCommit, type CommitEvent, wakeAtMs } from '../src/commit.ts'
import { newCommit } from '../src/commit-state.ts'
import { decisions } from '../src/decisions.ts'
import { MemorySpace } from './memory-space.ts'
import { calledList, id, instance, oneShot, p, prepared, q, readOnly, refused, s, sealed, token } from './samples.ts'

const timing = { resendMs: 500, maxResendMs: 5_000 }
const lists = [calledList(p, q), calledList(p, s), calledList(p), sealList([oneShot(p), oneShot(q)])]

/** Everything that can happen to a commit, honest or not: votes of anybody for any list and opening, in any order. */
function events(of: ReturnType<typeof id>): fc.Arbitrary<CommitEvent> {
  const someone = fc.constantFrom(p, q, s)
  // A group is asked about no lone transaction (rule R9).
  const what = fc.constantFrom(...lists.filter((list) => !isLone(of, list)).map((list) => sealed(of, list)))
  const vote = fc
    .tuple(someone, fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 1 }))
    .map(([from, kind, place]) => {
      const opening = { token: token(from, place), instance: instance(from, place) }
      const votes = [
        prepared(from, opening),
        { ...readOnly(from), ...opening },
        { ...readOnly(from), ...opening, declared: true },
        refused(from),
        { kind: 'busy', instance: instance(from, place), found: 'nothing' } as const,
      ]
      return { from, vote: votes[kind] ?? refused(from) }
    })
  const trace = { trace: undefined }
  return fc.oneof(
    {
      weight: 6,
      arbitrary: fc.tuple(vote, what).map(([{ from, vote: cast }, { digest }]) => ({
        kind: 'voted' as const,
        participant: from,
        digest,
        vote: cast,
      })),
    },
    {
      weight: 2,
      arbitrary: what.map((asked) => ({
        kind: 'asked' as const,
        sealed: asked,
        endsAtMs: 3_000,
        begunAtMs: 0,
        ...trace,
      })),
    },
    what.map((asked) => ({
      kind: 'abortAsked' as const,
      sealed: asked,
      reason: { code: 'client-aborted', message: '', retryable: true },
      ...trace,
    })),
    fc.tuple(someone, what, fc.boolean()).map(([from, { digest, list }, hasList]) => ({
      kind: 'held' as const,
      holder: { participant: from, digest, token: token(from) },
      list: hasList ? list : undefined,
      endsAtMs: 2_000,
      ...trace,
    })),
    fc.tuple(someone, fc.boolean()).map(([from, named]) => ({
      kind: 'unreachable' as const,
      participant: from,
      instance: named ? instance(from) : undefined,
    })),
    fc.constant({ kind: 'woke' as const }),
  )
}

const histories = fc.constantFrom(id(1), id(2, { mark: 'kept' })).chain((of) =>
  fc.record({
    of: fc.constant(of),
    steps: fc.array(fc.tuple(events(of), fc.integer({ min: 0, max: 600 })), { maxLength: 40 }),
  }),
)

interface Run {
  readonly proposals: Omit<Decision, 'decidedAtMs'>[]
  readonly answeredReadOnly: boolean
  /** Good votes that were cast for the list under way, by participant, with the token. */
  readonly good: ReadonlyMap<ParticipantName, readonly string[]>
}

function run({ of, steps }: { of: ReturnType<typeof id>; steps: [CommitEvent, number][] }): Run {
  const commit = newCommit(of, parseId(of).mark === 'kept')
  const proposals: Omit<Decision, 'decidedAtMs'>[] = []
  const good = new Map<ParticipantName, string[]>()
  let answeredReadOnly = false
  let nowMs = 0
  for (const [event, pauseMs] of steps) {
    nowMs += pauseMs
    if (event.kind === 'voted' && event.digest === commit.sealed?.digest && 'token' in event.vote) {
      good.set(event.participant, [...(good.get(event.participant) ?? []), event.vote.token])
    }
    for (const effect of advanceCommit(commit, event, nowMs, timing)) {
      if (effect.kind === 'propose') proposals.push(effect.decision)
      if (effect.kind === 'readOnly') answeredReadOnly = true
    }
    const hasBegun = commit.sealed !== undefined || commit.holder !== undefined
    if (hasBegun && commit.stage !== 'deciding') expect(wakeAtMs(commit)).toBeLessThanOrEqual(commit.endsAtMs)
  }
  return { proposals, answeredReadOnly, good }
}

test('a commit decides at most once', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { proposals, answeredReadOnly } = run(history)
      expect(proposals.length + (answeredReadOnly ? 1 : 0)).toBeLessThanOrEqual(1)
    }),
    { numRuns: 1000 },
  )
})

test('committed is proposed only with a good vote of each branch, for this list and with the opening that is recorded', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { proposals, good } = run(history)
      for (const { outcome, branches } of proposals) {
        if (outcome !== 'committed') continue
        for (const { participant, vote, token: opening } of branches) {
          expect(['prepared', 'read-only']).toContain(vote)
          expect(good.get(participant)).toContain(opening)
        }
      }
    }),
    { numRuns: 1000 },
  )
})

test('committed names every branch of the list that its digest binds', () => {
  fc.assert(
    fc.property(histories, (history) => {
      for (const { outcome, digest, branches } of run(history).proposals) {
        if (outcome !== 'committed') continue
        const list = lists.find((one) => sealed(history.of, one).digest === digest)
        expect(branches.map(({ participant }) => participant)).toEqual(list?.map(({ participant }) => participant))
      }
    }),
    { numRuns: 1000 },
  )
})

test('whatever is proposed is well formed, and an id of the caller is never answered without a record', () => {
  fc.assert(
    fc.property(histories, (history) => {
      const { proposals, answeredReadOnly } = run(history)
      if (parseId(history.of).mark === 'kept') expect(answeredReadOnly).toBe(false)
      for (const proposal of proposals) {
        const command = encodeCommand({ kind: 'decide', decision: { ...proposal, decidedAtMs: 0 } })
        expect(decisions.apply(new MemorySpace(), 1 as LogIndex, command)).toMatchObject({ kind: 'recorded' })
      }
    }),
    { numRuns: 500 },
  )
})

test('a commit that has begun ends: woken whenever it asks, it decides by the end of its budget', () => {
  fc.assert(
    fc.property(histories, ({ of, steps }) => {
      const commit = newCommit(of, false)
      for (const [event] of steps) advanceCommit(commit, event, 0, timing)
      if (commit.sealed === undefined && commit.holder === undefined) return
      let wakes = 0
      for (let atMs = wakeAtMs(commit); atMs !== undefined; atMs = wakeAtMs(commit)) {
        advanceCommit(commit, { kind: 'woke' }, atMs, timing)
        wakes += 1
        expect(wakes).toBeLessThan(20)
      }
      expect(commit.stage).toBe('deciding')
    }),
    { numRuns: 500 },
  )
})
