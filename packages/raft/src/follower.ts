import { heardLeader, heartbeatReply, matchIndexOf } from './contact.ts'
import { disbelieve } from './disbelief.ts'
import type { Effect } from './effect.ts'
import { StoreError } from './errors.ts'
import { invariant } from './invariant.ts'
import { lastIndexOf, lastPossibleMatch, plus, push, termAt, truncateFrom } from './log.ts'
import { adopt, rollBack } from './membership-change.ts'
import type { Append, Entry, Heartbeat, LogIndex, ReplicaId, SnapshotChunk } from './message.ts'
import { becomeFollower } from './role.ts'
import { isInstalling, receiveSnapshotChunk } from './snapshot.ts'
import { type Follower, leaderOf, type RaftState, send } from './state.ts'
import { tookOver } from './transfer.ts'

/** Takes a leader's entries, or says where the logs may still agree (Raft paper, section 5.3). */
export function receiveAppend(state: RaftState, from: ReplicaId, append: Append, effects: Effect[]): void {
  const role = follow(state, from, effects)
  if (role === undefined || isInstalling(state)) return
  if (contradictsReceived(state, role, append)) {
    disbelieve(from, `its log up to ${role.receivedIndex} is not what it was, or not what is committed`, effects)
    return
  }
  const lastSent = plus(append.prevIndex, append.entries.length)
  const known = append.prevIndex < state.commitIndex
  if (!known && termAt(state.log, append.prevIndex) !== append.prevTerm) {
    refuse(state, from, append, effects)
    return
  }
  // What is committed here is committed everywhere: the part of an append that lies before needs no look.
  const news = known ? append.entries.slice(state.commitIndex - append.prevIndex) : append.entries
  take(state, news)
  role.owesReply = true
  if (lastSent > role.receivedIndex) role.receivedIndex = lastSent
  commitUpTo(state, Math.min(append.commitIndex, role.receivedIndex))
}

export function receiveHeartbeat(state: RaftState, from: ReplicaId, heartbeat: Heartbeat, effects: Effect[]): void {
  const role = follow(state, from, effects)
  if (role === undefined) return
  if (heartbeat.matchIndex > state.log.durableIndex) throw outdated(state, from, heartbeat.matchIndex)
  commitUpTo(state, Math.min(heartbeat.commitIndex, role.receivedIndex))
  send(state, from, heartbeatReply(state, role, heartbeat.round, heartbeat.sentIndex), effects)
}

export function receiveChunk(state: RaftState, from: ReplicaId, chunk: SnapshotChunk, effects: Effect[]): void {
  const role = follow(state, from, effects)
  if (role !== undefined) receiveSnapshotChunk(state, role, from, chunk, effects)
}

/** Tells the leader what the disk holds of its log; nothing else does, so nothing is acknowledged before its flush. */
export function acknowledge(state: RaftState, effects: Effect[]): void {
  const { role } = state
  if (role.kind !== 'follower' || role.leader === undefined || !role.owesReply) return
  const matchIndex = matchIndexOf(state, role)
  if (matchIndex <= role.toldIndex && matchIndex < role.receivedIndex) return
  role.toldIndex = matchIndex
  role.owesReply = matchIndex < role.receivedIndex
  const { receivedIndex } = role
  send(state, role.leader, { kind: 'appendReply', term: state.hardState.term, receivedIndex, matchIndex }, effects)
}

/** One leader a term (Raft paper, section 5.2): whoever says that it leads is heard as long as no other is. */
function follow(state: RaftState, leader: ReplicaId, effects: Effect[]): Follower | undefined {
  const other = leaderOf(state)
  if (other !== undefined && other !== leader) {
    disbelieve(leader, `it wants to lead in term ${state.hardState.term}, in which ${other} leads`, effects)
    return undefined
  }
  heardLeader(state)
  if (state.role.kind !== 'follower' || state.role.leader === undefined) {
    becomeFollower(state, state.hardState.term, leader, 'another leads', effects)
    tookOver(state, leader, effects)
  }
  invariant(state.role.kind === 'follower', 'whoever hears a leader follows it')
  return state.role
}

/**
 * Whether an append has another log than its leader's up to where that is known: a leader only adds to its log (Raft paper, section
 * 5.3), and what is committed here is in the log of every later one (section 5.4.3).
 */
function contradictsReceived(state: RaftState, { receivedIndex }: Follower, append: Append): boolean {
  const { prevIndex, prevTerm, entries } = append
  if (prevIndex > receivedIndex) return false
  const last = Math.min(receivedIndex, plus(prevIndex, entries.length)) as LogIndex
  const known = termAt(state.log, last)
  const said = last === prevIndex ? prevTerm : entries[last - prevIndex - 1]?.term
  return known !== undefined && said !== known
}

/** The disk forgot what it had promised in this very term: a majority may rest on it (Raft paper, section 5.1). */
function outdated({ id, log }: RaftState, leader: ReplicaId, matchIndex: LogIndex): StoreError {
  return new StoreError(
    'outdated',
    `The store of ${id} ends at entry ${log.durableIndex}, though ${id} has told ${leader} that it holds the log up to ` +
      `${matchIndex}: the store is older than its promises. Do not start it again: add an empty replica under a new id, and remove ${id}.`,
  )
}

/** Entries that are there already stay, even if others follow them: an old append must not cut off newer entries. */
function take(state: RaftState, entries: readonly Entry[]): void {
  const { log } = state
  for (const entry of entries) {
    if (entry.index <= lastIndexOf(log)) {
      if (termAt(log, entry.index) === entry.term) continue
      invariant(entry.index > state.commitIndex, `the leader's entry ${entry.index} is not the committed one`)
      truncateFrom(log, entry.index)
      rollBack(state, entry.index)
      if (state.write !== undefined && state.write.lastIndex >= entry.index)
        state.write.lastIndex = plus(entry.index, -1)
    }
    push(log, entry)
    if (entry.kind === 'members') adopt(state, entry)
  }
}

/** Fast backtracking: one answer steps over all entries whose term cannot be the leader's there. */
function refuse(state: RaftState, from: ReplicaId, append: Append, effects: Effect[]): void {
  const { prevIndex, prevTerm } = append
  const hint = lastPossibleMatch(state.log, plus(prevIndex, -1), prevTerm)
  const hintIndex = Math.max(hint, state.commitIndex) as LogIndex
  const hintTerm = termAt(state.log, hintIndex)
  invariant(hintTerm !== undefined, `the term of entry ${hintIndex} is known`)
  send(state, from, { kind: 'appendRefusal', term: state.hardState.term, prevIndex, hintIndex, hintTerm }, effects)
}

function commitUpTo(state: RaftState, index: number): void {
  if (index > state.commitIndex) state.commitIndex = index as LogIndex
}
