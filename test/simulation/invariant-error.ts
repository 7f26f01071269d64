/** A promise was broken. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}
