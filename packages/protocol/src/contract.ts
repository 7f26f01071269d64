/** The types of one operation, as a client sees them. Nothing of it exists at run time. */
export interface OperationContract<Input = unknown, Output = unknown> {
  readonly '~types'?: { readonly input: Input; readonly output: Output } | undefined
}

/** What a client's compiler needs of a participant: its exported type satisfies this, its code is not needed. */
export interface ParticipantContract {
  readonly name: string
  readonly operations: { readonly [operation: string]: OperationContract }
}

/** The input that an operation takes from a client. */
export type InputOf<O extends OperationContract> = O extends OperationContract<infer Input, unknown> ? Input : never

/** The value that an operation gives back. */
export type OutputOf<O extends OperationContract> = O extends OperationContract<unknown, infer Output> ? Output : never
