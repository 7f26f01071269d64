export type { Capability, ResourceHarness, StoreUnderTest } from './conformance/harness.ts'
export { checkRule, describeResource, rulesFor, type TestRunner } from './conformance/suite.ts'
export { crashTest } from './crash-kit/crash-test.ts'
export type { CrashTest, ExampleCall, TestedParticipant } from './crash-kit/example.ts'
export type { Fault, FaultKind } from './crash-kit/fault.ts'
export { type CrashLine, CrashReport, CrashTestError } from './crash-kit/report.ts'
export { type InProcess, type InProcessOptions, startInProcess } from './in-process.ts'
export { type MemoryResource, memoryDatabase, memoryResource } from './memory-resource.ts'
export {
  type Loss,
  SimulatedDatabase,
  type SimulatedDatabaseOptions,
  type SimulatedLock,
} from './simulated-resource/database.ts'
export type { DatabaseFaults, RangeMs } from './simulated-resource/faults.ts'
export { noFaults } from './simulated-resource/faults.ts'
export { type SimulatedResourceOptions, simulatedResource } from './simulated-resource/resource.ts'
export { ConnectionLostError, SimulatedSqlError } from './simulated-resource/sql-error.ts'
export type { SimulatedSession, SimulatedTable } from './simulated-resource/table.ts'
export type {
  BranchName,
  CommittedEffect,
  JournalRow,
  LogRecord,
  PreparedTransaction,
  SimulatedValue,
} from './simulated-resource/tables.ts'
