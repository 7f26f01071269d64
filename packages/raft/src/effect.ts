import type { PlacedMembership, Unchangeable } from './membership.ts'
import type { Entry, LogIndex, Message, ReplicaId, Term } from './message.ts'
import type { RaftEvent } from './notice.ts'
import type { RaftSettings } from './settings.ts'
import type { SnapshotHeader } from './snapshot-header.ts'
import type { HardState } from './state.ts'
import type { StagedChunk } from './store.ts'

/** The setting whose bound was met. */
export type OverloadLimit = keyof Pick<
  RaftSettings,
  'maxUncommittedEntries' | 'maxUncommittedBytes' | 'maxReadsWaiting'
>

/** Why a proposal or a read was not taken. */
export type Refusal = 'notLeader' | OverloadLimit

/** Why a change of the membership was not taken; the first five may pass when tried again. */
export type ChangeRefusal =
  | 'notLeader'
  | 'changeUnderWay'
  | 'termNotOpen'
  | 'notCaughtUp'
  | 'tooFewAlive'
  | Unchangeable

/** What came of a transfer: `done` when another leader was heard; else this replica leads on if it led. */
export type TransferOutcome = 'done' | 'notLeader' | 'underWay' | 'noVoter' | 'unreachable' | 'timedOut'

/**
 * What the core wants done, in this order. What must not be said before a flush does not appear before the event
 * `persisted` that it waits for: everything here may be done at once.
 */
export type Effect =
  | { readonly kind: 'send'; readonly to: ReplicaId; readonly message: Message }
  /**
   * Write all this in one batch, entries in place of whatever the log holds from the first of them on, and say `persisted` when
   * the disk has it. At most one is under way.
   */
  | {
      readonly kind: 'persist'
      readonly write: number
      readonly hardState: HardState
      readonly entries: readonly Entry[]
      /**
       * As of the last entry that was given out to be applied: what was made of all of them goes with it. Undefined when a later write
       * takes that.
       */
      readonly membership: PlacedMembership | undefined
      /** Values of a snapshot, to be staged with it. */
      readonly chunk: StagedChunk | undefined
      /** What follows it is needed by followers that catch up: forget nothing of that. */
      readonly neededIndex: LogIndex | undefined
    }
  /** Put the staged snapshot in the place of log and space, in one atomic write, and say `persisted` when the disk has it. */
  | {
      readonly kind: 'install'
      readonly write: number
      readonly hardState: HardState
      readonly header: SnapshotHeader
    }
  /** These are committed: give their commands to the state machine, in this order, now. */
  | { readonly kind: 'apply'; readonly entries: readonly Entry[] }
  /** Read the entries after `prevIndex` from the store, and say `loaded`; or `compacted`, if they are gone. */
  | { readonly kind: 'load'; readonly to: ReplicaId; readonly prevIndex: LogIndex }
  /**
   * Read values after a position of the snapshot that is open for a follower, and say `snapshotRead`; without a header, or with
   * another one's, open a new one and begin with it.
   */
  | {
      readonly kind: 'readSnapshot'
      readonly to: ReplicaId
      readonly header: SnapshotHeader | undefined
      readonly after: string
    }
  /** Close the snapshot that is open for a follower, if there is one. */
  | { readonly kind: 'releaseSnapshot'; readonly to: ReplicaId }
  | { readonly kind: 'proposalTaken'; readonly proposal: number; readonly term: Term; readonly index: LogIndex }
  | { readonly kind: 'proposalRefused'; readonly proposal: number; readonly why: Refusal }
  | { readonly kind: 'changeTaken'; readonly proposal: number; readonly index: LogIndex }
  | { readonly kind: 'changeRefused'; readonly proposal: number; readonly why: ChangeRefusal }
  | { readonly kind: 'transferEnded'; readonly transfer: number; readonly outcome: TransferOutcome }
  /** This replica was the leader after the question, and has applied everything committed before it. */
  | { readonly kind: 'readConfirmed'; readonly read: number }
  | { readonly kind: 'readRefused'; readonly read: number; readonly why: Refusal }
  /** What was proposed here, commands and changes, and is not applied yet may or may not be committed by others. */
  | { readonly kind: 'proposalsUncertain' }
  | { readonly kind: 'notice'; readonly event: RaftEvent }
