import type { Collected } from '@verdict/participant'
import { type GroupId, idsUpTo, type ParticipantName, type TransactionId } from '@verdict/protocol'
import type { JournalRow, Tables } from './tables.ts'

/** Rows of a group at or below its floor, from behind `after`, in an order that stays. */
export function passing(
  tables: Tables,
  participant: ParticipantName,
  group: GroupId,
  after: TransactionId | undefined,
): readonly JournalRow[] {
  const floor = tables.floor(participant, group)
  if (floor === undefined) return []
  const rows = [...tables.rows.values()].filter((row) => row.participant === participant)
  const ordered = rows.toSorted((a, b) => (a.id < b.id ? -1 : 1))
  return idsUpTo(group, floor, after).flatMap((range) =>
    ordered.filter(({ id }) => range.after < id && id < range.before),
  )
}

/** What a step that passed these rows came to. */
export function collectedOf(passed: readonly JournalRow[], limit: number): Collected {
  const logged = passed.filter(isLogged).flatMap(({ id, digest, token }) => (token ? [{ id, digest, token }] : []))
  return {
    deleted: passed.length - logged.length,
    logged,
    last: passed.length < limit ? undefined : passed.at(-1)?.id,
  }
}

export function isLogged({ state, mode }: JournalRow): boolean {
  return state === 'committed' && mode !== 'lone'
}
