import { type Digest, type Reason, reasonCodes, type Vote } from '@verdict/protocol'
import type { Row } from './resource.ts'

type WithoutInstance<V> = V extends unknown ? Omit<V, 'instance'> : never

/** A vote before the instance that casts it, and the durability of its resource, are written on it. */
export type Ballot =
  | Omit<Extract<Vote, { kind: 'prepared' }>, 'instance' | 'durability'>
  | WithoutInstance<Exclude<Vote, { kind: 'prepared' }>>

export const busyNothing: Ballot = { kind: 'busy', found: 'nothing' }
export const busyUnderway: Ballot = { kind: 'busy', found: 'underway' }

export function refusedBallot(reason: Reason): Ballot {
  return { kind: 'refused', reason }
}

export const unknownBranch: Reason = {
  code: reasonCodes.unknownBranch,
  message:
    'The branch is not there as the list names it: it ended, or it executed other calls. Run the transaction again.',
  retryable: true,
}

const otherList: Reason = {
  code: reasonCodes.conflict,
  message: 'A branch of this transaction was prepared under another list. Look at the transaction.',
  retryable: false,
}

const alreadyAborted: Reason = {
  code: reasonCodes.unknownBranch,
  message: 'This transaction was aborted here already.',
  retryable: true,
}

/** The vote for a list with this digest, from what the resource has (rules R4, R5); `otherwise` when it has nothing. */
export function ballotFor(row: Row, digest: Digest, otherwise: Ballot): Ballot {
  switch (row.state) {
    case 'prepared':
      if (row.digest !== digest) return refusedBallot(otherList)
      return { kind: 'prepared', token: row.token, ...(row.results === undefined ? {} : { results: row.results }) }
    case 'committed':
      // It is decided: whoever asks finds the record. A vote again would promise what is done.
      return row.digest === digest ? busyUnderway : refusedBallot(otherList)
    case 'aborted':
      return refusedBallot(alreadyAborted)
    case 'underway':
      return busyUnderway
    case 'nothing':
      return otherwise
  }
}

/** The vote of a branch that this instance prepared, for a list with this digest (rule R4). */
export function repeatFor(prepared: { readonly digest: Digest; readonly ballot: Ballot }, digest: Digest): Ballot {
  return prepared.digest === digest ? prepared.ballot : refusedBallot(otherList)
}
