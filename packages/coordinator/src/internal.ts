export { type Command, decodeCommand, encodeCommand } from './command.ts'
export { type Applied, decisions, epochOf, horizonOf, recordOf, unsettled } from './decisions.ts'
