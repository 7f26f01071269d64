import type { World } from '@verdict/runtime'
import type { Membership } from './membership.ts'
import type { LogIndex, ReplicaId, Term } from './message.ts'
import type { RaftEvent } from './notice.ts'
import { RunningReplica } from './running-replica.ts'
import type { RaftSettings } from './settings.ts'
import type { StateMachine, StateSpace } from './state-machine.ts'
import type { LogStore } from './store.ts'

export interface ReplicaOptions<Result> {
  readonly id: ReplicaId
  /** The replica's own store, opened: it says who is in the group. It is closed by `stop`. */
  readonly store: LogStore
  readonly machine: StateMachine<Result>
  readonly world: World
  /** Where messages from one replica to another go: each id is a token of its own. */
  readonly subject: (from: ReplicaId, to: ReplicaId) => string
  readonly settings?: Partial<RaftSettings>
  /** Told what happens, in order. It must not throw: that stops the replica. */
  readonly onEvent?: (event: RaftEvent) => void
}

export interface RaftStatus {
  readonly role: 'leader' | 'follower' | 'candidate' | 'pre-candidate'
  readonly term: Term
  readonly leader: ReplicaId | undefined
  readonly commitIndex: LogIndex
  readonly appliedIndex: LogIndex
  readonly lastIndex: LogIndex
}

/** One running replica of a group. */
export interface Replica<Result> {
  /**
   * Puts a command into the log. Resolves with the state machine's result once it is committed and applied here. The bytes must
   * not be changed afterwards.
   * @throws NotLeaderError (certainly not proposed), OverloadedError (not proposed, try again), CommandTooLargeError,
   * ProposalUncertainError (it may be committed later), all by rejection.
   */
  propose(command: Uint8Array): Promise<Result>
  /**
   * Resolves when everything that was committed before the call is applied here, and this replica was the leader after the call.
   * @throws NotLeaderError, OverloadedError, by rejection.
   */
  confirmLeadership(): Promise<void>
  /** The state machine's space, as this replica has applied it. */
  readonly space: Pick<StateSpace, 'get' | 'list'>
  status(): RaftStatus
  /** Who is in the group, by the last entry about it in this replica's log, committed or not. */
  membership(): Membership
  /**
   * Adds a new replica whose store was made without members: as a learner first, which becomes a voter when it has caught up.
   * Resolves with the membership once that is committed. When it was interrupted, the same call goes on.
   * @throws ConfigurationError (it cannot be an id), NotLeaderError, MembershipError, ProposalUncertainError (ask for the membership),
   * by rejection.
   */
  addReplica(id: ReplicaId): Promise<Membership>
  /**
   * Removes a replica for good, a learner or a voter, this one itself too: its id must never come back. Resolves with the membership
   * once that is committed. A leader that removes itself hands over to another. Who is away meanwhile is not told when it comes back,
   * and asks in vain for votes: stop it.
   * @throws as `addReplica`
   */
  removeReplica(id: ReplicaId): Promise<Membership>
  /**
   * Lets another voter lead: the one named, or whoever has most of the log. Resolves when another leads. Meanwhile this replica takes
   * no proposals, and finishes those that it has.
   * @throws NotLeaderError, TransferError (this replica leads on), by rejection.
   */
  transferLeadership(to?: ReplicaId): Promise<void>
  /**
   * Takes no more proposals, waits for those under way as long as an election takes at least, hands the leadership over if it leads,
   * and closes the store. Idempotent.
   */
  stop(): Promise<void>
}

/**
 * Starts a replica on what its store holds.
 * @throws ConfigurationError when its settings cannot be meant so, StoreError when the store is damaged, whatever the machine's
 * `check` throws.
 */
export async function startReplica<Result>(options: ReplicaOptions<Result>): Promise<Replica<Result>> {
  return new RunningReplica(options)
}
