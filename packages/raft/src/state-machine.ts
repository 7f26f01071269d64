import type { LogIndex } from './message.ts'

/**
 * The ordered key-value space that a replicated state machine keeps. It lives in the same store as the log, so that one flush
 * serves both; reads see every earlier write, flushed or not. Keys are compared by their UTF-16 code units and have at most 400
 * of them, printable ASCII only. A value has at most 512 KiB.
 */
export interface StateSpace {
  get(key: string): Uint8Array | undefined
  put(key: string, value: Uint8Array): void
  delete(key: string): void
  /** Entries whose key starts with `prefix`, in key order, at most `limit` of them, those after the key `after` only. */
  list(prefix: string, limit: number, after?: string): readonly (readonly [key: string, value: Uint8Array])[]
}

/** What the log replicates. Deterministic: the same commands in the same order leave the same space, on every replica. */
export interface StateMachine<Result> {
  /**
   * Looks at a space that others may have written: at start, and when a snapshot took the place of what was there. Throwing keeps
   * the replica from starting, or stops it, before anything is applied to what the machine cannot read.
   */
  check?(space: Pick<StateSpace, 'get'>): void
  /**
   * Applies one committed command and returns what whoever proposed it is told. Reads and writes nothing but `space`; draws no
   * randomness and reads no clock. Throwing stops the replica: to guess would be to diverge.
   */
  apply(space: StateSpace, index: LogIndex, command: Uint8Array): Result
}
