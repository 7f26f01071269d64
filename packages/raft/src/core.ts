import { waitForCatchUps } from './catch-up.ts'
import { hearsLeader, suspectLeader } from './contact.ts'
import type { Effect } from './effect.ts'
import {
  checkQuorum,
  countOwnVote,
  receivePreVoteReply,
  receiveRequestPreVote,
  receiveRequestVote,
  receiveTimeoutNow,
  receiveVoteReply,
  waitForLeader,
} from './election.ts'
import type { Event } from './event.ts'
import { acknowledge, receiveAppend, receiveChunk, receiveHeartbeat } from './follower.ts'
import { plus, slice, trim } from './log.ts'
import { dismiss, proposeChange, settleMemberships } from './membership-change.ts'
import type { Message, ReplicaId } from './message.ts'
import { persist, persisted, waitForWrite } from './persistence.ts'
import { ask, confirmReads, openRound } from './read-index.ts'
import {
  advanceCommit,
  heartbeatWhenDue,
  propose,
  receiveAppendRefusal,
  receiveAppendReply,
  receiveHeartbeatReply,
  receiveSnapshotReply,
  replicate,
  sendLoaded,
} from './replication.ts'
import { becomeFollower, changeRole } from './role.ts'
import { isInstalling } from './snapshot.ts'
import { sendChunk, startSnapshot, waitForSnapshots } from './snapshot-supply.ts'
import { type RaftState, send } from './state.ts'
import { askTransfer, endTransfer, handOver, waitForTransfer } from './transfer.ts'

/**
 * Advances one replica in place by one turn: events that came together, in their order. The same state and events give the
 * same next state and effects, on any machine, at any time.
 * @throws InvariantError when something happened that cannot happen; the state is of no use afterwards.
 */
export function step(state: RaftState, events: readonly Event[]): readonly Effect[] {
  const effects: Effect[] = []
  for (const event of events) take(state, event, effects)
  advanceCommit(state)
  applyCommitted(state, effects)
  settleMemberships(state, effects)
  openRound(state, effects)
  confirmReads(state, effects)
  replicate(state, effects)
  handOver(state, effects)
  acknowledge(state, effects)
  persist(state, effects)
  return effects
}

function take(state: RaftState, event: Event, effects: Effect[]): void {
  switch (event.kind) {
    case 'persisted':
      persisted(state, event.write, effects)
      countOwnVote(state, effects)
      return
    case 'proposed':
      propose(state, event, effects)
      return
    case 'changeProposed':
      proposeChange(state, event, effects)
      return
    case 'transferAsked':
      askTransfer(state, event, effects)
      return
    case 'asked':
      ask(state, event, effects)
      return
    case 'received':
      if (state.role.kind !== 'stopped') receive(state, event.from, event.message, effects)
      return
    case 'loaded':
      sendLoaded(state, event, effects)
      return
    case 'compacted':
      startSnapshot(state, event)
      return
    case 'snapshotRead':
      sendChunk(state, event, effects)
      return
    case 'leaderUnreachable':
      suspectLeader(state, event.leader, event.chance)
      return
    case 'stopped':
      endTransfer(state, 'notLeader', effects)
      changeRole(state, { kind: 'stopped' }, 'the replica stops', effects)
      return
    case 'tick':
      tick(state, event.elapsedMs, event.chance, effects)
      return
  }
}

function tick(state: RaftState, elapsedMs: number, chance: number, effects: Effect[]): void {
  waitForWrite(state, elapsedMs)
  if (state.role.kind === 'stopped') return
  waitForTransfer(state, elapsedMs, effects)
  if (state.role.kind !== 'leader') {
    waitForLeader(state, elapsedMs, chance, effects)
    return
  }
  checkQuorum(state, elapsedMs, effects)
  dismiss(state, elapsedMs, effects)
  waitForSnapshots(state, elapsedMs, effects)
  waitForCatchUps(state, elapsedMs)
  heartbeatWhenDue(state, elapsedMs, effects)
}

/** Terms first (Raft paper, section 5.1), then the message itself. */
function receive(state: RaftState, from: ReplicaId, message: Message, effects: Effect[]): void {
  const { term } = state.hardState
  if (message.term < term) {
    answerOlderTerm(state, from, message, effects)
    return
  }
  if (message.term > term && bindsTerm(message)) {
    if (message.kind === 'requestVote' && !message.isTransfer && hearsLeader(state)) return
    becomeFollower(state, message.term, undefined, `${from} is in term ${message.term}`, effects)
  }
  dispatch(state, from, message, effects)
}

/** Whether whoever sent this is in the message's term; pre-votes speak of terms that nobody is in yet. */
function bindsTerm(message: Message): boolean {
  return message.kind !== 'requestPreVote' && !(message.kind === 'preVoteReply' && message.granted)
}

/** Whoever asks in an older term learns the present one; who answered in it is late, and is not heard. */
function answerOlderTerm(state: RaftState, from: ReplicaId, message: Message, effects: Effect[]): void {
  const { term } = state.hardState
  switch (message.kind) {
    case 'requestPreVote':
      send(state, from, { kind: 'preVoteReply', term, granted: false }, effects)
      return
    case 'requestVote':
    case 'append':
    case 'heartbeat':
    case 'snapshotChunk':
      send(state, from, { kind: 'voteReply', term, granted: false }, effects)
      return
    case 'preVoteReply':
    case 'voteReply':
    case 'appendReply':
    case 'appendRefusal':
    case 'heartbeatReply':
    case 'timeoutNow':
    case 'snapshotReply':
      return
  }
}

function dispatch(state: RaftState, from: ReplicaId, message: Message, effects: Effect[]): void {
  switch (message.kind) {
    case 'requestPreVote':
      receiveRequestPreVote(state, from, message, effects)
      return
    case 'preVoteReply':
      receivePreVoteReply(state, from, message, effects)
      return
    case 'requestVote':
      receiveRequestVote(state, from, message, effects)
      return
    case 'voteReply':
      receiveVoteReply(state, from, message, effects)
      return
    case 'append':
      receiveAppend(state, from, message, effects)
      return
    case 'appendReply':
      receiveAppendReply(state, from, message, effects)
      return
    case 'appendRefusal':
      receiveAppendRefusal(state, from, message)
      return
    case 'heartbeat':
      receiveHeartbeat(state, from, message, effects)
      return
    case 'heartbeatReply':
      receiveHeartbeatReply(state, from, message, effects)
      return
    case 'timeoutNow':
      receiveTimeoutNow(state, from, message, effects)
      return
    case 'snapshotChunk':
      receiveChunk(state, from, message, effects)
      return
    case 'snapshotReply':
      receiveSnapshotReply(state, from, message)
      return
  }
}

/** Applies what is committed; a leader is ready once that includes the entry that opened its term. */
function applyCommitted(state: RaftState, effects: Effect[]): void {
  const { log, role, commitIndex, appliedIndex, settings } = state
  if (commitIndex > appliedIndex && !isInstalling(state)) {
    const entries = slice(log, plus(appliedIndex, 1), commitIndex - appliedIndex, Number.POSITIVE_INFINITY)
    effects.push({ kind: 'apply', entries })
    state.appliedIndex = commitIndex
    trim(log, commitIndex, settings.entriesInMemory, settings.bytesInMemory)
  }
  if (role.kind !== 'leader' || role.ready || state.appliedIndex < role.noopIndex) return
  role.ready = true
  effects.push({ kind: 'notice', event: { kind: 'becameLeader', term: role.term } })
}
