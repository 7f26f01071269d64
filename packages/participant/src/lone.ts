import type { Digest, Reason, TransactionId } from '@verdict/protocol'
import { labels } from '@verdict/protocol/telemetry'
import type { Asker, LoneAnswer } from './branch-state.ts'
import type { Row } from './resource.ts'
import type { Site } from './site.ts'
import { type Asked, markFailed, markRefused, recordThrown } from './tracing.ts'

/** An owner's question what became of its lone transaction, and the span that ends with the answer. */
export interface LoneQuestion {
  readonly id: TransactionId
  readonly digest: Digest
  readonly asker: Asker
  readonly asked: Asked | undefined
}

/** What owners are told of lone transactions: never anything but what stands in a durable row (rule R9). */
export class Lone {
  readonly #site: Site
  /** The id has an outcome here: nothing of it runs again. */
  readonly #onEnded: (id: TransactionId) => void
  #settling = 0

  constructor(site: Site, onEnded: (id: TransactionId) => void) {
    this.#site = site
    this.#onEnded = onEnded
  }

  /** Whether nothing is being settled. */
  get isIdle(): boolean {
    return this.#settling === 0
  }

  /** Makes a tombstone durable and tells that it is aborted, or tells what is there instead. Never rejects. */
  async settle(question: LoneQuestion, reason: Reason): Promise<void> {
    const { settings, dropped } = this.#site
    if (this.#settling >= settings.maxLooks) {
      dropped('maxLooks')
      this.tell(question, { kind: 'busy' })
      return
    }
    this.#settling += 1
    const answer = await this.#answer(question, reason)
    this.#settling -= 1
    if (answer.kind === 'aborted') this.#onEnded(question.id)
    this.tell(question, answer)
    this.#site.changed()
  }

  tell({ id, digest, asker, asked }: LoneQuestion, answer: LoneAnswer): void {
    const { post, metering, world } = this.#site
    post.loneDecided(asker, id, digest, answer)
    if (asked === undefined) return
    metering.lone(answer.kind, world.clock.nowMs() - asked.arrivedAtMs)
    describe(asked, answer)
    asked.span.end()
  }

  async #answer({ id, digest }: LoneQuestion, reason: Reason): Promise<LoneAnswer> {
    const { resource, emit } = this.#site
    try {
      const buried = await resource.tombstone(id, digest)
      if (buried === 'busy') return { kind: 'busy' }
      if (buried === 'exists') return answerFor(await resource.look(id), digest, reason)
      emit({ kind: 'finished', id, outcome: 'aborted' })
      return { kind: 'aborted', reason }
    } catch (error) {
      recordThrown(error)
      emit({ kind: 'failed', id, what: 'settling a lone transaction', error })
      return { kind: 'busy' }
    }
  }
}

/** What a row says to the owner of a lone transaction under this digest. */
function answerFor(row: Row, digest: Digest, reason: Reason): LoneAnswer {
  switch (row.state) {
    case 'committed':
      if (row.digest !== digest) return { kind: 'conflict' }
      return { kind: 'committed', ...(row.results === undefined ? {} : { results: row.results }) }
    case 'aborted':
      return { kind: 'aborted', reason }
    case 'prepared':
    case 'underway':
    case 'nothing':
      return { kind: 'busy' }
  }
}

function describe({ span }: Asked, answer: LoneAnswer): void {
  switch (answer.kind) {
    case 'committed':
      span.setAttributes({ [labels.outcome]: 'committed', [labels.path]: 'lone' })
      return
    case 'read-only':
      span.setAttributes({ [labels.outcome]: 'committed', [labels.path]: 'read-only' })
      return
    case 'aborted':
      span.setAttributes({ [labels.outcome]: 'aborted', [labels.path]: 'lone' })
      markRefused(span, answer.reason)
      return
    case 'expired':
    case 'conflict':
    case 'busy':
      markFailed(span, answer.kind)
      return
  }
}
