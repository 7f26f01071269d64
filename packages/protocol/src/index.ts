export type * from './client-message.ts'
export { decodePacket, encodePacket, type Packet } from './codec.ts'
export type { InputOf, OperationContract, OutputOf, ParticipantContract } from './contract.ts'
export { ProtocolError, type ProtocolErrorCode, protocolErrors, WireError } from './errors.ts'
export type * from './group-message.ts'
export {
  type Epoch,
  groupOf,
  type IdMark,
  type IdParts,
  makeId,
  parseId,
  type TransactionId,
  transactionId,
} from './id.ts'
export { type IdRange, idsUpTo } from './id-range.ts'
export * from './limits.ts'
export {
  type BranchList,
  branchOf,
  type CalledBranch,
  checkList,
  type Digest,
  digestOf,
  isDigest,
  type ListedBranch,
  type OneShotBranch,
  type Operation,
  type OperationsHash,
  operationsHash,
  sealList,
} from './list.ts'
export { isLone } from './lone.ts'
export type * from './message.ts'
export {
  type GroupId,
  type GroupName,
  groupId,
  groupName,
  type InboxToken,
  type Incarnation,
  type InstanceId,
  isToken,
  makeIncarnation,
  makeToken,
  type Nonce,
  type OwnerName,
  ownerName,
  type ParticipantName,
  parseGroupId,
  participantName,
  type Token,
} from './name.ts'
export { forbidNested, NestedCallError, type OperationScope, operationScope } from './nested.ts'
export {
  cutReason,
  cutText,
  describeHolders,
  type LockHolder,
  type Outcome,
  type Reason,
  reasonCodes,
} from './outcome.ts'
export { decodePayload, encodePayload, type Payload } from './payload.ts'
export * from './record.ts'
export {
  type Answerer,
  answerSubject,
  isInboxOf,
  type Namespace,
  namespace,
  readAnswerer,
  readControllingGroup,
  readGreetedGroup,
  readOwner,
  readVoter,
  type Subjects,
  subjects,
} from './subject.ts'
export type { TraceContext } from './trace.ts'
export type { CastVote, Durability, Vote } from './vote.ts'
