import { type Context, context } from '@opentelemetry/api'
import type { Call, CallResult } from '@verdict/protocol'
import { codeLabel, labels, spanEvents } from '@verdict/protocol/telemetry'
import { tooManyWaiting } from './branch-call.ts'
import type { Asker, CallOutcome } from './branch-state.ts'
import type { Site } from './site.ts'
import { markFailed, markRefused, type Work } from './tracing.ts'

interface Caller {
  readonly operation: string
  readonly arrivedAtMs: number
  readonly work: Work
}

/** Whoever waits for the result of a call: each has a span, and a time that is measured, until it is answered. */
export class Callers {
  readonly #site: Site
  readonly #callers = new Map<Asker, Caller>()

  constructor(site: Site) {
    this.#site = site
  }

  /** A call has come; its context. */
  arrived({ operation, id, trace }: Call, asker: Asker): Context {
    const { world, tracing } = this.#site
    const work = tracing.call(operation, id, trace)
    this.#callers.set(asker, { operation, arrivedAtMs: world.clock.nowMs(), work })
    return work.context
  }

  /** In which context a call runs; the active one when nobody waits for its result alone. */
  contextOf(asker: Asker | undefined): Context {
    return (asker && this.#callers.get(asker)?.work.context) ?? context.active()
  }

  answer(asker: Asker, call: Pick<CallResult, 'id' | 'n'>, token: CallResult['token'], result: CallOutcome): void {
    const { post, metering, world } = this.#site
    post.result(asker, call, token, result)
    const caller = this.#callers.get(asker)
    if (caller === undefined) return
    this.#callers.delete(asker)
    const { operation, arrivedAtMs, work } = caller
    metering.called(operation, world.clock.nowMs() - arrivedAtMs, errorTypeOf(result))
    if (result.kind === 'refused') {
      if (result.reason === tooManyWaiting) metering.refused('maxWaitingCalls')
      markRefused(work.span, result.reason)
    } else if (result.kind === 'busy') markFailed(work.span, result.kind)
    work.span.end()
  }

  /** A newer request asks for the same call: the first one's span is that of the work, and goes on until there is a result. */
  joined(before: Asker, asker: Asker): void {
    const first = this.#callers.get(before)
    const repeated = this.#callers.get(asker)
    if (first === undefined) return
    this.#callers.delete(before)
    this.#callers.set(asker, first)
    first.work.span.addEvent(spanEvents.repeated)
    repeated?.work.span.end()
  }

  /** There is no answer for a request that has not got one by now: the value was too much to keep. */
  unanswered(asker: Asker): void {
    const caller = this.#callers.get(asker)
    if (caller === undefined) return
    this.#callers.delete(asker)
    this.#site.metering.refused(maxKeptBytes)
    caller.work.span.setAttribute(labels.limit, maxKeptBytes)
    markFailed(caller.work.span, maxKeptBytes)
    caller.work.span.end()
  }
}

const maxKeptBytes = 'maxKeptBytes'

function errorTypeOf(result: CallOutcome): string | undefined {
  switch (result.kind) {
    case 'value':
      return undefined
    case 'refused':
      return codeLabel(result.reason.code)
    case 'busy':
      return result.kind
  }
}
