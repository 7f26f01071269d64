import type { BranchLimits, RecoveryLimits } from '@verdict/participant/internal'
import { budgetMs } from './names.ts'

// Time stands still: what is due is a choice of the search.
export const limits: BranchLimits & RecoveryLimits = {
  graceMs: 0,
  idleMs: budgetMs,
  inquireAfterMs: 0,
  maxWaitingCalls: 8,
  maxKeptBytes: 1_024,
  inquiryPauseMs: 0,
  inquiryWaveMs: 0,
  maxInquiryPauseMs: 0,
  inquirySpreadMs: 0,
  maxDoubts: 8,
}
