import { type Reason, reasonCodes } from '@verdict/protocol'
import type { World } from '@verdict/runtime'
import { isTransactionAborted } from './errors.ts'

/**
 * Which aborted transactions are run again, each time as a new transaction under a new id: `never`; after `contention` (a lock that
 * was not free in time, a deadlock, a serialization failure); or after every abort of which its reason says that a new attempt can help,
 * `retryable`. What is in doubt, or was run under an id of the caller's, is never run again by itself.
 */
export type RetryPolicy = 'never' | 'contention' | 'retryable'

/** Attempts of one transaction. The budget is nearly always spent before: most wait for a lock, and all pause. */
export const maxAttempts = 100

/** First pause: long enough for whoever was waited for to end. */
const pauseMs = 50
const maxPauseMs = 2_000

const contention: ReadonlySet<string> = new Set([
  reasonCodes.lockTimeout,
  reasonCodes.deadlock,
  reasonCodes.notSerializable,
])

export interface Attempts {
  readonly policy: RetryPolicy
  /** When the budget of all attempts ends, by the world's monotonic clock. */
  readonly endsAtMs: number
  readonly signal: AbortSignal | undefined
}

/**
 * How long to pause before another attempt; undefined when there is to be none. `fraction` is drawn evenly from [0, 1): those that met
 * once shall not meet again.
 */
export function pauseBefore(
  { policy, endsAtMs }: Omit<Attempts, 'signal'>,
  reason: Reason,
  made: number,
  nowMs: number,
  fraction: number,
): number | undefined {
  const wanted = policy === 'contention' ? contention.has(reason.code) : policy === 'retryable'
  if (!wanted || !reason.retryable || made >= maxAttempts) return undefined
  const waitMs = Math.min(pauseMs * 2 ** (made - 1), maxPauseMs) * (0.5 + fraction)
  // What begins in the last moment would only hold locks in the way of others.
  return nowMs + 2 * waitMs < endsAtMs ? waitMs : undefined
}

/** Runs attempts until one has not been aborted, or the policy asks for no more. `made` counts those before. */
export async function attempt<T>(
  { clock, random }: World,
  attempts: Attempts,
  run: (made: number) => Promise<T>,
): Promise<T> {
  for (let made = 0; ; ) {
    try {
      return await run(made)
    } catch (error) {
      made += 1
      // Only an abort says that nothing took effect: what is in doubt may have.
      if (!isTransactionAborted(error) || attempts.signal?.aborted) throw error
      const waitMs = pauseBefore(attempts, error.reason, made, clock.nowMs(), random.fraction())
      if (waitMs === undefined) throw error
      await pause(clock, waitMs, attempts.signal)
      if (attempts.signal?.aborted) throw error
    }
  }
}

function pause(clock: World['clock'], waitMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = clock.after(waitMs, end)
    signal?.addEventListener('abort', end)
  })
}
