import type {
  BranchList,
  CallResult,
  Digest,
  ListedBranch,
  LoneDecided,
  Nonce,
  Operation,
  Payload,
  Reason,
  Token,
  TraceContext,
  TransactionId,
} from '@verdict/protocol'
import type { Ballot } from './ballot.ts'
import type { CommitResult, PrepareResult, Row } from './resource.ts'

export type CallOutcome = CallResult['result']
export type LoneAnswer = LoneDecided['answer']

/** Where one call is to be answered. */
export interface Asker {
  /** The asker's own inbox, checked to be its own. */
  readonly inbox: string
  readonly request: number
}

/** One call of a branch, from its arrival until the branch ends. */
export interface BranchCall {
  /** Until it is started: its arguments need not be kept any longer. */
  operation: Operation | undefined
  /** When its time is over, on the instance's clock. */
  readonly endsAtMs: number
  /** Undefined until it has run; `dropped` when the value was too much to keep. */
  result: CallOutcome | 'dropped' | undefined
  askers: Asker[]
}

/**
 * `opening` → `open` → `preparing` → `prepared`, and then an outcome ends it; or `opening` → `open` → `committing`, for a lone one.
 * While `opening` it may still wait for room. `uncertain`: it is not known whether preparing succeeded. `read-only`, `over` (ended
 * without effect) and `gone` hold nothing any more; the first two can repeat their answer.
 */
export type Stage =
  | 'opening'
  | 'open'
  | 'preparing'
  | 'prepared'
  | 'committing'
  | 'uncertain'
  | 'read-only'
  | 'over'
  | 'gone'

/** The list under which a branch was asked to prepare. */
export interface SealedList {
  readonly list: BranchList
  readonly digest: Digest
}

/** How a lone branch came to be asked to commit by itself (rule R9). */
export interface LoneRequest {
  /** Who waits for the answer: the newest request replaces the one before. */
  asker: Asker
  /** An earlier copy of it may be at work elsewhere. */
  readonly again: boolean
}

/**
 * One opening of a branch at one instance (rule R5). Plain data that the `branch` files alone change; a one-shot is a branch that
 * knows all its calls, and its list, from the start.
 */
export interface Branch {
  readonly id: TransactionId
  readonly token: Token
  /** Of the client that opened it; undefined for a one-shot. */
  readonly nonce: Nonce | undefined
  readonly trace: TraceContext | undefined
  /** Whether its operations are declared read-only, all of them: of a one-shot. */
  readonly readOnly: boolean
  /** Set once it was asked to commit by itself: then no group has a say in it. */
  lone: LoneRequest | undefined
  /** When the first attempt of its transaction began, by what its client said: the older waits longer for locks (rule R7). */
  readonly begunAtMs: number
  /** Whether it keeps its locks until its end though it only reads (rule R7). */
  readonly serializable: boolean
  stage: Stage
  readonly calls: BranchCall[]
  /** Calls that were started, of which the last one may still run. */
  started: number
  running: boolean
  keptBytes: number
  sealed: SealedList | undefined
  /** The vote that was cast, for its repetition. */
  ballot: Ballot | undefined
  /** Why it is over. */
  reason: Reason | undefined
  /** When its time is over, or, while uncertain, when to look again. */
  endsAtMs: number
  lastCallAtMs: number
}

/** How long a branch may take, and how much it may keep. */
export interface BranchLimits {
  readonly graceMs: number
  readonly idleMs: number
  readonly inquireAfterMs: number
  readonly maxWaitingCalls: number
  readonly maxKeptBytes: number
}

/** A call as it arrived. */
export interface ArrivedCall {
  readonly n: number
  readonly operation: Operation
  readonly leftMs: number
  /** How long ago the first attempt of its transaction began. */
  readonly ageMs?: number | undefined
  readonly asker: Asker
}

export type BranchEvent =
  | { readonly kind: 'first-called'; readonly nonce: Nonce; readonly call: ArrivedCall }
  | { readonly kind: 'called'; readonly token: Token; readonly call: ArrivedCall }
  | { readonly kind: 'opened' }
  | { readonly kind: 'not-opened'; readonly reason: Reason }
  /** It was not opened: the resource has a row of another run of the id. */
  | { readonly kind: 'met-row' }
  | { readonly kind: 'ran'; readonly n: number; readonly result: Exclude<CallOutcome, { kind: 'busy' }> }
  /** Asked to prepare; `listed` is this participant's entry, `named` whether it names this very instance. */
  | {
      readonly kind: 'prepare-asked'
      readonly sealed: SealedList
      readonly listed: ListedBranch
      readonly named: boolean
    }
  | { readonly kind: 'prepare-ended'; readonly result: PrepareResult }
  /** Asked to commit by itself (rule R9). */
  | {
      readonly kind: 'alone-asked'
      readonly sealed: SealedList
      readonly listed: ListedBranch
      readonly named: boolean
      readonly request: LoneRequest
    }
  | { readonly kind: 'commit-ended'; readonly result: CommitResult }
  | { readonly kind: 'released'; readonly token: Token }
  /** The transaction was aborted: an open branch is dropped (rule R8). */
  | { readonly kind: 'dropped'; readonly reason: Reason }
  /** The resource has no prepared branch of this id any more, or never had. */
  | { readonly kind: 'ended' }
  /** What the resource has for an uncertain branch. */
  | { readonly kind: 'looked'; readonly row: Row }
  | { readonly kind: 'woke' }

export type BranchEffect =
  /** Open it, as soon as there is room; its time is over at `endsAtMs`. */
  | { readonly kind: 'open'; readonly endsAtMs: number }
  | { readonly kind: 'run'; readonly n: number; readonly operation: Operation; readonly leftMs: number }
  /** Write the row and make it durable, under this list, with the results of a one-shot. */
  | { readonly kind: 'prepare'; readonly sealed: SealedList; readonly results: readonly Payload[] | undefined }
  /** Commit it by itself: effects and row in one go. `rowAlways`: also when it wrote nothing. */
  | {
      readonly kind: 'commit'
      readonly sealed: SealedList
      readonly results: readonly Payload[] | undefined
      readonly rowAlways: boolean
    }
  | { readonly kind: 'rollback' }
  /** Tell the owner what became of a lone branch. */
  | { readonly kind: 'tell'; readonly asker: Asker; readonly digest: Digest; readonly answer: LoneAnswer }
  /** Make sure that nothing of the id ever commits here, and tell the owner so; or tell what is there already. */
  | { readonly kind: 'settle'; readonly asker: Asker; readonly digest: Digest; readonly reason: Reason }
  | { readonly kind: 'answer'; readonly asker: Asker; readonly n: number; readonly result: CallOutcome }
  | { readonly kind: 'vote'; readonly digest: Digest; readonly ballot: Ballot }
  /** Vote by what the resource has for the id; `otherwise` when it has nothing. */
  | { readonly kind: 'consult'; readonly sealed: SealedList; readonly otherwise: Ballot }
  /** Look in the resource whether preparing succeeded after all. */
  | { readonly kind: 'look' }
  /** It is prepared from now on. */
  | { readonly kind: 'held'; readonly sealed: SealedList }

/** Whether it may be dropped: nothing was promised yet. */
export function isOpen({ stage }: Branch): boolean {
  return stage === 'opening' || stage === 'open'
}

/** Whether a first call under this nonce opens another branch: a run may, once the one before it is over (rule R17). */
export function mayBeOpenedAnew(branch: Branch, nonce: Nonce): boolean {
  return branch.stage === 'over' && branch.nonce !== nonce
}

/** Whether a one-shot under this digest runs beside what is remembered: the same one runs once (rule R5). */
export function mayRunAnew({ stage, sealed }: Branch, digest: Digest): boolean {
  return stage === 'over' && sealed?.digest !== digest
}

/** What is known of the row from the branch alone; undefined when only the resource can tell. */
export function rowOf({ stage, sealed, token }: Branch): Row | undefined {
  if (stage === 'preparing' || stage === 'committing') return { state: 'underway' }
  if (stage !== 'prepared' || sealed === undefined) return undefined
  return { state: 'prepared', digest: sealed.digest, token, history: 'same' }
}

/** Whether it holds nothing in the resource any more, and is kept only to repeat itself. */
export function isNote({ stage }: Branch): boolean {
  return stage === 'over' || stage === 'read-only' || stage === 'gone'
}
