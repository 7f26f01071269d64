export { type ConnectOptions, connect, type Verdict } from './connect.ts'
export type { Cost, Step } from './cost.ts'
export {
  ClientError,
  type ClientErrorCode,
  CommittedWithHazards,
  clientErrors,
  type Doubt,
  InDoubt,
  isCommittedWithHazards,
  isInDoubt,
  isTransactionAborted,
  TransactionAborted,
} from './errors.ts'
export type { AnswerCounters } from './inbox.ts'
export type { Calls, Transaction } from './interactive.ts'
export type { KeptTransactionOptions, SubmitOptions, TransactionOptions } from './options.ts'
export type { Outcome } from './outcome.ts'
export { explain, type Receipt } from './receipt.ts'
export type { RetryPolicy } from './retry.ts'
export type { PlannedCall, PlannedCalls, Submitted, ValuesOf } from './submit.ts'
export type { Executed, Replayed } from './transaction.ts'
