/** Names of the spans and metrics of a replica. The log knows nothing of what is on it, nor of those who name their spans elsewhere. */
export const spanNames = {
  /** One batch of entries on a leader, from the write to the commitment of the last one; linked to the spans of those who proposed them. */
  append: 'append',
  /** Its child: the leader's own disk. */
  flush: 'flush',
  /** Its child: until a majority has the batch. */
  replicate: 'replicate',
} as const

/** Events on the span that was active when an entry was proposed. */
export const proposerEvents = {
  flushed: 'flushed',
  replicated: 'replicated',
} as const

export const spanAttributes = {
  term: 'verdict.term',
  firstIndex: 'verdict.log.first_index',
  entries: 'verdict.log.entries',
  bytes: 'verdict.log.bytes',
} as const

export const labels = {
  replica: 'verdict.replica',
  limit: 'verdict.limit',
} as const

const durationBounds = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5]

/** How an instrument is made: `meter.createHistogram(name, options)`. */
interface MetricDefinition {
  readonly name: string
  readonly options: {
    readonly unit: string
    readonly description: string
    readonly advice?: { readonly explicitBucketBoundaries: number[] }
  }
}

export const metrics: Readonly<
  Record<'flush' | 'replication' | 'leaderChanges' | 'leading' | 'proposalsWaiting' | 'refusals', MetricDefinition>
> = {
  flush: {
    name: 'verdict.raft.flush.duration',
    options: { unit: 's', description: 'One flush of the log.', advice: { explicitBucketBoundaries: durationBounds } },
  },
  replication: {
    name: 'verdict.raft.replication.duration',
    options: {
      unit: 's',
      description: 'From the write of a batch until a majority has it.',
      advice: { explicitBucketBoundaries: durationBounds },
    },
  },
  leaderChanges: {
    name: 'verdict.raft.leader.changes',
    options: { unit: '{change}', description: 'Changes of the leader that this replica has seen.' },
  },
  leading: {
    name: 'verdict.raft.leading',
    options: { unit: '1', description: '1 while this replica leads; a group without a 1 has no leader.' },
  },
  proposalsWaiting: {
    name: 'verdict.raft.proposals.waiting',
    options: { unit: '{proposal}', description: 'Proposals that are not yet applied here.' },
  },
  refusals: {
    name: 'verdict.limit.refusals',
    options: { unit: '{refusal}', description: 'What was refused because a bound was met.' },
  },
}
