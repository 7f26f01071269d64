import type {
  Digest,
  Epoch,
  GroupId,
  Outcome,
  ParticipantName,
  Payload,
  Reason,
  Token,
  TraceContext,
  TransactionId,
} from '@verdict/protocol'

/**
 * The contract between Verdict and a durable store. Read this page before writing a resource; the conformance suite in
 * `@verdict/testing` checks every sentence of it.
 *
 * A resource keeps, for each branch that it prepared or ended, one *row*: unique by transaction id, written in the branch's own local
 * transaction, holding digest, token and results. Where the store cannot show a row of a prepared branch (PostgreSQL), the name of
 * the prepared transaction carries id, digest and token instead.
 *
 * Rows do not stay for ever (rule R12). For each group of coordinators a resource keeps a *floor*: an epoch. Ids with this epoch or a
 * lower one have had their time, and only such rows are ever deleted. What keeps a deleted branch from happening again is an order:
 * whoever writes a row writes it *first*, and *then* reads the floor, as it is after the row was written, not as it was when the
 * local transaction began. Whoever so finds no row of an old id because it was deleted finds the floor that let it be deleted, and
 * ends without effect: `expired`.
 *
 * "Durable" means: survives a power cut, as far as the resource's `durability` says.
 */
export interface Resource<Session extends object> {
  /**
   * Connects, makes the tables it needs, and checks that the store can keep a vote. Called once, before anything else.
   * @throws ResourceUnfitError when the store cannot keep its promise; its message says how to mend it.
   */
  start(context: ResourceContext): Promise<ResourceFacts>

  /**
   * Opens a branch: a local transaction in which operations run. Nothing of Verdict's is written yet. It ends by `prepare`,
   * `commit` or `rollback`; a crash of the process, or of the store, ends it without effect.
   * @throws ResourceRefusal when there is no room for another one.
   */
  open(options: OpenOptions): Promise<OpenBranch<Session>>

  /**
   * Ends the branch prepared under exactly this id, digest and token, and no other.
   * `committed`: its effects and a row `committed` are final and durable when this resolves with `done`.
   * `aborted`: its effects are gone and a row `aborted` is durable, or needless below the floor. `discarded`: its effects are gone
   * and no row stays.
   * `absent`: no such branch is prepared; nothing was changed: look. `busy`: not known or not possible now, try again later.
   */
  finish(branch: BranchKey, ending: Outcome | 'discarded'): Promise<'done' | 'absent' | 'busy'>

  /**
   * What is there for this id. What it returns is durable by the time it resolves: whoever sees `prepared` may vote, whoever sees
   * `committed` or `aborted` may acknowledge. Never `nothing` while a branch of the id is prepared or a row is there.
   */
  look(id: TransactionId): Promise<Row>

  /** The branches of this participant that have been prepared for at least `minAgeMs`, oldest first, at most `limit` of them. */
  inDoubt(minAgeMs: number, limit: number): Promise<readonly HeldRow[]>

  /**
   * Makes a row `aborted` durable, so that no branch of this id can be prepared any more.
   * `exists`: another row or a prepared branch is there, nothing was changed: look. `busy`: one is under way, try again later.
   * `expired`: the floor keeps branches of this id from being prepared, no row is needed and none was written.
   */
  tombstone(id: TransactionId, digest: Digest): Promise<'done' | 'exists' | 'busy' | 'expired'>

  /**
   * Makes this the floor of the group, unless it has that floor or a higher one, and durable. A floor never falls.
   * `raised`: it was lower before. `stood`: it was not, perhaps since another instance was here first.
   */
  raiseFloor(group: GroupId, floor: Epoch): Promise<'raised' | 'stood'>

  /** The floor of each group that has one. */
  floors(): Promise<ReadonlyMap<GroupId, Epoch>>

  /**
   * Goes through the rows of a group at or below its floor, `limit` of them from behind `after` (from the oldest on without it), in an
   * order that stays. Tombstones, and rows of lone transactions, are deleted; committed rows of logged transactions are returned, since
   * only their group knows whether they are needed any more. Prepared branches are not rows, and nothing becomes of them.
   */
  collect(group: GroupId, limit: number, after?: TransactionId): Promise<Collected>

  /** Deletes the named committed rows of logged transactions, of any group, as far as they are at or below its floor. */
  forget(ids: readonly TransactionId[]): Promise<void>

  /**
   * Why the store threw this inside an operation (a lock time-out, a deadlock, a constraint); undefined when it did not. Of a lock it
   * says who held it, as far as the store can tell.
   */
  explain(error: unknown): Reason | undefined

  /** Closes connections. Prepared branches stay as they are; open ones end without effect. */
  stop(): Promise<void>
}

export interface ResourceContext {
  readonly participant: ParticipantName
}

/** What a resource says of itself at its start. */
export interface ResourceFacts {
  /** Said with every vote. `weak` only when the operator's configuration allowed it by name. */
  readonly durability: 'full' | 'weak'
  /** Branches of one instance that may be open or prepared at a time, well below what the store has room for. */
  readonly capacity: number
}

export interface OpenOptions {
  /** How long a statement may wait for a lock before it fails. */
  readonly lockTimeoutMs: number
  /** Whether the store is to refuse whatever the operations try to write: they are declared read-only. False unless said. */
  readonly readOnly?: boolean
  /** Whose branch it is, so that others can be told who holds what they wait for. */
  readonly id?: TransactionId
}

/** A branch whose operations are running. `prepare` and `commit` are called only while none runs; `rollback` at any time. */
export interface OpenBranch<Session extends object> {
  /**
   * What operations work with, for example `{ sql }`, a connection inside the local transaction: a plain object, whose members
   * become members of the operation's context. Once `prepare`, `commit` or `rollback` was called it refuses whatever is asked of it (an
   * operation may still run, or have left a statement behind): nothing of the user's may reach the store outside the branch.
   */
  readonly session: Session
  /**
   * Makes effects and row durable, or ends the branch. It may be called once, after the last operation.
   * `prepared`: effects and row are durable, and will outlive this process; locks are kept until `finish`.
   * `read-only`: nothing was written; the branch has ended, locks are gone, no row is kept. Never when the note says `serializable`.
   * `refused`: the branch has ended without effect, for certain.
   * `exists`: a row of this id, or a prepared branch, is there already; this branch has ended without effect: look.
   * `expired`: there is none, and the id is at or below the floor; this branch has ended without effect.
   * `busy`: a row of this id is under way elsewhere, or it is not known whether preparing succeeded. This branch object is
   * finished; if it was prepared after all, `inDoubt` and `look` will show it. Never roll it back on one's own.
   */
  prepare(note: BranchNote): Promise<PrepareResult>
  /**
   * Ends the branch of a lone transaction (rule R9): effects and a row `committed`, mode `lone`, in the branch's own local
   * transaction, with one flush and nothing prepared. It may be called once, after the last operation, instead of `prepare`.
   * `committed`: effects and row are final and durable, locks are gone.
   * `read-only`: nothing was written; the branch has ended, locks are gone, no row is kept. Never with `rowAlways`.
   * `refused`: the branch has ended without effect, for certain.
   * `exists`: a row of this id, or a prepared branch, is there already; this branch has ended without effect: look.
   * `expired`: there is none, and the id is at or below the floor; this branch has ended without effect.
   * `busy`: a row of this id is under way elsewhere, or it is not known whether committing succeeded. This branch object is
   * finished. A `tombstone` tells: while the commit may still happen it says `busy`, after it `exists` (`expired`, once its row was
   * deleted), and `done` only if it never will.
   */
  commit(note: CommitNote): Promise<CommitResult>
  /**
   * Ends the branch without effect, also while an operation still runs in it (its time is over): a statement under way may end
   * first. Resolves when the branch's locks are gone. Idempotent, never rejects; harmless after `prepare` and `commit`.
   */
  rollback(): Promise<void>
}

export type PrepareResult =
  | { readonly kind: 'prepared' | 'read-only' | 'exists' | 'busy' | 'expired' }
  | { readonly kind: 'refused'; readonly reason: Reason }

export type CommitResult =
  | { readonly kind: 'committed' | 'read-only' | 'exists' | 'busy' | 'expired' }
  | { readonly kind: 'refused'; readonly reason: Reason }

/** Names one prepared branch. */
export interface BranchKey {
  readonly id: TransactionId
  readonly digest: Digest
  readonly token: Token
}

/** What is written with a branch when it is prepared. */
export interface BranchNote extends BranchKey {
  /** Values of a one-shot's operations, so that a repeated vote or acknowledgement can carry them. */
  readonly results?: readonly Payload[]
  readonly trace?: TraceContext
  /** A branch that wrote nothing is prepared too, and keeps its locks until `finish` (rule R7). */
  readonly serializable?: true
}

/** What is written with a branch that commits alone. */
export interface CommitNote extends BranchNote {
  /** Whether a branch that wrote nothing keeps a row too: executed again it might write (rule R9). */
  readonly rowAlways: boolean
}

/** A prepared branch, as `inDoubt` finds it. */
export interface HeldRow extends BranchKey {
  readonly history: History
  readonly trace?: TraceContext
}

/** What one step through the rows at or below a floor came to. */
export interface Collected {
  /** Rows that were deleted. */
  readonly deleted: number
  /** Committed rows of logged transactions, which are still there. */
  readonly logged: readonly BranchKey[]
  /** Where to go on; undefined when no more rows are at or below the floor. */
  readonly last: TransactionId | undefined
}

/**
 * Whether the store is still the one that prepared the branch (the same server on the same timeline). After a failover it is
 * `changed`, and only a real outcome may end the branch (rule R13).
 */
export type History = 'same' | 'changed'

/** Who decided a committed branch: its own row, or its group's log. */
export type Mode = 'lone' | 'logged'

/** What a resource has for an id. */
export type Row =
  | { readonly state: 'nothing' }
  | {
      readonly state: 'prepared'
      readonly digest: Digest
      readonly token: Token
      readonly history: History
      /** Where the store shows them before the end. */
      readonly results?: readonly Payload[]
    }
  | {
      readonly state: 'committed'
      /** Whether the branch was a whole transaction, committed alone, or one that its group decided. */
      readonly mode: Mode
      readonly digest: Digest
      readonly token: Token
      readonly results?: readonly Payload[]
    }
  | { readonly state: 'aborted' }
  /** Somebody is about to write the row: ask again later. */
  | { readonly state: 'underway' }

/** The store cannot be used for voting as it is. The message says what was found, what was expected and how to mend it. */
export class ResourceUnfitError extends Error {
  override readonly name = 'ResourceUnfitError'
  readonly code = 'resource-unfit'
}

/** The resource refused a branch for a reason that the caller is told. */
export class ResourceRefusal extends Error {
  override readonly name = 'ResourceRefusal'
  readonly code = 'resource-refused'
  readonly reason: Reason

  constructor(reason: Reason, options?: ErrorOptions) {
    super(reason.message, options)
    this.reason = reason
  }
}
