export {
  defineParticipant,
  type Participant,
  type ParticipantDefinition,
  type ServeOptions,
  type Serving,
} from './define.ts'
export { ParticipantError, type ParticipantErrorCode } from './errors.ts'
export type { Counters, Observer, ParticipantEvent } from './event.ts'
export { type EventLogger, logEvents } from './event-log.ts'
export {
  type AnyOperation,
  type Operation,
  type OperationContext,
  type OperationDefinition,
  operation,
} from './operation.ts'
export { Refusal, type RefuseOptions, refuse } from './refusal.ts'
export {
  type BranchKey,
  type BranchNote,
  type Collected,
  type CommitNote,
  type CommitResult,
  type HeldRow,
  type History,
  type Mode,
  type OpenBranch,
  type OpenOptions,
  type PrepareResult,
  type Resource,
  type ResourceContext,
  type ResourceFacts,
  ResourceRefusal,
  ResourceUnfitError,
  type Row,
} from './resource.ts'
export { defaultSettings, type ParticipantSettings } from './settings.ts'
