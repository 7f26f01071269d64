export { type Command, decodeCommand, encodeCommand, maxSettledIds } from './command.ts'
export { type Applied, decisions } from './decisions.ts'
export { epochOf, horizonOf } from './forgetting.ts'
export { recordOf, unsettled } from './records.ts'
