import { type CommitCost, maxBudgetMs, parseId, type TransactionId } from '@verdict/protocol'
import { type Commit, newCommit } from './commit-state.ts'
import type { CommitTracing } from './commit-tracing.ts'
import type { Applied } from './decisions.ts'
import type { Results, Waiter } from './waiter.ts'

/** One transaction that votes are collected for, with those who wait for its end. */
export interface Underway {
  readonly commit: Commit
  readonly waiters: Waiter[]
  /** Tells an operator who has ordered its abort what the log made of it. */
  operator: ((applied: Applied) => void) | undefined
  readonly tracing: CommitTracing
  /** When its owner asked for the commit first. */
  askedAtMs: number | undefined
  /** When the last vote had come that was needed. */
  collectedAtMs: number | undefined
  /** Prepares that were sent, and votes that came. */
  messages: number
  /** Bytes of requests and results that it holds. */
  bytes: number
  /** Those that its votes are awaited with; undefined until its list is known. */
  awaitedBytes: number | undefined
}

export function newUnderway(id: TransactionId, tracing: CommitTracing): Underway {
  return {
    commit: newCommit(id, parseId(id).mark === 'kept'),
    waiters: [],
    operator: undefined,
    tracing,
    askedAtMs: undefined,
    collectedAtMs: undefined,
    messages: 0,
    bytes: 0,
    awaitedBytes: undefined,
  }
}

/** What the commit has cost until now; undefined for one that nobody asked for here. */
export function costOf({ askedAtMs, collectedAtMs, messages }: Underway, nowMs: number): CommitCost | undefined {
  if (askedAtMs === undefined) return undefined
  const collectedMs = collectedAtMs ?? nowMs
  return { messages, votesMs: rounded(collectedMs - askedAtMs), logMs: rounded(nowMs - collectedMs) }
}

/** The age of an attempt, as messages tell it. */
export function wholeAge(ms: number): number {
  return Math.min(maxBudgetMs, Math.max(0, Math.round(ms)))
}

export function modeOf({ sealed }: Commit): 'interactive' | 'one-shot' {
  return sealed?.list[0]?.kind === 'oneShot' ? 'one-shot' : 'interactive'
}

export function resultsOf({ branches }: Commit): Results {
  return branches.map(({ results }) => results)
}

/** Microseconds are enough. */
function rounded(ms: number): number {
  return Math.max(0, Math.round(ms * 1_000) / 1_000)
}
