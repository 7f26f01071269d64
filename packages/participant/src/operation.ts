import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { OperationContract, TransactionId } from '@verdict/protocol'

/** What every operation gets beside the members of its resource's session. */
export interface OperationContext {
  /** The transaction that the branch belongs to. */
  readonly id: TransactionId
  /** Aborted when the time of the call is over, or the branch has ended: pass it on to whatever waits. */
  readonly signal: AbortSignal
}

/**
 * One operation, as its author writes it. It runs inside the branch: what it does through the session becomes final only if the
 * whole transaction is committed, and may run several times before that. What it does elsewhere is not covered.
 */
export interface OperationDefinition<Session extends object, Schema extends StandardSchemaV1, Output> {
  /** Any Standard Schema (zod, valibot, arktype, …). Input that does not pass refuses the call before `run`. */
  readonly input: Schema
  /**
   * Declares that it writes nothing in the resource, whatever its input. A one-shot of such operations alone runs in a local
   * transaction in which the resource refuses to write, and nothing is kept of it: no row, no record. False unless said.
   */
  readonly readOnly?: boolean
  /**
   * Works on the session and returns plain data for the caller. It refuses by throwing `refuse(…)`; anything else that it throws
   * refuses too, as `operation-failed`. Every promise it starts must be awaited before it returns.
   */
  run(input: StandardSchemaV1.InferOutput<Schema>, context: Session & OperationContext): Output | Promise<Output>
}

/** An operation with the types that a client sees. */
export type Operation<Session extends object, Schema extends StandardSchemaV1, Output> = OperationDefinition<
  Session,
  Schema,
  Output
> &
  OperationContract<StandardSchemaV1.InferInput<Schema>, Output>

/**
 * Types an operation that stands on its own, outside `defineParticipant`: the session has to be named there.
 *
 * ```ts
 * export const debit = operation({ input, async run({ account }, { sql }: PostgresSession) { … } })
 * ```
 */
export function operation<Session extends object, Schema extends StandardSchemaV1, Output>(
  definition: OperationDefinition<Session, Schema, Output>,
): OperationDefinition<Session, Schema, Output> {
  return definition
}

/** Whether all of these are declared read-only. */
export function areReadOnly(
  known: Readonly<Record<string, AnyOperation>>,
  operations: readonly { readonly name: string }[],
): boolean {
  return operations.every(({ name }) => Object.hasOwn(known, name) && known[name]?.readOnly === true)
}

/** An operation whose types do not matter: what the instance runs. */
export interface AnyOperation {
  readonly input: StandardSchemaV1
  readonly readOnly?: boolean
  run(input: unknown, context: object): unknown
}
