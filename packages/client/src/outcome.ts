import { type Reason, sealList } from '@verdict/protocol'
import { loneBranch } from './alone.ts'
import { type Committed, commit, findBefore } from './commit.ts'
import { Tally } from './cost.ts'
import { ClientError, type Doubt, InDoubt, isTransactionAborted } from './errors.ts'
import type { Group, Line } from './group.ts'
import { graceMs } from './options.ts'
import type { Receipt } from './receipt.ts'

/** What a transaction that was in doubt has come to. It is final. */
export type Outcome =
  | { readonly outcome: 'committed'; readonly receipt: Receipt }
  | { readonly outcome: 'aborted'; readonly reason: Reason }

export interface OutcomeRequest {
  readonly deadlineMs: number
  readonly signal: AbortSignal | undefined
}

/**
 * Asks what became of a transaction in doubt: the group, or the participant that decides a lone one, which makes sure that it never
 * commits if it has not.
 * @throws InDoubt when that is still not known; CommittedWithHazards; ClientError `bad-option` for a doubt that is none
 */
export async function findOutcome(line: Line, group: Group, doubt: Doubt, request: OutcomeRequest): Promise<Outcome> {
  const { id, lone } = doubt
  try {
    const found =
      lone === undefined ? await findBefore(line, { id, ...request }) : await ask(line, group, { id, lone }, request)
    if (found !== undefined) return { outcome: 'committed', receipt: found.receipt }
  } catch (error) {
    if (!isTransactionAborted(error)) throw error
    return { outcome: 'aborted', reason: error.reason }
  }
  throw new InDoubt(id, 'its group has recorded nothing of it so far', { kept: false })
}

/** Without operations nothing of a one-shot runs any more: it is told what is there. */
function ask(
  line: Line,
  group: Group,
  { id, lone }: Required<Doubt>,
  { deadlineMs, signal }: OutcomeRequest,
): Promise<Committed> {
  const list = sealList(lone)
  if (loneBranch(id, list) === undefined) {
    throw new ClientError('bad-option', `${id} is not lone: expected the doubt of an InDoubt, kept unchanged.`)
  }
  const tally = new Tally(() => line.world.clock.nowMs())
  const times = { begunAtMs: line.world.clock.nowMs(), endsAtMs: deadlineMs - graceMs }
  return commit(line, group, { id, list, wait: 'decided', ...times, signal, tally })
}
