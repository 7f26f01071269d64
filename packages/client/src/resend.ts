/** How often a question is asked again, and when that is given up before its time is over. All in milliseconds. */
export interface ResendTiming {
  /** Pause before the second sending; doubles up to `maxResendMs`. */
  readonly resendMs: number
  readonly maxResendMs: number
  /** Pause after word that nobody listened; doubles up to `maxResendMs`. */
  readonly unreachableMs: number
  /** How long nobody may listen before the question is given up. */
  readonly patienceMs: number
}

/** One question that is sent until it is answered. Plain data. */
export interface Resending {
  readonly deadlineMs: number
  sent: number
  resendAtMs: number
  /** Since when every sending met nobody. */
  unreachableSinceMs: number | undefined
  /** Times in a row that nobody listened. */
  unreachable: number
  /** Whether word came that nobody heard the last sending. */
  unheard: boolean
  over: boolean
}

export type ResendEvent =
  | { readonly kind: 'begun' }
  /** Word came that nobody listened: a hint, never a proof. */
  | { readonly kind: 'unreachable' }
  /** The answer was "ask again". */
  | { readonly kind: 'postponed' }
  | { readonly kind: 'woke' }

export type ResendEffect =
  /** `unheard`: word came that nobody heard the one before. */
  | { readonly kind: 'send'; readonly unheard: boolean }
  | { readonly kind: 'giveUp'; readonly why: 'no-answer' | 'unreachable' }

export function newResending(deadlineMs: number): Resending {
  return {
    deadlineMs,
    sent: 0,
    resendAtMs: 0,
    unreachableSinceMs: undefined,
    unreachable: 0,
    unheard: false,
    over: false,
  }
}

/**
 * Advances one question in place. `spread` is drawn evenly from [0, 1): it stretches pauses by up to a half, so that many who lost
 * the same server do not come back in one wave.
 */
export function advanceResending(
  state: Resending,
  event: ResendEvent,
  nowMs: number,
  spread: number,
  timing: ResendTiming,
): ResendEffect[] {
  if (state.over) return []
  const pause = (ms: number): number => Math.min(ms, timing.maxResendMs) * (1 + spread / 2)
  switch (event.kind) {
    case 'begun':
      return send(state, nowMs, pause(timing.resendMs))
    case 'unreachable':
      if (state.unheard) return []
      state.unheard = true
      state.unreachableSinceMs ??= nowMs
      if (nowMs - state.unreachableSinceMs >= timing.patienceMs) return giveUp(state)
      state.resendAtMs = Math.min(state.resendAtMs, nowMs + pause(timing.unreachableMs * 2 ** state.unreachable))
      state.unreachable += 1
      return []
    case 'postponed':
      heard(state)
      state.resendAtMs = Math.min(state.resendAtMs, nowMs + pause(timing.resendMs))
      return []
    case 'woke':
      if (nowMs >= state.deadlineMs) return giveUp(state)
      if (nowMs < state.resendAtMs) return []
      // Somebody may have heard the last sending: the silence of a slow one is not the absence of all.
      if (!state.unheard) heard(state)
      return send(state, nowMs, pause(timing.resendMs * 2 ** state.sent))
  }
}

/** When the question wants to be woken next. */
export function resendWakeAtMs(state: Resending): number {
  return Math.min(state.resendAtMs, state.deadlineMs)
}

function send(state: Resending, nowMs: number, pauseMs: number): ResendEffect[] {
  const { unheard } = state
  state.sent += 1
  state.unheard = false
  state.resendAtMs = nowMs + pauseMs
  return [{ kind: 'send', unheard }]
}

function heard(state: Resending): void {
  state.unreachableSinceMs = undefined
  state.unreachable = 0
}

function giveUp(state: Resending): ResendEffect[] {
  state.over = true
  return [{ kind: 'giveUp', why: state.unheard ? 'unreachable' : 'no-answer' }]
}
