/** How long and how much, for one instance. Nothing about safety rests on these. */
export interface ParticipantSettings {
  /**
   * Longest wait for a lock in a statement: that of a transaction which has tried for as long. A new one waits half of it, and less
   * when little of the budget is left. Deadlocks over participants end by it.
   */
  readonly lockTimeoutMs: number
  /** What a branch is given beyond the budget of its calls, so that a commit on its way still meets it. */
  readonly graceMs: number
  /** How long a branch may stay open without a call: its client is gone then, and its locks are in others' way. */
  readonly idleMs: number
  /** Age below which a prepared branch is left to its leader, who is at work (rule R6). */
  readonly inquireAfterMs: number
  /** First pause between two inquiries about a branch; doubles up to `maxInquiryPauseMs`. */
  readonly inquiryPauseMs: number
  /** Longest pause between two inquiries: a group that comes back is asked no later than this. */
  readonly maxInquiryPauseMs: number
  /** After an announcement each instance waits a random part of this, so that not all ask a new leader at once. */
  readonly inquirySpreadMs: number
  /** Pause between two waves of inquiries, of one message to each group: so many branches in doubt ask in turn, not at once. */
  readonly inquiryWaveMs: number
  /** How often the resource is asked for prepared branches that nobody here remembers. */
  readonly sweepMs: number
  /**
   * After a group's horizon moved each instance waits a random part of this before it raises the floor; the first to do so goes through
   * the rows below it.
   */
  readonly collectSpreadMs: number
  /**
   * Longest pause before rows below a floor are gone through again that their group still needed; the first is `inquiryPauseMs`, and
   * doubles.
   */
  readonly maxCollectPauseMs: number
  /** First pause after a resource could not apply an outcome; doubles up to `maxRetryMs`, for ever. */
  readonly retryMs: number
  readonly maxRetryMs: number
  /** How long an outcome may have been tried to apply in vain until the branch counts as stuck, and is tried every `maxStuckRetryMs`. */
  readonly stuckAfterMs: number
  /** Longest pause then: whatever mends the resource, an operator or the resource itself, is noticed no later than this. */
  readonly maxStuckRetryMs: number
  /** Age of a branch in doubt at which an alarm is raised. It decides nothing. */
  readonly alarmAfterMs: number
  /** How often the groups are told what is stuck here. */
  readonly troubleReportMs: number
  /** How long a transaction is shown whose handling threw. */
  readonly poisonedMs: number
  /** Branches that are remembered as stuck: a few hundred are more than anybody looks at. */
  readonly maxTroubles: number
  /** How long an instance that stops waits for its open and prepared branches. */
  readonly drainMs: number
  /** Branches that may wait for room; beyond it they are refused, since at any usual pace the wait would be in vain. */
  readonly maxWaitingForRoom: number
  /** Calls of one branch that may wait for the one that runs: a client that sends ahead further is refused. */
  readonly maxWaitingCalls: number
  /** Bytes of values kept per branch for doubled calls; beyond it the oldest are dropped, and a doubled one is not answered. */
  readonly maxKeptBytes: number
  /** Ended branches that are remembered, to repeat their answer or vote. */
  readonly maxNotes: number
  /** Look-ups of votes in the resource at a time; beyond it the leader is asked to come again. */
  readonly maxLooks: number
  /** Outcomes being applied at a time; beyond it they are dropped, since the group sends them again. */
  readonly maxEndings: number
  /** Prepared branches watched at a time besides the instance's own; the sweeper finds the rest later, oldest first. */
  readonly maxDoubts: number
}

export const defaultSettings: ParticipantSettings = {
  lockTimeoutMs: 3_000,
  graceMs: 2_000,
  idleMs: 30_000,
  inquireAfterMs: 5_000,
  inquiryPauseMs: 1_000,
  maxInquiryPauseMs: 15_000,
  inquirySpreadMs: 1_000,
  inquiryWaveMs: 50,
  sweepMs: 5_000,
  collectSpreadMs: 2_000,
  maxCollectPauseMs: 60_000,
  retryMs: 50,
  maxRetryMs: 5_000,
  stuckAfterMs: 30_000,
  maxStuckRetryMs: 60_000,
  alarmAfterMs: 60_000,
  troubleReportMs: 15_000,
  poisonedMs: 60_000,
  maxTroubles: 512,
  drainMs: 10_000,
  maxWaitingForRoom: 256,
  maxWaitingCalls: 64,
  maxKeptBytes: 1024 * 1024,
  maxNotes: 10_000,
  maxLooks: 256,
  maxEndings: 10_000,
  maxDoubts: 4_096,
}
