// Every name that spans and metrics of client, coordinator, participant and resources carry; `packages/raft/src/telemetry.ts` has the
// log's own. docs/reference/telemetry.md lists them all, and a test compares that list with what a run emits.

/** Attributes of the semantic conventions (1.45, stable), as far as they are used here. */
export const conventions = {
  rpcSystem: 'rpc.system.name',
  rpcMethod: 'rpc.method',
  errorType: 'error.type',
  serverAddress: 'server.address',
  serverPort: 'server.port',
  dbSystem: 'db.system.name',
  dbNamespace: 'db.namespace',
  dbCollection: 'db.collection.name',
  dbOperation: 'db.operation.name',
  dbStatus: 'db.response.status_code',
} as const

/** The value of `rpc.system.name`: calls go over the bus, under rules of their own. */
export const rpcSystem = 'verdict'

/** What a value becomes that is outside a bounded set of labels; the conventions have it for `rpc.method` and `error.type`. */
export const otherLabel = '_OTHER'

/** Our own attributes. Those of `spanAttributes` have no bound, and never label a metric. */
export const spanAttributes = {
  transaction: 'verdict.transaction.id',
  branches: 'verdict.transaction.branches',
  group: 'verdict.group',
  instance: 'verdict.instance',
  attempt: 'verdict.attempt',
  reasonCode: 'verdict.reason.code',
  reasonMessage: 'verdict.reason.message',
  /** How many branches an inquiry asks about, or ids a look. */
  inquired: 'verdict.inquired',
} as const

/** Attributes with few values, for spans and metrics. */
export const labels = {
  participant: 'verdict.participant',
  replica: 'verdict.replica',
  /** `interactive` or `one-shot`. */
  mode: 'verdict.mode',
  /** `committed`, `aborted`; at a client also `in-doubt`, `hazard`. */
  outcome: 'verdict.outcome',
  /** The path that a transaction took: `lone`, `logged`, `read-only`. */
  path: 'verdict.path',
  /** `prepared`, `read-only`, `refused`, `busy`. */
  vote: 'verdict.vote',
  /** What a branch is doing: `waiting`, `open`, `prepared`. */
  branchState: 'verdict.branch.state',
  /** The name of the bound that refused something, as the limits table of the protocol has it. */
  limit: 'verdict.limit',
  /** What an outcome came to at a participant: `committed`, `aborted`, `discarded`, `hazard`. */
  ending: 'verdict.ending',
  hazard: 'verdict.hazard',
} as const

/** Spans that are no calls. A call is named by its method, `<service>/<method>`. */
export const spanNames = {
  /** A client's whole transaction. */
  transaction: 'transaction',
  /** At the leader: from the first `prepare` until the last vote that was needed. */
  votes: 'votes',
  /** At the leader: the decision's way through the log. */
  decide: 'decide',
  /** At the leader: a transaction taken up after an inquiry, with no client that waits. */
  takeUp: 'take up',
  /** At a participant: waiting for room, and opening the local transaction. */
  open: 'open',
  /** In an embedded store: one flush. */
  flush: 'flush',
} as const

/** Moments within a span. */
export const spanEvents = {
  /** The message went out once more, with its `verdict.attempt`. */
  resent: 'resent',
  /** The same message came once more while its first one was being dealt with. */
  repeated: 'repeated',
} as const

/** The service in the methods that a group answers. */
export const coordinatorService = 'coordinator'

/** Methods that the protocol itself calls. */
export const methods = {
  alone: 'alone',
  commit: 'commit',
  abort: 'abort',
  look: 'look',
  inquiry: 'inquiry',
  prepare: 'prepare',
  outcome: 'outcome',
} as const

/** `<service>/<method>`, as the conventions spell a call's method. */
export function methodName(service: string, method: string): string {
  return `${service}/${method}`
}

/** Bounds of buckets for durations, in seconds: a flush takes half a millisecond, a budget ten seconds. */
export const durationBounds: number[] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** How an instrument is made: `meter.createHistogram(name, options)`. */
export interface MetricDefinition {
  readonly name: string
  readonly options: {
    readonly unit: string
    readonly description: string
    readonly advice?: { readonly explicitBucketBoundaries: number[] }
  }
}

function duration(name: string, description: string): MetricDefinition {
  return { name, options: { unit: 's', description, advice: { explicitBucketBoundaries: durationBounds } } }
}

function amount(name: string, unit: string, description: string): MetricDefinition {
  return { name, options: { unit, description } }
}

/** What the metrics are called in this code. */
export type MetricKey =
  | 'clientTransaction'
  | 'clientCall'
  | 'clientWaiting'
  | 'coordinatorCommit'
  | 'coordinatorDecisions'
  | 'coordinatorVotes'
  | 'coordinatorHazards'
  | 'coordinatorUnderway'
  | 'coordinatorInDoubt'
  | 'coordinatorInDoubtAge'
  | 'participantCall'
  | 'participantVotes'
  | 'participantPrepare'
  | 'participantApply'
  | 'participantLone'
  | 'participantEndings'
  | 'participantBranches'
  | 'participantInDoubt'
  | 'participantInDoubtAge'
  | 'refusals'

export const metrics: Readonly<Record<MetricKey, MetricDefinition>> = {
  clientTransaction: duration('verdict.client.transaction.duration', 'Transactions, from begin to outcome.'),
  clientCall: duration('rpc.client.call.duration', 'Calls of operations and of the group, as the caller sees them.'),
  clientWaiting: amount('verdict.client.requests.waiting', '{request}', 'Requests that wait for an answer.'),

  coordinatorCommit: duration('verdict.coordinator.commit.duration', 'From the request to commit to the decision.'),
  coordinatorDecisions: amount('verdict.coordinator.decisions', '{transaction}', 'Decisions recorded by this leader.'),
  coordinatorVotes: amount('verdict.coordinator.votes', '{vote}', 'Votes received by this leader.'),
  coordinatorHazards: amount('verdict.coordinator.hazards', '{hazard}', 'Outcomes that could not be honoured.'),
  coordinatorUnderway: amount(
    'verdict.coordinator.underway',
    '{transaction}',
    'Transactions that this leader collects votes for.',
  ),
  coordinatorInDoubt: amount(
    'verdict.coordinator.in_doubt',
    '{transaction}',
    'Transactions that are decided and not yet acknowledged by every branch.',
  ),
  coordinatorInDoubtAge: amount('verdict.coordinator.in_doubt.age', 's', 'Age of the oldest of them.'),

  participantCall: duration('rpc.server.call.duration', 'Operations, with the time that they waited for room.'),
  participantVotes: amount('verdict.participant.votes', '{vote}', 'Votes given.'),
  participantPrepare: duration('verdict.participant.prepare.duration', 'The resource making a branch durable.'),
  participantApply: duration('verdict.participant.apply.duration', 'From being told an outcome to having applied it.'),
  participantLone: duration(
    'verdict.participant.lone.duration',
    'Lone transactions, from the request to commit to the answer.',
  ),
  participantEndings: amount('verdict.participant.endings', '{branch}', 'Branches that were prepared and have ended.'),
  participantBranches: amount('verdict.participant.branches', '{branch}', 'Branches that are waiting, open, prepared.'),
  participantInDoubt: amount(
    'verdict.participant.in_doubt',
    '{branch}',
    'Prepared branches whose outcome is not known here.',
  ),
  participantInDoubtAge: amount('verdict.participant.in_doubt.age', 's', 'Age of the oldest of them.'),

  /** Of every role, each by its own meter. */
  refusals: amount('verdict.limit.refusals', '{refusal}', 'What was refused because a bound was met.'),
}
