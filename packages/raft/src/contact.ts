import type { Effect } from './effect.ts'
import { isMember } from './membership.ts'
import type { HeartbeatReply, LogIndex, ReplicaId } from './message.ts'
import { type Follower, membershipOf, type RaftState, send } from './state.ts'

/** Whether this replica has reason to believe that there is a leader (dissertation, section 4.2.3: leader stickiness). */
export function hearsLeader(state: RaftState): boolean {
  if (state.role.kind === 'leader') return true
  if (state.role.kind !== 'follower' || state.role.leader === undefined || state.suspicion !== undefined) return false
  return state.sinceLeaderMs < state.settings.electionTimeoutMinMs
}

/** A leader was heard: all doubts begin anew. */
export function heardLeader(state: RaftState): void {
  state.electionElapsedMs = 0
  state.sinceLeaderMs = 0
  state.sinceProbeMs = 0
  state.suspicion = undefined
}

/** The bus knows nobody who listens for the leader: hold a pre-vote soon, spread so that not all do at the same moment. */
export function suspectLeader(state: RaftState, leader: ReplicaId, chance: number): void {
  if (state.role.kind !== 'follower' || state.role.leader !== leader || state.suspicion !== undefined) return
  state.suspicion = { dueMs: state.electionElapsedMs + chance * state.settings.heartbeatMs }
}

/** A follower that misses its leader's heartbeats asks whether the process is there: the bus may know that it is not. */
export function probeLeader(state: RaftState, effects: Effect[]): void {
  const { role, settings } = state
  if (role.kind !== 'follower' || role.leader === undefined || !isMember(membershipOf(state), state.id)) return
  if (state.sinceLeaderMs < 1.5 * settings.heartbeatMs || state.sinceProbeMs < settings.heartbeatMs) return
  state.sinceProbeMs = 0
  send(state, role.leader, heartbeatReply(state, role, 0, role.receivedIndex), effects)
}

export function heartbeatReply(state: RaftState, role: Follower, round: number, sentIndex: LogIndex): HeartbeatReply {
  const { receivedIndex } = role
  const { term } = state.hardState
  return { kind: 'heartbeatReply', term, round, sentIndex, receivedIndex, matchIndex: matchIndexOf(state, role) }
}

/** Up to here the disk holds the leader's log. */
export function matchIndexOf(state: RaftState, role: Follower): LogIndex {
  return Math.min(role.receivedIndex, state.log.durableIndex) as LogIndex
}
