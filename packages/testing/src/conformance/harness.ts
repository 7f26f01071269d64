import type { Resource } from '@verdict/participant'
import type { Bench } from './bench.ts'

/** What the conformance suite needs to know of a resource: how to make a fresh store, and how to get at it. */
export interface ResourceHarness<Session extends object> {
  /** What the store or the harness has no means for: sentences that need it are not checked. */
  readonly lacks: readonly Capability[]
  /** Makes an empty store, for one test. */
  create(): Promise<StoreUnderTest<Session>>
}

/** A store and the ways around Verdict into it. What is optional is there unless the harness says that it lacks it. */
export interface StoreUnderTest<Session extends object> {
  /** Whether several instances may use the store at a time. Where not, the suite stops one before it makes the next. */
  readonly isShared: boolean
  /** Makes one more instance of the resource on this store. The suite starts it. */
  instance(): Resource<Session> | Promise<Resource<Session>>
  /** Reads a key inside a branch, under a lock that a writer has to wait for, if the store has such locks. */
  read(session: Session, key: string): Promise<string | undefined>
  /** Writes a key inside a branch, under a lock that another writer has to wait for. */
  write(session: Session, key: string, value: string): Promise<void>
  /** A committed value, read outside all branches. */
  committed(key: string): Promise<string | undefined>
  /** Kills the store without warning and brings it back. Instances of before are not used any more. */
  crash(): Promise<void>
  /** Does in a branch what makes `prepare` refuse it, for example a failed statement. */
  spoil?(session: Session): Promise<void>
  /** Lets the next `prepare` of this store happen without its answer arriving. */
  losePrepareAnswer?(): void
  /** Lets the next `commit` of a branch of this store happen, or not, without its answer arriving. */
  loseCommitAnswer?(): void
  /** Replaces the store by a copy with another history that has lost nothing, and the instances' connections with it. */
  failover?(): Promise<void>
  /** A resource on a store that cannot keep a vote. */
  unfit?(): Promise<Resource<Session>>
  /** Ends the store and removes all of it. */
  dispose(): Promise<void>
}

/** The parts of a store that a harness may leave out. */
export type Capability = 'spoil' | 'losePrepareAnswer' | 'loseCommitAnswer' | 'failover' | 'unfit'

/** One sentence of the contract, and what sees that a resource keeps it. */
export interface Rule {
  readonly sentence: string
  readonly needs?: Capability
  check<Session extends object>(bench: Bench<Session>): Promise<void>
}
