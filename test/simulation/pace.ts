import type { CoordinatorSettings } from '@verdict/coordinator'
import type { ParticipantSettings } from '@verdict/participant'
import type { SeededRandom } from '@verdict/runtime/simulated'

/** How patient the roles of one history are. */
export interface Pace {
  readonly coordinator: Partial<CoordinatorSettings>
  readonly participant: Partial<ParticipantSettings>
}

/**
 * Some groups and participants wait as long as real ones do, others hardly at all: then inquiries, resends and budgets that run
 * out meet the decision itself, which patient ones would never see.
 */
export function drawPace(random: SeededRandom): Pace {
  return {
    coordinator: {
      resendMs: random.pick([20, 500]),
      hazardResendMs: random.pick([500, 60_000]),
      alarmAfterMs: random.pick([1_000, 60_000]),
      takeUpBudgetMs: random.pick([30, 1_000, 5_000]),
      settleDelayMs: random.pick([1, 100]),
      epochMs: random.pick([500, 10_000]),
    },
    participant: {
      lockTimeoutMs: random.pick([100, 3_000]),
      stuckAfterMs: random.pick([500, 30_000]),
      maxStuckRetryMs: random.pick([1_000, 10_000]),
      alarmAfterMs: random.pick([1_000, 60_000]),
      troubleReportMs: random.pick([500, 15_000]),
      inquireAfterMs: random.pick([20, 500, 5_000]),
      inquiryPauseMs: random.pick([20, 1_000]),
      inquirySpreadMs: random.pick([10, 1_000]),
      sweepMs: random.pick([100, 5_000]),
      idleMs: random.pick([1_000, 30_000]),
    },
  }
}
