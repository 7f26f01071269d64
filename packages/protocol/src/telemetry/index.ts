export { BoundedLabel, maxLabelValues } from './bounded-label.ts'
export { codeLabel } from './code-label.ts'
export type { MetricDefinition, MetricKey } from './names.ts'
export {
  conventions,
  coordinatorService,
  durationBounds,
  labels,
  methodName,
  methods,
  metrics,
  otherLabel,
  rpcSystem,
  spanAttributes,
  spanEvents,
  spanNames,
} from './names.ts'
export { isRecorded, startPart } from './start-part.ts'
export { contextOf, isSampled, linksTo, traceField } from './trace-context.ts'
