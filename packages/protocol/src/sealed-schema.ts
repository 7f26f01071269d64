import type { z } from 'zod'
import type { TransactionId } from './id.ts'
import { maxOperationsBytes } from './limits.ts'
import { type BranchList, type Digest, digestOf, type Operation, operationsHash } from './list.ts'
import { isLone } from './lone.ts'

type Context = z.RefinementCtx<unknown>

/** What a group is to decide, or asks a vote for, is no lone transaction (rules R4, R9). */
export function checkForGroup(
  sealed: { readonly id: TransactionId; readonly list: BranchList; readonly digest: Digest },
  context: Context,
): void {
  checkDigest(sealed, context)
  if (isLone(sealed.id, sealed.list))
    refuse(context, 'list', 'expected two branches or more: a group decides one branch only under an id that is kept')
}

export function checkDigest(
  sealed: { readonly id: TransactionId; readonly list: BranchList; readonly digest: Digest },
  context: Context,
): void {
  if (digestOf(sealed.id, sealed.list) !== sealed.digest)
    refuse(context, 'digest', 'expected the digest of id and list')
}

export function checkOperations(
  list: BranchList,
  operations: readonly (readonly Operation[])[],
  context: Context,
): void {
  if (operations.length !== list.length) {
    refuse(context, 'operations', `expected operations for each of the ${list.length} branches`)
    return
  }
  const bytes = operations.flat().reduce((sum, { args }) => sum + args.length, 0)
  if (bytes > maxOperationsBytes) refuse(context, 'operations', `expected at most ${maxOperationsBytes} bytes in all`)
  const stranger = list.findIndex(
    (branch, place) => branch.kind !== 'oneShot' || branch.operations !== operationsHash(operations[place] ?? []),
  )
  if (stranger !== -1)
    refuse(context, 'operations', `expected those that branch ${stranger} of the list has the hash of`)
}

export function refuse(context: Context, field: string, message: string): void {
  context.addIssue({ code: 'custom', path: [field], message })
}
