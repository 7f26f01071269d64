import { hearsLeader, probeLeader } from './contact.ts'
import type { Effect } from './effect.ts'
import { entryBytes, isUpToDate, lastIndexOf, lastTermOf, plus, push } from './log.ts'
import { isVoter } from './membership.ts'
import { enlist } from './membership-change.ts'
import type {
  Entry,
  Message,
  PreVoteReply,
  ReplicaId,
  RequestPreVote,
  RequestVote,
  Term,
  TimeoutNow,
  VoteReply,
} from './message.ts'
import { type Ballot, reachedByVoters, tally } from './quorum.ts'
import { becomeFollower, changeRole, enterTerm } from './role.ts'
import { isInstalling } from './snapshot.ts'
import {
  type Candidate,
  drawElectionTimeoutMs,
  isHardStateDurable,
  type Leader,
  membershipOf,
  type RaftState,
  send,
} from './state.ts'
import { endTransfer, mayStandAtOnce } from './transfer.ts'

/** Time went by for whoever does not lead. */
export function waitForLeader(state: RaftState, elapsedMs: number, chance: number, effects: Effect[]): void {
  state.electionElapsedMs += elapsedMs
  state.sinceLeaderMs += elapsedMs
  state.sinceProbeMs += elapsedMs
  const dueMs = Math.min(state.electionTimeoutMs, state.suspicion?.dueMs ?? Number.POSITIVE_INFINITY)
  if (state.electionElapsedMs >= dueMs && mayStand(state)) startPreVote(state, chance, effects)
  else probeLeader(state, effects)
}

/**
 * Whether this replica votes, or did before changes that are not committed as far as it knows. One that such a change removes stands
 * without a vote of its own: if nobody else has the change, nobody else can be elected (dissertation, section 4.2.2, figure 4.6).
 * Whoever is installing a snapshot lacks what is committed.
 */
function mayStand(state: RaftState): boolean {
  return !isInstalling(state) && state.memberships.some((membership) => isVoter(membership, state.id))
}

/**
 * Time went by for a leader. One that a majority has not answered for as long as others need to elect a new one steps down
 * (dissertation, section 6.2).
 */
export function checkQuorum(state: RaftState, elapsedMs: number, effects: Effect[]): void {
  if (state.role.kind !== 'leader') return
  const { electionTimeoutMinMs } = state.settings
  for (const progress of state.role.followers.values()) progress.silentMs += elapsedMs
  const silentMs = -reachedByVoters(state, state.role, 0, (progress) => -progress.silentMs)
  if (silentMs < electionTimeoutMinMs) return
  state.electionElapsedMs = 0
  effects.push({ kind: 'notice', event: { kind: 'lostQuorum', term: state.role.term } })
  becomeFollower(state, state.hardState.term, undefined, 'a majority did not answer', effects)
}

/** Asks around whether others would vote for this replica, before it disturbs anybody with a new term. */
function startPreVote(state: RaftState, chance: number, effects: Effect[]): void {
  state.electionElapsedMs = 0
  state.suspicion = undefined
  state.electionTimeoutMs = drawElectionTimeoutMs(state.settings, chance)
  const role: Candidate = { kind: 'preCandidate', ballots: emptyBallots(state) }
  changeRole(state, role, 'an election begins', effects)
  broadcast(
    state,
    {
      kind: 'requestPreVote',
      term: plusOne(state),
      lastIndex: lastIndexOf(state.log),
      lastTerm: lastTermOf(state.log),
    },
    effects,
  )
  receiveBallot(state, role, state.id, true, effects)
}

/** Stands in a new term. The own vote counts once it is on disk, like everybody's. */
function startElection(state: RaftState, isTransfer: boolean, effects: Effect[]): void {
  enterTerm(state, plusOne(state), state.id)
  const { term } = state.hardState
  changeRole(state, { kind: 'candidate', ballots: emptyBallots(state) }, 'an election begins', effects)
  effects.push({ kind: 'notice', event: { kind: 'electionStarted', term } })
  broadcast(
    state,
    { kind: 'requestVote', term, lastIndex: lastIndexOf(state.log), lastTerm: lastTermOf(state.log), isTransfer },
    effects,
  )
}

/** The leader hands over: it wants this replica to stand at once, without asking around (dissertation, section 3.10). */
export function receiveTimeoutNow(state: RaftState, from: ReplicaId, message: TimeoutNow, effects: Effect[]): void {
  if (!isInstalling(state) && mayStandAtOnce(state, from, message)) startElection(state, true, effects)
}

/** Counts a candidate's own vote when the disk holds it. */
export function countOwnVote(state: RaftState, effects: Effect[]): void {
  const { role } = state
  if (role.kind === 'candidate' && isHardStateDurable(state)) receiveBallot(state, role, state.id, true, effects)
}

/** Answers without a change of anything: nobody hears a leader, and the asker's log is no worse than one's own. */
export function receiveRequestPreVote(
  state: RaftState,
  from: ReplicaId,
  request: RequestPreVote,
  effects: Effect[],
): void {
  const { term } = state.hardState
  const granted =
    request.term > term &&
    !hearsLeader(state) &&
    isUpToDate(state.log, request.lastIndex, request.lastTerm) &&
    !isOutranked(state, from, request)
  send(state, from, { kind: 'preVoteReply', term: granted ? request.term : term, granted }, effects)
}

/**
 * Of two that ask at the same moment with equal logs, the one with the lower id does not support the other. Followers notice a
 * dead leader together; without this they would support each other, stand against each other, and split the vote. One that was refused
 * by the other, which noticed later, does support it: else both would wait for a whole time-out.
 */
function isOutranked(state: RaftState, from: ReplicaId, request: RequestPreVote): boolean {
  const { role } = state
  const isRival = role.kind === 'preCandidate' && state.id < from && role.ballots.get(from) !== 'refused'
  return isRival && request.lastIndex === lastIndexOf(state.log) && request.lastTerm === lastTermOf(state.log)
}

export function receivePreVoteReply(state: RaftState, from: ReplicaId, reply: PreVoteReply, effects: Effect[]): void {
  const { role } = state
  const isMine = reply.term === (reply.granted ? plusOne(state) : state.hardState.term)
  if (role.kind !== 'preCandidate' || !isMine) return
  receiveBallot(state, role, from, reply.granted, effects)
}

/** One vote in each term, for a log that is no worse than one's own (Raft paper, sections 5.2 and 5.4.1). */
export function receiveRequestVote(state: RaftState, from: ReplicaId, request: RequestVote, effects: Effect[]): void {
  const { term, votedFor } = state.hardState
  const granted =
    (votedFor === undefined || votedFor === from) && isUpToDate(state.log, request.lastIndex, request.lastTerm)
  if (granted) {
    state.hardState = { term, votedFor: from }
    state.electionElapsedMs = 0
  }
  send(state, from, { kind: 'voteReply', term, granted }, effects)
}

export function receiveVoteReply(state: RaftState, from: ReplicaId, reply: VoteReply, effects: Effect[]): void {
  const { role } = state
  if (role.kind !== 'candidate') return
  receiveBallot(state, role, from, reply.granted, effects)
}

/** Only voters count. A vote once given is never taken back, so a refusal that comes after it is an old message. */
function receiveBallot(state: RaftState, role: Candidate, from: ReplicaId, granted: boolean, effects: Effect[]): void {
  if (!role.ballots.has(from) || role.ballots.get(from) === 'granted') return
  role.ballots.set(from, granted ? 'granted' : 'refused')
  count(state, role, effects)
}

function count(state: RaftState, role: Candidate, effects: Effect[]): void {
  const result = tally(role.ballots.values())
  if (result === 'lost') becomeFollower(state, state.hardState.term, undefined, 'the election was lost', effects)
  else if (result === 'won' && role.kind === 'preCandidate') startElection(state, false, effects)
  else if (result === 'won') startLeading(state, effects)
}

function startLeading(state: RaftState, effects: Effect[]): void {
  const { log } = state
  const { term } = state.hardState
  const noop: Entry = { term, index: plus(lastIndexOf(log), 1), kind: 'noop', command: new Uint8Array() }
  const uncommitted = log.entries.slice(state.commitIndex - log.baseIndex)
  const role: Leader = {
    kind: 'leader',
    term,
    followers: new Map(),
    noopIndex: noop.index,
    ready: false,
    uncommittedBytes: [...uncommitted, noop].reduce((bytes, entry) => bytes + entryBytes(entry), 0),
    sinceHeartbeatMs: 0,
    round: 1,
    reads: [],
  }
  enlist(state, role)
  push(log, noop)
  endTransfer(state, 'timedOut', effects)
  changeRole(state, role, 'the election was won', effects)
}

function emptyBallots(state: RaftState): Map<ReplicaId, Ballot> {
  return new Map(membershipOf(state).voters.map((voter) => [voter, 'pending']))
}

function broadcast(state: RaftState, message: Message, effects: Effect[]): void {
  for (const voter of membershipOf(state).voters) if (voter !== state.id) send(state, voter, message, effects)
}

function plusOne(state: RaftState): Term {
  return (state.hardState.term + 1) as Term
}
