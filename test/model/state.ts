/**
 * A state of the world: numbers of its parts' states (circumstances, log, replicas, participants, runs), then the set of all
 * messages that were ever sent, as bits. Any of them may be delivered at any time, again and again, or never: loss, doubling,
 * delay and reordering in one.
 */
export type State = readonly number[]

export interface Successor {
  readonly state: State
  /** The message that was delivered, if one was. */
  readonly delivered: number | undefined
  /** What happened, for a trace. */
  readonly label: () => string
  readonly isFault: boolean
  /** Numbers of the messages that were not there before. */
  readonly sent: readonly number[]
}

/** The number of a part's state. */
export function at(state: State, slot: number): number {
  const number = state[slot]
  if (number === undefined) throw new Error('Broken invariant: a state lacks a part.')
  return number
}

export function isSame(one: State, other: State): boolean {
  return one.length === other.length && one.every((number, slot) => number === other[slot])
}
