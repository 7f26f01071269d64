import { type Answer, type Answerer, maxBudgetMs, type Request } from '@verdict/protocol'
import type { Timer, World } from '@verdict/runtime'
import type { Tally } from './cost.ts'
import type { Inbox } from './inbox.ts'
import { advanceResending, newResending, type ResendEvent, type ResendTiming, resendWakeAtMs } from './resend.ts'

/** A stretch of a budget as it travels. */
export function wholeMs(ms: number): number {
  return Math.min(maxBudgetMs, Math.max(0, Math.round(ms)))
}

/** How an answer is taken: it ends the question, asks to come again, or answers something else. */
export type Taken<T> = { readonly kind: 'answer'; readonly value: T } | { readonly kind: 'again' } | undefined

/** One sending of a question. */
export interface Sending {
  readonly nowMs: number
  /** 1 for the first one. */
  readonly attempt: number
  /** Word came that nobody heard the one before. */
  readonly unheard: boolean
}

/** Something to be asked until it is answered. */
export interface Question<T> {
  readonly subject: string | ((sending: Sending) => string)
  /** Made anew for each sending: what is left of the budget shrinks. */
  readonly message: (sending: Sending) => Request
  /** Whether it was this one that was asked: others are not believed (rule R15). */
  readonly from: (answerer: Answerer) => boolean
  readonly read: (message: Answer) => Taken<T>
  readonly timing: ResendTiming
  /** By the world's monotonic clock. */
  readonly deadlineMs: number
  readonly signal?: AbortSignal | undefined
  /** Told of each sending after the first. */
  readonly resent?: (attempt: number) => void
  /** Counts what is sent and what is answered. */
  readonly tally?: Tally | undefined
}

export type Asked<T> =
  | { readonly kind: 'answered'; readonly value: T }
  | { readonly kind: 'gaveUp'; readonly why: 'no-answer' | 'unreachable' | 'cancelled' }

/**
 * Asks until the answer is there or the time is over. Rejects with what the first sending throws.
 * @throws ClientError `overloaded`
 */
export function ask<T>({ clock, random }: World, inbox: Inbox, question: Question<T>): Promise<Asked<T>> {
  const { subject, message, from, read, timing, deadlineMs, signal, resent, tally } = question
  const { promise, resolve } = Promise.withResolvers<Asked<T>>()
  const state = newResending(deadlineMs)
  let timer: Timer | undefined

  const request = inbox.open((answerer, answer) => {
    if (!from(answerer)) return false
    const taken = read(answer)
    if (taken !== undefined) tally?.count(1)
    if (taken?.kind === 'answer') finish({ kind: 'answered', value: taken.value })
    else if (taken?.kind === 'again') advance({ kind: 'postponed' })
    return taken !== undefined
  })

  const finish = (asked: Asked<T>): void => {
    state.over = true
    timer?.cancel()
    inbox.close(request)
    signal?.removeEventListener('abort', cancel)
    resolve(asked)
  }
  const cancel = (): void => finish({ kind: 'gaveUp', why: 'cancelled' })

  const advance = (event: ResendEvent): void => {
    for (const effect of advanceResending(state, event, clock.nowMs(), random.fraction(), timing)) {
      if (effect.kind === 'giveUp') finish({ kind: 'gaveUp', why: effect.why })
      else {
        const sending = { nowMs: clock.nowMs(), attempt: state.sent, unheard: effect.unheard }
        const to = typeof subject === 'string' ? subject : subject(sending)
        tally?.count(1)
        inbox.send(request, to, message(sending), () => advance({ kind: 'unreachable' }))
        if (state.sent > 1) resent?.(state.sent)
      }
    }
    if (state.over) return
    timer?.cancel()
    timer = clock.after(Math.max(0, resendWakeAtMs(state) - clock.nowMs()), () => advance({ kind: 'woke' }))
  }

  if (signal?.aborted) cancel()
  else {
    signal?.addEventListener('abort', cancel)
    try {
      advance({ kind: 'begun' })
    } catch (error) {
      inbox.close(request)
      signal?.removeEventListener('abort', cancel)
      return Promise.reject(error instanceof Error ? error : new Error(String(error)))
    }
  }
  return promise
}
