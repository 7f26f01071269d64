import type { TransactionId } from '@verdict/protocol'
import { ClientError } from './errors.ts'
import type { RetryPolicy } from './retry.ts'

/** Long enough for people's patience, short enough that locks do not stand for minutes. */
const defaultBudgetMs = 10_000

/** How long after the budget an outcome is still asked for: it is nearly always there, and in doubt is nobody's wish. */
export const graceMs = 5_000

/** How a transaction is to be run. */
export interface TransactionOptions {
  /**
   * Time for all of it, calls and votes and every attempt; the group aborts what is not decided by then. 10 s unless said, at most 20
   * minutes, or a third of the time that the group keeps what is settled if that is less.
   */
  readonly budgetMs?: number
  /**
   * When to be answered: once it is decided (the default), or once every branch has applied it too, so that everybody sees its
   * effects.
   */
  readonly wait?: 'decided' | 'applied'
  /** Ends the waiting. Before commit is asked for it aborts the transaction; after that it decides nothing and gives `InDoubt`. */
  readonly signal?: AbortSignal
  /** Whether an aborted transaction is run again: `never` unless said. The function runs anew each time. */
  readonly retry?: RetryPolicy
}

/**
 * A transaction under an id that was made by `newId()` and kept: it takes effect at most once, however often it is run. Whether to
 * try again under another id is the caller's decision.
 */
export interface KeptTransactionOptions extends Omit<TransactionOptions, 'retry'> {
  readonly id: string
}

/** How the operations of a `submit` are to be run. */
export interface SubmitOptions {
  /**
   * Participants run their operations one after another, in the order of their names: transactions that are all ordered so, and lock in
   * the same order inside each participant, never wait for each other in a circle. It costs a round trip for each participant.
   */
  readonly ordered?: boolean
  /** With `serializable` participants that only read keep their locks until the end as well, so that no other sees half of it. */
  readonly isolation?: 'serializable'
}

/** Options with nothing left open. */
export interface Plan {
  readonly id: TransactionId
  /** Whether the caller keeps the id. */
  readonly kept: boolean
  readonly budgetMs: number
  readonly wait: 'decided' | 'applied'
  readonly signal: AbortSignal | undefined
  readonly retry: RetryPolicy
  /** When its first attempt began, by the client's monotonic clock: the older waits longer for locks (rule R7). */
  readonly begunAtMs: number
  readonly ordered: boolean
  readonly isolation: 'serializable' | undefined
}

type Checked = Omit<Plan, 'id' | 'kept' | 'begunAtMs'>

/** @throws ClientError `bad-option` */
export function checkOptions(options: TransactionOptions & SubmitOptions, mostMs: number): Checked {
  const { budgetMs, wait, signal, retry = 'never', ordered = false, isolation } = options
  const bad = (name: string, found: unknown, expected: string): ClientError =>
    new ClientError('bad-option', `${name} is ${String(found)}: expected ${expected}.`)
  const budget = budgetMs ?? Math.min(defaultBudgetMs, mostMs)
  if (!Number.isInteger(budget) || budget < 1 || budget > mostMs) {
    throw bad('budgetMs', budgetMs, `whole milliseconds from 1 to ${mostMs}, the most that this group allows`)
  }
  if (wait !== undefined && wait !== 'decided' && wait !== 'applied') throw bad('wait', wait, "'decided' or 'applied'")
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw bad('signal', signal, 'an AbortSignal')
  if (retry !== 'never' && retry !== 'contention' && retry !== 'retryable') {
    throw bad('retry', retry, "'never', 'contention' or 'retryable'")
  }
  if (typeof ordered !== 'boolean') throw bad('ordered', ordered, 'true or false')
  if (isolation !== undefined && isolation !== 'serializable') throw bad('isolation', isolation, "'serializable'")
  return { budgetMs: budget, wait: wait ?? 'decided', signal, retry, ordered, isolation }
}
