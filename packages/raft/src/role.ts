import type { Effect } from './effect.ts'
import type { ReplicaId, Term } from './message.ts'
import { releaseSnapshots } from './snapshot-supply.ts'
import { createFollower, type Leader, leaderOf, type RaftState, type Role } from './state.ts'

/** Follows a leader, or nobody yet, in a term that is not below the present one. */
export function becomeFollower(
  state: RaftState,
  term: Term,
  leader: ReplicaId | undefined,
  why: string,
  effects: Effect[],
): void {
  if (term > state.hardState.term) enterTerm(state, term, undefined)
  changeRole(state, createFollower(leader, state.commitIndex), why, effects)
}

/** What was held back belongs to an older term, in which nobody waits for it any more. */
export function enterTerm(state: RaftState, term: Term, votedFor: ReplicaId | undefined): void {
  state.hardState = { term, votedFor }
  state.held = []
}

/** The one place where a role ends and another begins. */
export function changeRole(state: RaftState, role: Role, why: string, effects: Effect[]): void {
  const before = state.role
  const leaderBefore = leaderOf(state)
  state.role = role
  if (before.kind === 'leader') abdicate(before, why, effects)
  const leader = leaderOf(state)
  if (leader === leaderBefore) return
  effects.push({ kind: 'notice', event: { kind: 'leaderChanged', term: state.hardState.term, leader } })
}

function abdicate(leader: Leader, why: string, effects: Effect[]): void {
  if (leader.ready) effects.push({ kind: 'notice', event: { kind: 'lostLeadership', term: leader.term, why } })
  effects.push({ kind: 'proposalsUncertain' })
  releaseSnapshots(leader, effects)
  for (const { read } of leader.reads) effects.push({ kind: 'readRefused', read, why: 'notLeader' })
}
