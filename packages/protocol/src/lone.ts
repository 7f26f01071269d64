import { parseId, type TransactionId } from './id.ts'

/**
 * Whether a transaction with these branches is *lone*: one branch, under an id that no caller keeps. Its participant decides it by
 * its own row (rule R9), the group never; all others are decided by the group alone. So the two never meet.
 */
export function isLone(id: TransactionId, branches: readonly unknown[]): boolean {
  return branches.length === 1 && parseId(id).mark === 'once'
}
