import { maxBranches, maxTextLength, sealList } from '@verdict/protocol'
import { expect, test } from 'vitest'
import { advanceCommit } from '../src/commit.ts'
import { newCommit } from '../src/commit-state.ts'
import { called, id, participant, sealed } from './samples.ts'

test('the reason of the largest transaction is no longer than a reason may be', () => {
  const names = Array.from({ length: maxBranches }, (_, number) => participant(`${'p'.repeat(26)}-${100 + number}`))
  const all = sealed(id(1), sealList(names.map((name) => called(name))))
  const timing = { resendMs: 500, maxResendMs: 5_000 }
  const commit = newCommit(id(1), false)
  advanceCommit(commit, { kind: 'asked', sealed: all, endsAtMs: 10, begunAtMs: 0, trace: undefined }, 0, timing)
  const [effect] = advanceCommit(commit, { kind: 'woke' }, 10, timing)
  const length = effect?.kind === 'propose' ? effect.decision.reason?.message.length : undefined
  expect(length).toBeGreaterThan(0)
  expect(length).toBeLessThanOrEqual(maxTextLength)
})
