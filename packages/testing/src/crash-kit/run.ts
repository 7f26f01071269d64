/** One use of the session by an operation. */
export interface Statement {
  readonly text: string
  /** Asked for after the operation had returned. */
  readonly isLate: boolean
  hasEnded: boolean
  error: unknown
}

/** One run of the operation, as the kit saw it. */
export interface Run {
  readonly statements: Statement[]
  /** Members of the session that the operation was given, for example `sql`. */
  readonly session: readonly string[]
  /** Network connections and requests that it began, by where they went. */
  readonly network: Set<string>
  end:
    | {
        readonly failed: boolean
        /** What it returned, or threw. */
        readonly result: unknown
        /** Statements that had no answer when it returned. */
        readonly pending: readonly Statement[]
      }
    | undefined
}

export function newRun(session: readonly string[]): Run {
  return { session, statements: [], network: new Set(), end: undefined }
}

/** The first statement that the run did not wait for. Where it failed, nothing is made of what it left behind. */
export function unawaited({ statements, end }: Run): Statement | undefined {
  if (end === undefined || end.failed) return undefined
  return end.pending[0] ?? statements.find(({ isLate }) => isLate)
}
