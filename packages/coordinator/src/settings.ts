/** How long and how much, for a leader. Nothing about safety rests on these. */
export interface CoordinatorSettings {
  /** How long a prepare may stay unanswered before it is sent again; doubles up to `maxResendMs`. */
  readonly resendMs: number
  /** The longest pause between two sends of the same thing: a participant that comes back waits no longer than this. */
  readonly maxResendMs: number
  /** The same for a participant that cannot honour an outcome: it waits for a person, whom nothing else brings to it sooner. */
  readonly hazardResendMs: number
  /** Budget of a transaction that was taken up from a participant's inquiry (rule R6): one resend or two, then it is aborted. */
  readonly takeUpBudgetMs: number
  /** How long settled transactions gather before one entry records them: it should ride with other entries, not cost a flush. */
  readonly settleDelayMs: number
  /** How often the epoch moves while there is work (rule R11). */
  readonly epochMs: number
  /** Outcomes of one wave of redelivery; the next wave follows when the bus has had a turn. */
  readonly waveSize: number
  /** Pause between two waves. */
  readonly waveMs: number
  /** Transactions a leader collects votes for at a time. */
  readonly maxUnderway: number
  /** Transactions that may wait for the vote of one participant: if it is silent, the others still find room. */
  readonly maxAwaitedVotes: number
  /** Bytes of requests and results that those hold in memory. Beyond it new ones are refused, and results answered as pending. */
  readonly maxUnderwayBytes: number
  /**
   * Outcomes on their way to one participant. One that does not acknowledge as many is told the others as it acknowledges these:
   * more would only pile up before it, and one that is down is sent no more than this in `maxResendMs`.
   */
  readonly deliveryWindow: number
  /** Outcomes that a wave takes up from the store: a part of what a participant commits per second, beside its usual work. */
  readonly takeUpsPerWave: number
  /** Unsettled outcomes that the leader keeps in memory; the rest waits in the store and follows as these settle. */
  readonly maxDelivering: number
  /** Bytes of results kept for askers who come again, until all is settled. Beyond it they are answered as pending. */
  readonly maxResultsHeldBytes: number
  /** Bytes of results kept for askers who come again after that: the last 25 000 one-shots, if theirs are short. */
  readonly maxRecentResultsBytes: number
  /** Requests that wait for the same transaction: of more the oldest are forgotten, and come again. */
  readonly maxWaiters: number
  /** Age of an unsettled transaction at which an alarm is raised; another one whenever it has doubled. It decides nothing. */
  readonly alarmAfterMs: number
  /** How long a transaction is left alone whose handling threw. Whatever is tried again in vain must not keep others waiting. */
  readonly quarantineMs: number
  /** How long a participant's word that it cannot end a branch is believed; it repeats it while that is so. */
  readonly troubleMs: number
  /** Troubles that are remembered, for people to look at: of more the oldest are forgotten. */
  readonly maxTroubles: number
}

export const defaultSettings: CoordinatorSettings = {
  resendMs: 500,
  maxResendMs: 5_000,
  hazardResendMs: 60_000,
  takeUpBudgetMs: 5_000,
  settleDelayMs: 100,
  epochMs: 10_000,
  waveSize: 256,
  waveMs: 20,
  maxUnderway: 10_000,
  maxAwaitedVotes: 3_000,
  maxUnderwayBytes: 256 * 1024 * 1024,
  deliveryWindow: 512,
  takeUpsPerWave: 32,
  maxDelivering: 50_000,
  maxResultsHeldBytes: 64 * 1024 * 1024,
  maxRecentResultsBytes: 16 * 1024 * 1024,
  maxWaiters: 16,
  alarmAfterMs: 60_000,
  quarantineMs: 30_000,
  troubleMs: 60_000,
  maxTroubles: 1_000,
}
