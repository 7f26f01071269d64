import type { TransactionId } from '@verdict/protocol'
import { ClientError } from './errors.ts'

/** Long enough for people's patience, short enough that locks do not stand for minutes. */
const defaultBudgetMs = 10_000

/** How long after the budget an outcome is still asked for: it is nearly always there, and in doubt is nobody's wish. */
export const graceMs = 5_000

/** How a transaction is to be run. */
export interface TransactionOptions {
  /**
   * Time for all of it, calls and votes; the group aborts what is not decided by then. 10 s unless said, at most 20 minutes, or a
   * third of the time that the group keeps what is settled if that is less.
   */
  readonly budgetMs?: number
  /**
   * When to be answered: once it is decided (the default), or once every branch has applied it too, so that everybody sees its
   * effects.
   */
  readonly wait?: 'decided' | 'applied'
  /** Ends the waiting. Before commit is asked for it aborts the transaction; after that it decides nothing and gives `InDoubt`. */
  readonly signal?: AbortSignal
}

/** A transaction under an id that was made by `newId()` and kept: it takes effect at most once, however often it is run. */
export interface KeptTransactionOptions extends TransactionOptions {
  readonly id: string
}

/** Options with nothing left open. */
export interface Plan {
  readonly id: TransactionId
  /** Whether the caller keeps the id. */
  readonly kept: boolean
  readonly budgetMs: number
  readonly wait: 'decided' | 'applied'
  readonly signal: AbortSignal | undefined
}

/** @throws ClientError `bad-option` */
export function checkOptions(
  { budgetMs, wait, signal }: TransactionOptions,
  mostMs: number,
): Omit<Plan, 'id' | 'kept'> {
  const bad = (name: string, found: unknown, expected: string): ClientError =>
    new ClientError('bad-option', `${name} is ${String(found)}: expected ${expected}.`)
  const budget = budgetMs ?? Math.min(defaultBudgetMs, mostMs)
  if (!Number.isInteger(budget) || budget < 1 || budget > mostMs) {
    throw bad('budgetMs', budgetMs, `whole milliseconds from 1 to ${mostMs}, the most that this group allows`)
  }
  if (wait !== undefined && wait !== 'decided' && wait !== 'applied') throw bad('wait', wait, "'decided' or 'applied'")
  if (signal !== undefined && !(signal instanceof AbortSignal)) throw bad('signal', signal, 'an AbortSignal')
  return { budgetMs: budget, wait: wait ?? 'decided', signal }
}
