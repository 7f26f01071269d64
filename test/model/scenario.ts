import type { IdMark, ParticipantName } from '@verdict/protocol'
import type { Nature } from './participant-state.ts'
import type { Plan } from './run.ts'

/**
 * Faults, each at most this often, at any moment. Messages are lost, doubled, delayed and reordered without any bound; so a leader
 * or a client that dies needs no fault of its own: nothing it would still say arrives, and nothing reaches it.
 */
export interface Faults {
  /** Another replica leads; the one before goes on acting, with what it had applied and what it remembers. */
  readonly elections: number
  /** An instance is gone, another one starts. */
  readonly instanceCrashes: number
  /** A database loses a branch that it has prepared: what no protocol repairs, and this one has to notice. */
  readonly lostBranches: number
}

/** A world small enough that every state of it is visited. */
export interface Scenario {
  readonly name: string
  /** What happens in it that does not happen elsewhere. */
  readonly shows: string
  /** What comes about in some of its states: without that the search would show nothing. */
  readonly reaches: readonly string[]
  readonly mark: IdMark
  readonly participants: readonly (Nature & { readonly name: ParticipantName; readonly instances: number })[]
  /** The runs of the one transaction: several under a kept id. */
  readonly runs: readonly Plan[]
  readonly faults: Faults
  /** Begins when every call was answered and the commit is about to be asked for. */
  readonly isCalled: boolean
  /** A leader that is deposed goes on acting; else it is gone, with all that it remembered. */
  readonly deposedActs: boolean
  /** A leader may not learn what became of its proposal, and drops its work. */
  readonly mayStayUndecided: boolean
  /** Messages are sent again to other addresses. */
  readonly resends: boolean
  /**
   * Whether from every state one must be reachable without faults in which nothing is in doubt and nothing unsettled; without its
   * clients: though nothing of theirs arrives any more (rule R6).
   */
  readonly mustEnd: 'never' | 'with its clients' | 'without its clients'
}
