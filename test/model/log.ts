import { type Applied, type Command, decisions, encodeCommand, recordOf } from '@verdict/coordinator/internal'
import type { DecisionRecord, TransactionId } from '@verdict/protocol'
import type { LogIndex, StateSpace } from '@verdict/raft'

/** What a replica has applied: the state machine's space, as plain data. */
export type Space = Map<string, Uint8Array>

/** The state machine finds its space here. */
export function over(space: Space): StateSpace {
  return {
    get: (key) => space.get(key),
    put: (key, value) => space.set(key, Uint8Array.from(value)),
    delete: (key) => space.delete(key),
    list: (prefix, limit, after = '') =>
      [...space]
        .filter(([key]) => key.startsWith(prefix) && key > after)
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .slice(0, limit),
  }
}

// There is one transaction, and so one `decide` that counts: where it stands in the log says nothing.
const anyIndex = 1 as LogIndex

/** Applies a command that was committed, with the product's own state machine. */
export function applied(space: Space, command: Command): { readonly space: Space; readonly result: Applied } {
  const next = new Map(space)
  const result = decisions.apply(over(next), anyIndex, encodeCommand(command))
  return { space: next, result }
}

export function recordIn(space: Space, id: TransactionId): DecisionRecord | undefined {
  return recordOf(over(space), id)
}
