import type { StateSpace } from '@verdict/raft'
import { Packr } from 'msgpackr'

/**
 * The newest format that this program reads. A format says which kinds of commands a log may hold, which fields have a meaning in
 * them, and in which form records lie in the space. A later release that adds to any of these takes the next number.
 */
export const newestFormat = 1

/** The format of every group that was never raised. */
export const firstFormat = 1

const key = 'group/format'
const packr = new Packr({ useRecords: false })

/** The group's state holds what this program cannot read. The replica must stop: to guess would be to diverge. */
export class UnreadableStateError extends Error {
  override readonly name = 'UnreadableStateError'
  readonly code = 'unreadable-state'

  constructor(found: string, newest: number) {
    super(
      `The group's state has ${found}, this replica reads formats up to ${newest}. It applied nothing of that. Start the newer ` +
        'release here, on the same store.',
    )
  }
}

/** The group's format: everybody writes in this one, and reads all up to it. */
export function formatOf(space: Pick<StateSpace, 'get'>): number {
  const bytes = space.get(key)
  return bytes === undefined ? firstFormat : (packr.unpack(bytes) as number)
}

/**
 * Raises the group's format; it never goes down.
 * @throws UnreadableStateError when a replica that reads up to `newest` cannot follow.
 */
export function raiseFormat(space: StateSpace, to: number, newest: number): void {
  if (to > newest) throw new UnreadableStateError(`been raised to format ${to}`, newest)
  if (to > formatOf(space)) space.put(key, packr.pack(to))
}

/** @throws UnreadableStateError when a space, of a store or of a snapshot, is of a format beyond `newest`. */
export function checkFormat(space: Pick<StateSpace, 'get'>, newest: number): void {
  const format = formatOf(space)
  if (format > newest) throw new UnreadableStateError(`format ${format}`, newest)
}

/**
 * A record as it was read. One of a later form than the first says so in its field `form`: the format that its form came with.
 * @throws UnreadableStateError when that is beyond what this program reads.
 */
export function checkForm<R extends object>(record: R & { readonly form?: number }, place: string): R {
  if (record.form !== undefined && record.form > newestFormat) {
    throw new UnreadableStateError(`a record of form ${record.form} (${place})`, newestFormat)
  }
  return record
}
