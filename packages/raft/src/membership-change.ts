import type { ChangeRefusal, Effect } from './effect.ts'
import type { Event } from './event.ts'
import { lastIndexOf } from './log.ts'
import { changed, encodeMembership, isMember, type Membership, type MembershipChange } from './membership.ts'
import type { Entry, LogIndex } from './message.ts'
import { createProgress, type Progress } from './progress.ts'
import { majorityOf } from './quorum.ts'
import { appendOwn } from './replication.ts'
import { releaseSnapshot } from './snapshot-supply.ts'
import { type Leader, membershipOf, placedMembership, type RaftState, setMemberships } from './state.ts'
import { leave } from './transfer.ts'

/**
 * Puts a change of the membership into the log, or says why not. One change at a time, and none before an entry of the leader's own
 * term is committed: else two leaders could each change what the other has not seen (dissertation, section 4.1, and its
 * author's correction of 2015).
 */
export function proposeChange(
  state: RaftState,
  event: Event & { readonly kind: 'changeProposed' },
  effects: Effect[],
): void {
  const { role } = state
  const { proposal, change } = event
  const next = nextMembership(state, change)
  if (role.kind !== 'leader' || typeof next === 'string') {
    const why = typeof next === 'string' ? next : 'notLeader'
    effects.push({ kind: 'changeRefused', proposal, why })
    return
  }
  const entry = appendOwn(state, role, 'members', encodeMembership(next))
  adopt(state, entry)
  effects.push({ kind: 'changeTaken', proposal, index: entry.index })
}

function nextMembership(state: RaftState, change: MembershipChange): Membership | ChangeRefusal {
  const { role } = state
  if (role.kind !== 'leader' || state.transfer !== undefined) return 'notLeader'
  if (state.memberships.length > 1) return 'changeUnderWay'
  if (state.commitIndex < role.noopIndex) return 'termNotOpen'
  const next = changed(membershipOf(state), change)
  if (typeof next === 'string') return next
  if (change.kind === 'promote' && !isCaughtUp(state, role.followers.get(change.replica))) return 'notCaughtUp'
  return changesVoters(change, state) && !isAlive(state, role, next) ? 'tooFewAlive' : next
}

/** A learner that votes before it has the log would hold up every commitment (dissertation, section 4.2.1). */
function isCaughtUp({ log, settings }: RaftState, progress: Progress | undefined): boolean {
  if (progress === undefined || progress.mode !== 'replicate') return false
  return lastIndexOf(log) - progress.matchIndex <= settings.maxPromotionLag
}

function changesVoters({ kind, replica }: MembershipChange, state: RaftState): boolean {
  return kind !== 'addLearner' && (kind === 'promote' || membershipOf(state).voters.includes(replica))
}

/** Whether a majority of the next voters answers now: without one the change itself could never be committed, nor undone. */
function isAlive(state: RaftState, { followers }: Leader, { voters }: Membership): boolean {
  const alive = voters.filter((voter) => {
    const silentMs = voter === state.id ? 0 : followers.get(voter)?.silentMs
    return silentMs !== undefined && silentMs < state.settings.electionTimeoutMinMs
  })
  return alive.length >= majorityOf(voters.length)
}

/** A membership counts from the moment that its entry is in the log, committed or not (dissertation, section 4.1). */
export function adopt(state: RaftState, entry: Entry): void {
  setMemberships(state, [...state.memberships, placedMembership(entry)])
  if (state.role.kind === 'leader') enlist(state, state.role)
}

/** Entries from `index` on are cut off, and what they brought counts no more. */
export function rollBack(state: RaftState, index: LogIndex): void {
  if (membershipOf(state).index < index) return
  setMemberships(
    state,
    state.memberships.filter((membership) => membership.index < index),
  )
}

/** A leader speaks to all members; to those that leave, until they had the time to learn that they did. */
export function enlist(state: RaftState, { followers }: Leader): void {
  const { voters } = membershipOf(state)
  for (const peer of state.peers) {
    const progress = followers.get(peer) ?? createProgress(lastIndexOf(state.log))
    progress.votes = voters.includes(peer)
    progress.leavingMs = undefined
    followers.set(peer, progress)
  }
  for (const [id, progress] of followers) {
    if (state.peers.includes(id)) continue
    progress.votes = false
    progress.leavingMs ??= 0
  }
}

/** Time went by: whoever left has heard of it by now, or never will from this leader. */
export function dismiss(state: RaftState, elapsedMs: number, effects: Effect[]): void {
  if (state.role.kind !== 'leader' || state.memberships.length > 1) return
  const { followers } = state.role
  for (const [id, progress] of followers) {
    if (progress.leavingMs === undefined) continue
    progress.leavingMs += elapsedMs
    if (progress.leavingMs < state.settings.electionTimeoutMinMs) continue
    followers.delete(id)
    releaseSnapshot(id, progress, effects)
  }
}

/** Memberships that are committed and applied now are for good. */
export function settleMemberships(state: RaftState, effects: Effect[]): void {
  for (;;) {
    const [before, settled] = state.memberships
    if (before === undefined || settled === undefined || settled.index > state.appliedIndex) return
    state.memberships = state.memberships.slice(1)
    effects.push({ kind: 'notice', event: { kind: 'membershipChanged', ...settled } })
    if (!isMember(before, state.id) || isMember(settled, state.id)) continue
    effects.push({ kind: 'notice', event: { kind: 'removed', index: settled.index } })
    leave(state, effects)
  }
}
