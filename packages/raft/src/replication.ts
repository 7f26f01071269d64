import { disbelieve } from './disbelief.ts'
import type { Effect } from './effect.ts'
import type { Event } from './event.ts'
import { entryBytes, lastIndexOf, lastPossibleMatch, plus, push, slice, termAt, within } from './log.ts'
import type {
  AppendRefusal,
  AppendReply,
  Entry,
  HeartbeatReply,
  LogIndex,
  ReplicaId,
  SnapshotReply,
  Term,
} from './message.ts'
import { acknowledged, hasRoom, type Progress, probeFrom, refused, sent, sentIndexOf } from './progress.ts'
import { reachedByVoters } from './quorum.ts'
import { continueSnapshot, finishSnapshot, readNextChunk } from './snapshot-supply.ts'
import { type Leader, type RaftState, send } from './state.ts'

/** Puts a command into the log, or refuses it at once. */
export function propose(state: RaftState, event: Event & { readonly kind: 'proposed' }, effects: Effect[]): void {
  const { role, log, settings } = state
  const { proposal, command } = event
  if (role.kind !== 'leader' || state.transfer !== undefined) {
    effects.push({ kind: 'proposalRefused', proposal, why: 'notLeader' })
    return
  }
  if (lastIndexOf(log) - state.commitIndex >= settings.maxUncommittedEntries) {
    effects.push({ kind: 'proposalRefused', proposal, why: 'maxUncommittedEntries' })
    return
  }
  if (role.uncommittedBytes >= settings.maxUncommittedBytes) {
    effects.push({ kind: 'proposalRefused', proposal, why: 'maxUncommittedBytes' })
    return
  }
  const { term, index } = appendOwn(state, role, 'command', command)
  effects.push({ kind: 'proposalTaken', proposal, term, index })
}

/** Puts an entry of the leader's own at the end of its log. */
export function appendOwn({ log }: RaftState, role: Leader, kind: 'command' | 'members', command: Uint8Array): Entry {
  const entry: Entry = { term: role.term, index: plus(lastIndexOf(log), 1), kind, command }
  push(log, entry)
  role.uncommittedBytes += entryBytes(entry)
  return entry
}

/** Sends each follower what waits for it, as far as its pipeline has room: everything that waits goes in one append. */
export function replicate(state: RaftState, effects: Effect[]): void {
  if (state.role.kind !== 'leader') return
  for (const [to, progress] of state.role.followers) {
    if (progress.mode === 'snapshot') readNextChunk(state, to, progress, effects)
    while (hasRoom(progress, state.settings.maxAppendsInFlight) && wantsMore(progress, lastIndexOf(state.log))) {
      sendNext(state, state.role, to, progress, effects)
    }
  }
}

/**
 * A follower that is probed gets an append even if it has all: one that restarted does not know that its log is the leader's, and
 * may not commit what it holds before it has heard so.
 */
function wantsMore(progress: Progress, lastIndex: LogIndex): boolean {
  return progress.mode === 'probe' || progress.nextIndex <= lastIndex
}

function sendNext(state: RaftState, role: Leader, to: ReplicaId, progress: Progress, effects: Effect[]): void {
  const { log, settings } = state
  const prevIndex = plus(progress.nextIndex, -1)
  const prevTerm = termAt(log, prevIndex)
  if (prevTerm === undefined) {
    progress.loading = true
    effects.push({ kind: 'load', to, prevIndex })
    return
  }
  const entries = slice(log, progress.nextIndex, settings.maxEntriesPerAppend, settings.maxAppendBytes)
  sendEntries(state, role, to, progress, prevTerm, entries, effects)
}

function sendEntries(
  state: RaftState,
  { term }: Leader,
  to: ReplicaId,
  progress: Progress,
  prevTerm: Term,
  entries: readonly Entry[],
  effects: Effect[],
): void {
  const prevIndex = plus(progress.nextIndex, -1)
  send(state, to, { kind: 'append', term, prevIndex, prevTerm, entries, commitIndex: state.commitIndex }, effects)
  sent(progress, plus(prevIndex, entries.length))
}

/** Older entries came from the store: they are committed, so they are right in every term. */
export function sendLoaded(state: RaftState, event: Event & { readonly kind: 'loaded' }, effects: Effect[]): void {
  if (state.role.kind !== 'leader') return
  const progress = state.role.followers.get(event.to)
  if (progress === undefined) return
  progress.loading = false
  if (event.prevIndex !== plus(progress.nextIndex, -1) || event.entries.length === 0) return
  const { maxEntriesPerAppend, maxAppendBytes } = state.settings
  const entries = within(event.entries.slice(0, maxEntriesPerAppend), maxAppendBytes)
  sendEntries(state, state.role, event.to, progress, event.prevTerm, entries, effects)
}

export function receiveAppendReply(state: RaftState, from: ReplicaId, reply: AppendReply, effects: Effect[]): void {
  const progress = hear(state, from)
  if (progress === undefined || !isPossible(state, from, reply, effects)) return
  acknowledged(progress, reply.receivedIndex, reply.matchIndex)
  if (progress.mode === 'snapshot') finishSnapshot(state, from, progress, effects)
}

export function receiveSnapshotReply(state: RaftState, from: ReplicaId, reply: SnapshotReply): void {
  const progress = hear(state, from)
  if (progress !== undefined) continueSnapshot(progress, reply)
}

export function receiveAppendRefusal(state: RaftState, from: ReplicaId, refusal: AppendRefusal): void {
  const progress = hear(state, from)
  if (progress === undefined) return
  const match = lastPossibleMatch(state.log, refusal.hintIndex, refusal.hintTerm)
  refused(progress, refusal.prevIndex, plus(match, 1))
}

export function receiveHeartbeatReply(
  state: RaftState,
  from: ReplicaId,
  reply: HeartbeatReply,
  effects: Effect[],
): void {
  const progress = hear(state, from)
  if (progress === undefined || !isPossible(state, from, reply, effects)) return
  if (reply.round > progress.round) progress.round = reply.round
  acknowledged(progress, reply.receivedIndex, reply.matchIndex)
  if (progress.mode === 'snapshot') {
    finishSnapshot(state, from, progress, effects)
    return
  }
  if (reply.round === 0) return
  const lost = progress.mode === 'probe' || reply.receivedIndex < reply.sentIndex
  if (lost) probeFrom(progress, progress.mode === 'probe' ? progress.nextIndex : plus(reply.receivedIndex, 1))
}

export function heartbeatWhenDue(state: RaftState, elapsedMs: number, effects: Effect[]): void {
  if (state.role.kind !== 'leader') return
  state.role.sinceHeartbeatMs += elapsedMs
  if (state.role.sinceHeartbeatMs >= state.settings.heartbeatMs) sendHeartbeats(state, state.role, effects)
}

export function sendHeartbeats(state: RaftState, role: Leader, effects: Effect[]): void {
  role.sinceHeartbeatMs = 0
  const { term, round } = role
  for (const [to, progress] of role.followers) {
    const { commitIndex } = state
    const { matchIndex } = progress
    const sentIndex = sentIndexOf(progress)
    send(state, to, { kind: 'heartbeat', term, commitIndex, round, sentIndex, matchIndex }, effects)
  }
}

/**
 * Commits what is on a majority of disks, the leader's own counted like the others. Entries of earlier terms only along with
 * one of the own term (Raft paper, section 5.4.2, figure 8).
 */
export function advanceCommit(state: RaftState): void {
  const { role, log } = state
  if (role.kind !== 'leader') return
  const reached = reachedByVoters(state, role, log.durableIndex, ({ matchIndex }) => matchIndex) as LogIndex
  if (reached <= state.commitIndex || termAt(log, reached) !== role.term) return
  for (const entry of log.entries.slice(state.commitIndex - log.baseIndex, reached - log.baseIndex)) {
    role.uncommittedBytes -= entryBytes(entry)
  }
  state.commitIndex = reached
}

function hear(state: RaftState, from: ReplicaId): Progress | undefined {
  if (state.role.kind !== 'leader') return undefined
  const progress = state.role.followers.get(from)
  if (progress !== undefined) progress.silentMs = 0
  return progress
}

/** Nobody has more of a leader's log than the leader. */
function isPossible(
  { log }: RaftState,
  from: ReplicaId,
  { receivedIndex }: Pick<AppendReply, 'receivedIndex'>,
  effects: Effect[],
): boolean {
  const lastIndex = lastIndexOf(log)
  if (receivedIndex <= lastIndex) return true
  disbelieve(from, `it has this leader's log up to ${receivedIndex}, which ends at ${lastIndex}`, effects)
  return false
}
