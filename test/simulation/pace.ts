import { type CoordinatorSettings, defaultSettings } from '@verdict/coordinator'
import type { ParticipantSettings } from '@verdict/participant'
import { budgetsPerRetention } from '@verdict/protocol'
import type { SeededRandom } from '@verdict/runtime/simulated'

/** How patient the roles of one history are. */
export interface Pace {
  /** How many epochs the group keeps what is settled. */
  readonly keptEpochs: number
  readonly coordinator: Partial<CoordinatorSettings> & Pick<CoordinatorSettings, 'epochMs'>
  readonly participant: Partial<ParticipantSettings>
}

/**
 * Some groups and participants wait as long as real ones do, others hardly at all: then inquiries, resends and budgets that run
 * out meet the decision itself, which patient ones would never see. Most groups keep what is settled for hardly longer than a budget
 * may be: then there is always something to forget, and whoever was away comes back behind the horizon.
 */
export function drawPace(random: SeededRandom, budgetMs: number): Pace {
  const keptEpochs = random.pick([3, 10])
  const shortestMs = (budgetsPerRetention * budgetMs) / keptEpochs
  return {
    keptEpochs,
    coordinator: {
      resendMs: random.pick([20, 500]),
      hazardResendMs: random.pick([500, 60_000]),
      alarmAfterMs: random.pick([1_000, 60_000]),
      takeUpBudgetMs: random.pick([30, 1_000, 5_000]),
      settleDelayMs: random.pick([1, 100]),
      epochMs: Math.max(shortestMs, random.pick([0, 1.5 * shortestMs, defaultSettings.epochMs])),
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
      collectSpreadMs: random.pick([0, 2_000]),
      maxCollectPauseMs: random.pick([500, 10_000]),
      idleMs: random.pick([1_000, 30_000]),
    },
  }
}
