import type { PlacedMembership } from './membership.ts'
import type { LogIndex, Term } from './message.ts'

/**
 * Says which state a snapshot holds: what the entries up to `index` have made of the space. The term is that of the last of them:
 * the same index and term mean the same bytes, whoever sends them (Raft paper, section 7; log matching, section 5.3).
 */
export interface SnapshotHeader {
  readonly index: LogIndex
  readonly term: Term
  /** Who was in the group at that index. */
  readonly membership: PlacedMembership
}

export function isSameSnapshot(one: SnapshotHeader, other: SnapshotHeader): boolean {
  return one.index === other.index && one.term === other.term
}
