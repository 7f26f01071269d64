import type { Reason } from '@verdict/protocol'
import { isCommittedWithHazards, isInDoubt, isTransactionAborted } from './errors.ts'
import type { Receipt } from './receipt.ts'

type Told = Pick<Reason, 'code' | 'message'>

/** How a transaction or a call ended, for its span and its metric. */
export interface Ending {
  readonly outcome?: 'committed' | 'aborted' | 'in-doubt' | 'hazard'
  readonly path?: Receipt['path']
  /** Why, where that is no failure of what ended: a group that tells of an abort has done its work. */
  readonly reason?: Told
  readonly failure?: Told
  /** What the caller's own code threw, or what no code of an error tells. */
  readonly exception?: Error
}

/** The ending of what threw this. It has no outcome when nothing was begun, or when it was no transaction. */
export function endingOf(error: unknown): Ending {
  if (isTransactionAborted(error)) {
    const { reason, cause } = error
    return { outcome: 'aborted', failure: reason, ...(cause instanceof Error && { exception: cause }) }
  }
  if (isInDoubt(error)) return { outcome: 'in-doubt', failure: error }
  if (isCommittedWithHazards(error)) return { outcome: 'hazard', failure: error }
  if (!(error instanceof Error)) return { failure: unexpected(String(error)) }
  const { message } = error
  if ('code' in error && typeof error.code === 'string') return { failure: { code: error.code, message } }
  return { failure: unexpected(message), exception: error }
}

function unexpected(message: string): Told {
  return { code: 'unexpected', message }
}
