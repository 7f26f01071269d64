import type { Effect, TransferOutcome } from './effect.ts'
import type { Event } from './event.ts'
import { lastIndexOf } from './log.ts'
import type { ReplicaId, TimeoutNow } from './message.ts'
import { becomeFollower } from './role.ts'
import { type Leader, type RaftState, send } from './state.ts'

/** Begins to hand the leadership over, or says why not (dissertation, section 3.10). From now on no proposal is taken. */
export function askTransfer(
  state: RaftState,
  event: Event & { readonly kind: 'transferAsked' },
  effects: Effect[],
): void {
  const { transfer } = event
  const to = targetOf(state, event.to)
  if ('outcome' in to) effects.push({ kind: 'transferEnded', transfer, outcome: to.outcome })
  else state.transfer = { transfer, to: to.target, elapsedMs: 0, sinceSentMs: undefined }
}

function targetOf(
  state: RaftState,
  wanted: ReplicaId | undefined,
): { readonly target: ReplicaId } | { readonly outcome: TransferOutcome } {
  const { role, transfer, settings } = state
  if (role.kind !== 'leader') return { outcome: 'notLeader' }
  if (transfer !== undefined) return { outcome: 'underWay' }
  const target = wanted ?? mostCaughtUp(state, role)
  if (target === state.id) return { outcome: 'done' }
  const progress = target === undefined ? undefined : role.followers.get(target)
  if (target === undefined || progress?.votes !== true) return { outcome: 'noVoter' }
  return progress.silentMs < settings.electionTimeoutMinMs ? { target } : { outcome: 'unreachable' }
}

/** A leader that is no longer a member hands over to whoever has most, and waits no longer than for any transfer. */
export function leave(state: RaftState, effects: Effect[]): void {
  const { role } = state
  if (role.kind !== 'leader') return
  endTransfer(state, 'notLeader', effects)
  const to = mostCaughtUp(state, role)
  if (to === undefined) becomeFollower(state, role.term, undefined, 'it was removed from the group', effects)
  else state.transfer = { transfer: undefined, to, elapsedMs: 0, sinceSentMs: undefined }
}

/**
 * Tells the target to stand at once, when it has the whole log. All of it is committed then too: what was proposed here has been
 * answered, so that none of it becomes uncertain.
 */
export function handOver(state: RaftState, effects: Effect[]): void {
  const { role, transfer, log } = state
  if (role.kind !== 'leader' || transfer === undefined || transfer.sinceSentMs !== undefined) return
  const lastIndex = lastIndexOf(log)
  if (role.followers.get(transfer.to)?.matchIndex !== lastIndex || state.appliedIndex !== lastIndex) return
  transfer.sinceSentMs = 0
  send(state, transfer.to, { kind: 'timeoutNow', term: role.term }, effects)
}

/** Time went by: the word to the target may be lost, or the target is dead or too slow. Then this replica leads on. */
export function waitForTransfer(state: RaftState, elapsedMs: number, effects: Effect[]): void {
  const { transfer, role, settings } = state
  if (transfer === undefined) return
  transfer.elapsedMs += elapsedMs
  if (transfer.elapsedMs >= settings.electionTimeoutMinMs) {
    endTransfer(state, 'timedOut', effects)
    if (role.kind === 'leader' && transfer.transfer === undefined)
      becomeFollower(state, role.term, undefined, 'it was removed from the group', effects)
  } else if (transfer.sinceSentMs !== undefined) {
    transfer.sinceSentMs += elapsedMs
    if (transfer.sinceSentMs >= settings.heartbeatMs) transfer.sinceSentMs = undefined
  }
}

/** Whether the leader's word is for whoever follows it now and may stand. */
export function mayStandAtOnce(state: RaftState, from: ReplicaId, { term }: TimeoutNow): boolean {
  const { role, hardState, isVoter } = state
  return isVoter && role.kind === 'follower' && role.leader === from && term === hardState.term
}

/** Another leader is heard: what was being handed over is in its hands, or in somebody's. */
export function tookOver(state: RaftState, leader: ReplicaId, effects: Effect[]): void {
  if (state.transfer === undefined) return
  effects.push({ kind: 'notice', event: { kind: 'transferred', term: state.hardState.term, leader } })
  endTransfer(state, 'done', effects)
}

export function endTransfer(state: RaftState, outcome: TransferOutcome, effects: Effect[]): void {
  const { transfer } = state
  if (transfer === undefined) return
  state.transfer = undefined
  if (transfer.transfer !== undefined) effects.push({ kind: 'transferEnded', transfer: transfer.transfer, outcome })
}

function mostCaughtUp({ settings }: RaftState, { followers }: Leader): ReplicaId | undefined {
  const [first] = [...followers]
    .filter(([, { votes, silentMs }]) => votes && silentMs < settings.electionTimeoutMinMs)
    .toSorted(([, one], [, other]) => other.matchIndex - one.matchIndex)
  return first?.[0]
}
