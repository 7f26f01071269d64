import type { AnyOperation, Resource } from '@verdict/participant'
import type { InputOf, OperationContract } from '@verdict/protocol'
import type { FaultKind } from './fault.ts'

/** A participant of any kind, as `defineParticipant` makes it. */
export interface TestedParticipant {
  readonly name: string
  readonly resource: Resource<object>
  readonly operations: Readonly<Record<string, AnyOperation & OperationContract>>
}

/** One call of one of the participant's operations. */
export type ExampleCall<P extends TestedParticipant> = {
  readonly [Name in keyof P['operations'] & string]: {
    readonly operation: Name
    readonly input: InputOf<P['operations'][Name]>
  }
}[keyof P['operations'] & string]

/** What the kit has to know of a service, whose types do not matter to it. */
export interface Example {
  /**
   * Defines the participant anew, with a resource of its own on the same durable data. Each time is another life of the service's
   * process; the kit ends one before it begins the next.
   */
  readonly define: () => TestedParticipant
  /** A call that succeeds and writes something, when the data is as `reset` leaves it. */
  readonly call: { readonly operation: string; readonly input: unknown }
  /** Brings the data back to where the example begins. No instance runs meanwhile. */
  readonly reset: () => unknown
  /**
   * A picture of the data that matters, as anybody outside of the transaction sees it: rows of a query, entries of a store. An
   * instance runs meanwhile. It is compared by its values (`isDeepStrictEqual`), so let it have an order and no times.
   */
  readonly state: () => unknown
  /** What the kit may find without failing: known, and meant to be so. Nothing unless said. */
  readonly accept?: readonly FaultKind[]
  /** Longest that one run of the operation may take before it counts as stuck. 5,000 ms unless said. */
  readonly budgetMs?: number
}

/** What an author says of a service: which participant, one call that it can do, and how to see what became of its data. */
export interface CrashTest<P extends TestedParticipant> extends Example {
  readonly define: () => P
  readonly call: ExampleCall<P>
}

export const defaultBudgetMs = 5_000 // far above what an operation takes, also on a machine that does ten other things
