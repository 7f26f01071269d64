export {
  type Command,
  type CommandCodec,
  commandCodec,
  commandFormats,
  decodeCommand,
  encodeCommand,
  maxSettledIds,
} from './command.ts'
export { advanceCommit, type CommitEffect, type CommitEvent } from './commit.ts'
export { type Commit, type CommitTiming, newCommit } from './commit-state.ts'
export { type Applied, countsHazard, decisions } from './decisions.ts'
export { advanceDelivery, type Delivery, type DeliveryEvent, type DeliveryTiming, newDelivery } from './delivery.ts'
export { epochOf, horizonOf } from './forgetting.ts'
export { checkFormat, firstFormat, formatOf, newestFormat, raiseFormat } from './format.ts'
export { answerHolder, lookUp, restsOnRecord, trustedList } from './inquiry.ts'
export { recordOf, unsettled } from './records.ts'
export { type Release, thisRelease } from './release.ts'
export { answerFrom } from './waiter.ts'
