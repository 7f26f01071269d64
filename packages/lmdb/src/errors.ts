/** An operation asked for more than a store takes. Trying again does not help. */
export class LmdbLimitError extends Error {
  override readonly name = 'LmdbLimitError'
  readonly code = 'lmdb-limit'
}

/** An operation that is declared read-only tried to write. */
export class LmdbReadOnlyError extends Error {
  override readonly name = 'LmdbReadOnlyError'
  readonly code = 'lmdb-read-only'

  constructor(key: string) {
    super(
      `${JSON.stringify(key)} cannot be changed by an operation that is declared read-only: leave out \`readOnly\`.`,
    )
  }
}

/** A write did not succeed, so that nobody knows what is on disk: the process has to start again and read it. */
export class LmdbBrokenError extends Error {
  override readonly name = 'LmdbBrokenError'
  readonly code = 'lmdb-broken'

  constructor(cause: unknown) {
    super(
      `A write to the store failed (${String(cause)}). Since what is on disk is not known any more, nothing more is promised ` +
        'until the process starts again. See that the disk has room and is sound.',
      { cause },
    )
  }
}
