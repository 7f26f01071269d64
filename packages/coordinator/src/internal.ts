export {
  type Command,
  type CommandCodec,
  commandCodec,
  commandFormats,
  decodeCommand,
  encodeCommand,
} from './command.ts'
export { type Applied, decisions, epochOf, horizonOf, recordOf, unsettled } from './decisions.ts'
export { checkFormat, firstFormat, formatOf, newestFormat, raiseFormat } from './format.ts'
export { type Release, thisRelease } from './release.ts'
