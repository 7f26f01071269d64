/** Something happened that cannot happen. The replica stops: to go on could be to lie to somebody. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** @throws InvariantError when the condition does not hold. */
export function invariant(condition: boolean, what: string): asserts condition {
  if (!condition) throw new InvariantError(`Broken invariant of Raft: ${what}`)
}
