import { AsyncLocalStorage } from 'node:async_hooks'
import { reasonCodes } from './outcome.ts'

/** The operation of a participant whose code is running. */
export interface OperationScope {
  readonly participant: string
  readonly operation: string
}

/**
 * Set while the code of an operation runs inside a branch, wherever that code goes. A client looks here before it begins or
 * calls anything: a transaction inside a branch would wait for locks that the branch holds.
 */
export const operationScope: AsyncLocalStorage<OperationScope> = new AsyncLocalStorage()

/** Code of an operation tried to begin, call or commit a transaction from inside its branch. */
export class NestedCallError extends Error {
  override readonly name = 'NestedCallError'
  readonly code: string = reasonCodes.nestedCall
  readonly retryable = false

  constructor(attempted: string, scope: OperationScope) {
    super(
      `${attempted} was asked for inside the operation ${scope.participant}.${scope.operation}, which runs in a branch of a ` +
        'transaction already. Operations work on their own resource only: let whoever began the transaction make the call.',
    )
  }
}

/**
 * Refuses `attempted` (for example `a call to inventory.reserve`) when it is asked for by the code of an operation.
 * @throws NestedCallError
 */
export function forbidNested(attempted: string): void {
  const scope = operationScope.getStore()
  if (scope !== undefined) throw new NestedCallError(attempted, scope)
}
