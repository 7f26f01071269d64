export {
  CommandTooLargeError,
  ConfigurationError,
  MalformedMessageError,
  MembershipError,
  NotLeaderError,
  OverloadedError,
  ProposalUncertainError,
  StoreError,
  type StoreErrorCode,
  TransferError,
} from './errors.ts'
export { InvariantError } from './invariant.ts'
export { initLmdbStore, type LmdbStoreOptions, openLmdbStore } from './lmdb-store.ts'
export type { Membership, PlacedMembership } from './membership.ts'
export type { Entry, LogIndex, ReplicaId, Term } from './message.ts'
export type { RaftEvent } from './notice.ts'
export { type RaftStatus, type Replica, type ReplicaOptions, startReplica } from './replica.ts'
export { defaultSettings, type RaftSettings } from './settings.ts'
export type { HardState } from './state.ts'
export type { StateMachine, StateSpace } from './state-machine.ts'
export type { LogStore, StoreBatch, StoredState, StoreIdentity } from './store.ts'
