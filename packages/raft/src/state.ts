import type { Effect } from './effect.ts'
import { invariant } from './invariant.ts'
import { createLog, type Log } from './log.ts'
import { decodeMembership, isVoter, type Membership, type PlacedMembership } from './membership.ts'
import type { Entry, LogIndex, Message, ReplicaId, Term } from './message.ts'
import type { Progress } from './progress.ts'
import type { Ballot } from './quorum.ts'
import type { RaftSettings } from './settings.ts'
import type { Incoming } from './snapshot.ts'
import type { StagedSnapshot } from './store.ts'

/** Messages that wait for one flush; more are lost, as on their way. Far more than a group says within one, were it the slowest. */
const maxHeldMessages = 1024

/** What must be on disk before anything is said in the term (Raft paper, figure 2: persistent state). */
export interface HardState {
  readonly term: Term
  readonly votedFor: ReplicaId | undefined
}

export interface Follower {
  readonly kind: 'follower'
  leader: ReplicaId | undefined
  /** Up to here the log is known to be the leader's of this term, flushed or not. */
  receivedIndex: LogIndex
  /** An append was taken and not answered in full yet. */
  owesReply: boolean
  /** What the leader was told that the disk holds. */
  toldIndex: LogIndex
}

/** A round of pre-votes, or an election of its own term. */
export interface Candidate {
  readonly kind: 'preCandidate' | 'candidate'
  readonly ballots: Map<ReplicaId, Ballot>
}

/** A question "am I still the leader?", answered when a majority has answered a heartbeat that left after it. */
export interface Read {
  readonly read: number
  /** Undefined until an entry of the own term is committed: before, the leader does not know what is committed. */
  asked: { readonly round: number; readonly index: LogIndex } | undefined
}

export interface Leader {
  readonly kind: 'leader'
  readonly term: Term
  readonly followers: Map<ReplicaId, Progress>
  /** The entry that opened the term. Once it is committed, everything before is known to be. */
  readonly noopIndex: LogIndex
  /** `becameLeader` was told. */
  ready: boolean
  uncommittedBytes: number
  sinceHeartbeatMs: number
  /** Starts at 1: in a reply, 0 means that no heartbeat was answered. */
  round: number
  reads: Read[]
}

/** A leadership that is being handed over. */
export interface Transfer {
  /** Who asked for it; undefined when the leader leaves the group. */
  readonly transfer: number | undefined
  readonly to: ReplicaId
  elapsedMs: number
  /** Since the target was told to stand. */
  sinceSentMs: number | undefined
}

export type Role = Follower | Candidate | Leader | { readonly kind: 'stopped' }

/** All that the core knows, as plain data that it alone owns: it can be cloned, compared and explored. */
export interface RaftState {
  readonly id: ReplicaId
  readonly settings: RaftSettings
  /**
   * As of `appliedIndex` first, then those of the log's later entries. The last one counts, committed or not (dissertation,
   * section 4.1). Change it with `setMemberships` only.
   */
  memberships: readonly PlacedMembership[]
  /** All others of the membership that counts. */
  peers: readonly ReplicaId[]
  /** Whether this replica is a voter of the membership that counts. */
  isVoter: boolean
  hardState: HardState
  /** The hard state that the disk holds. */
  durableHardState: HardState
  role: Role
  log: Log
  /** Never moves back. Entries up to here stay for ever. */
  commitIndex: LogIndex
  appliedIndex: LogIndex
  /** What the last write took along of what was applied. */
  appliedHandedIndex: LogIndex
  sinceAppliedHandedMs: number
  write: { readonly number: number; readonly hardState: HardState; lastIndex: LogIndex } | undefined
  writes: number
  /** A snapshot of which some is on disk, and goes on from there. */
  staged: StagedSnapshot | undefined
  /** What came of it last. */
  incoming: Incoming | undefined
  /** Messages of this term that wait until term and vote are on disk. */
  held: { readonly to: ReplicaId; readonly message: Message }[]
  /** Time since a leader was heard, a vote was given, or an election was begun. */
  electionElapsedMs: number
  electionTimeoutMs: number
  sinceLeaderMs: number
  sinceProbeMs: number
  /** The bus hinted that the leader's process is gone: an election begins when `electionElapsedMs` has come to this. */
  suspicion: { readonly dueMs: number } | undefined
  /** Outlives the leader's role: it is over when another leader is heard. */
  transfer: Transfer | undefined
}

export interface Recovered {
  readonly hardState: HardState
  readonly appliedIndex: LogIndex
  /** Term of the entry at `appliedIndex`. */
  readonly appliedTerm: Term
  /** Entries after `appliedIndex`. */
  readonly entries: readonly Entry[]
  /** As of `appliedIndex`. */
  readonly membership: PlacedMembership
  readonly staged: StagedSnapshot | undefined
}

export interface CreateStateOptions extends Recovered {
  readonly id: ReplicaId
  readonly settings: RaftSettings
  /** As in the event `tick`. */
  readonly chance: number
}

/** The state of a replica that starts, from what its disk holds. */
export function createState(options: CreateStateOptions): RaftState {
  const { id, settings, hardState, appliedIndex, appliedTerm, entries, membership, staged, chance } = options
  const state: RaftState = {
    id,
    settings,
    memberships: [],
    peers: [],
    isVoter: false,
    hardState,
    durableHardState: hardState,
    role: createFollower(undefined, appliedIndex),
    log: createLog(appliedIndex, appliedTerm, entries),
    commitIndex: appliedIndex,
    appliedIndex,
    appliedHandedIndex: appliedIndex,
    sinceAppliedHandedMs: 0,
    write: undefined,
    writes: 0,
    staged,
    incoming: undefined,
    held: [],
    electionElapsedMs: 0,
    electionTimeoutMs: drawElectionTimeoutMs(settings, chance),
    sinceLeaderMs: 0,
    sinceProbeMs: 0,
    suspicion: undefined,
    transfer: undefined,
  }
  setMemberships(state, [membership, ...entries.filter(({ kind }) => kind === 'members').map(placedMembership)])
  return state
}

/** The membership that an entry of kind `members` brings. */
export function placedMembership(entry: Entry): PlacedMembership {
  return { index: entry.index, ...decodeMembership(entry.command) }
}

/** The membership that counts. */
export function membershipOf(state: RaftState): PlacedMembership {
  const membership = state.memberships.at(-1)
  invariant(membership !== undefined, 'there is always a membership')
  return membership
}

/** The membership as of `appliedIndex`. */
export function settledMembershipOf(state: RaftState): PlacedMembership {
  const [membership] = state.memberships
  invariant(membership !== undefined, 'there is always a membership')
  return membership
}

/** Changes what the log says of the membership, and what is kept of it at hand for each message. */
export function setMemberships(state: RaftState, memberships: readonly PlacedMembership[]): void {
  state.memberships = memberships
  const active: Membership = membershipOf(state)
  state.peers = [...active.voters, ...active.learners].filter((member) => member !== state.id)
  state.isVoter = isVoter(active, state.id)
}

export function createFollower(leader: ReplicaId | undefined, commitIndex: LogIndex): Follower {
  return { kind: 'follower', leader, receivedIndex: commitIndex, owesReply: false, toldIndex: 0 as LogIndex }
}

/** Where whoever this replica sends away may be heard: never here, also while it still leads but hands over. */
export function leaderElsewhere(state: RaftState): ReplicaId | undefined {
  const leader = leaderOf(state)
  return leader === state.id ? undefined : leader
}

export function drawElectionTimeoutMs(settings: RaftSettings, chance: number): number {
  const { electionTimeoutMinMs, electionTimeoutMaxMs } = settings
  return electionTimeoutMinMs + chance * (electionTimeoutMaxMs - electionTimeoutMinMs)
}

export function leaderOf(state: RaftState): ReplicaId | undefined {
  if (state.role.kind === 'leader') return state.id
  return state.role.kind === 'follower' ? state.role.leader : undefined
}

/** Whether the disk holds the present term and vote. */
export function isHardStateDurable(state: RaftState): boolean {
  const { hardState, durableHardState } = state
  return hardState.term === durableHardState.term && hardState.votedFor === durableHardState.votedFor
}

/** Sends a message of the present term, or holds it back until term and vote are on disk: the one way out for all messages. */
export function send(state: RaftState, to: ReplicaId, message: Message, effects: Effect[]): void {
  if (isHardStateDurable(state)) effects.push({ kind: 'send', to, message })
  else if (state.held.length < maxHeldMessages) state.held.push({ to, message })
}
