import {
  type Ack,
  type DecisionRecord,
  type Epoch,
  type InstanceId,
  maxResultsBytes,
  type ParticipantName,
  type Payload,
  reasonCodes,
  type TransactionId,
} from '@verdict/protocol'
import type { Clock, Timer } from '@verdict/runtime'
import { maxSettledIds } from './command.ts'
import { epochOf, horizonOf, type ReadableSpace, unsettled } from './decisions.ts'
import { advanceDelivery, type Delivery, type DeliveryEffect, deliveryWakeAtMs, newDelivery } from './delivery.ts'
import type { Asker, Post } from './post.ts'
import { Schedule } from './schedule.ts'
import type { CoordinatorSettings } from './settings.ts'

/** Somebody who asked for the outcome of a transaction under a list of its own. */
export interface Waiter extends Asker {
  readonly digest: DecisionRecord['digest']
  readonly wait: 'decided' | 'applied'
  readonly oneShot: boolean
}

/** Values by branch, in the order of the list; undefined where they are not known. */
export type Results = readonly (readonly Payload[] | undefined)[]

export interface DeliveriesPorts {
  readonly post: Post
  readonly clock: Clock
  readonly space: ReadableSpace
  readonly settings: CoordinatorSettings
  /** Records in the log that these are settled. Rejects when it could not be recorded now. */
  readonly settle: (ids: readonly TransactionId[]) => Promise<void>
}

interface Underway {
  readonly delivery: Delivery
  /** Those who wait until every branch has applied the outcome. */
  readonly waiters: Waiter[]
}

/** Brings outcomes to their branches until each has acknowledged, in paced waves, and answers those who wait for it. */
export class Deliveries {
  private readonly ports: DeliveriesPorts
  private readonly underway = new Map<TransactionId, Underway>()
  private readonly schedule = new Schedule<TransactionId>()
  private readonly settling: TransactionId[] = []
  /** Position in the store's unsettled records up to which they were taken into memory; undefined when all were. */
  private backlog: { readonly after: string | undefined } | undefined = { after: undefined }
  private waveTimer: Timer | undefined
  private settleTimer: Timer | undefined
  private stopped = false

  constructor(ports: DeliveriesPorts) {
    this.ports = ports
  }

  /** Takes up what earlier leaders left unsettled. */
  start(): void {
    this.wave()
  }

  stop(): void {
    this.stopped = true
    this.waveTimer?.cancel()
    this.settleTimer?.cancel()
  }

  get size(): number {
    return this.underway.size
  }

  /** Begins to tell a decision that was just recorded. */
  begin(record: DecisionRecord, results: Results): void {
    if (record.settled || this.underway.has(record.id)) return
    const delivery = newDelivery(record, results)
    if (this.underway.size >= this.ports.settings.maxDelivering) {
      // Told once; whoever misses it asks. The store keeps it until there is room to insist.
      this.perform(delivery, advanceDelivery(delivery, { kind: 'woke' }, this.ports.clock.nowMs(), this.ports.settings))
      this.backlog ??= { after: undefined }
      return
    }
    this.underway.set(record.id, { delivery, waiters: [] })
    this.advance(record.id, { kind: 'woke' })
  }

  /** Answers from a record, now or once every branch has applied it. `results` are those that came with the votes, if they are at hand. */
  answer(record: DecisionRecord, waiter: Waiter, results?: Results): void {
    const underway = this.underway.get(record.id)
    const patient = waiter.wait === 'applied' && waiter.digest === record.digest && record.outcome === 'committed'
    if (patient && !record.settled && record.hazards.length === 0 && underway !== undefined) {
      const everyoneHas = deliveryWakeAtMs(underway.delivery) === undefined
      if (!everyoneHas && underway.waiters.length < this.ports.settings.maxWaiters) {
        underway.waiters.push(waiter)
        return
      }
    }
    this.say(record, waiter, results)
  }

  acknowledged(participant: ParticipantName, { id, digest, applied, results }: Ack): void {
    this.advance(id, { kind: 'acknowledged', participant, digest, applied, results })
  }

  unreachable(id: TransactionId, participant: ParticipantName, instance: InstanceId): void {
    this.advance(id, { kind: 'unreachable', participant, instance })
  }

  /** A hazard was recorded: nobody waits for full success any longer. */
  hazardous(record: DecisionRecord): void {
    const underway = this.underway.get(record.id)
    if (underway === undefined) {
      this.begin(record, [])
      return
    }
    underway.delivery.record = record
    for (const waiter of underway.waiters.splice(0)) this.say(record, waiter)
  }

  private advance(id: TransactionId, event: Parameters<typeof advanceDelivery>[1]): void {
    const underway = this.underway.get(id)
    if (underway === undefined || this.stopped) return
    const { delivery } = underway
    this.perform(delivery, advanceDelivery(delivery, event, this.ports.clock.nowMs(), this.ports.settings))
    this.schedule.set(id, deliveryWakeAtMs(delivery))
    this.armWave()
  }

  private perform(delivery: Delivery, effects: readonly DeliveryEffect[]): void {
    const { id, digest, outcome, trace } = delivery.record
    for (const effect of effects) {
      switch (effect.kind) {
        case 'tell': {
          const { participant, instance, token } = effect
          const message = {
            type: 'outcome',
            id,
            digest,
            outcome,
            horizon: this.horizon(),
            ...(token === undefined ? {} : { token }),
            ...(trace === undefined ? {} : { trace }),
          } as const
          const onNoResponders = instance === undefined ? undefined : () => this.unreachable(id, participant, instance)
          this.ports.post.tell(participant, instance, message, onNoResponders)
          break
        }
        case 'settled':
          this.queueSettled(id)
          break
      }
    }
  }

  private horizon(): Epoch {
    return horizonOf(this.ports.space)
  }

  private queueSettled(id: TransactionId): void {
    const underway = this.underway.get(id)
    if (underway !== undefined)
      for (const waiter of underway.waiters.splice(0)) this.say(underway.delivery.record, waiter)
    this.settling.push(id)
    if (this.settling.length >= maxSettledIds) this.flushSettled()
    else this.armSettle()
  }

  private armSettle(): void {
    this.settleTimer ??= this.ports.clock.after(this.ports.settings.settleDelayMs, () => this.flushSettled())
  }

  private flushSettled(): void {
    this.settleTimer?.cancel()
    this.settleTimer = undefined
    const ids = this.settling.splice(0, maxSettledIds)
    if (ids.length === 0 || this.stopped) return
    if (this.settling.length > 0) this.armSettle()
    this.ports.settle(ids).then(
      () => {
        for (const id of ids) this.underway.delete(id)
      },
      () => {
        this.settling.push(...ids)
        this.armSettle()
      },
    )
  }

  private armWave(): void {
    const next = this.backlog === undefined ? this.schedule.nextMs() : Number.NEGATIVE_INFINITY
    if (next === undefined || this.waveTimer !== undefined || this.stopped) return
    const { clock, settings } = this.ports
    this.waveTimer = clock.after(Math.max(next - clock.nowMs(), settings.waveMs), () => this.wave())
  }

  private wave(): void {
    this.waveTimer = undefined
    const { clock, settings } = this.ports
    for (const id of this.schedule.takeDue(clock.nowMs(), settings.waveSize)) this.advance(id, { kind: 'woke' })
    this.refill()
    this.armWave()
  }

  private refill(): void {
    const { space, settings } = this.ports
    const room = settings.maxDelivering - this.underway.size
    if (this.backlog === undefined || room <= 0) return
    const { records, last } = unsettled(space, Math.min(room, settings.waveSize), this.backlog.after)
    this.backlog = last === undefined ? undefined : { after: last }
    for (const record of records) this.begin(record, [])
  }

  private say(record: DecisionRecord, { digest, oneShot, inbox, request }: Waiter, results?: Results): void {
    const { id } = record
    const { post, space } = this.ports
    const underway = this.underway.get(id)
    const decided = { type: 'decided', id, digest, epoch: epochOf(space) } as const
    if (digest !== record.digest) {
      const answer = { kind: 'conflict', recorded: record.digest, outcome: record.outcome } as const
      post.answer({ inbox, request }, { ...decided, answer })
      return
    }
    if (record.outcome === 'aborted') {
      const reason = record.reason ?? {
        code: reasonCodes.clientAborted,
        message: 'The transaction was aborted.',
        retryable: true,
      }
      post.answer({ inbox, request }, { ...decided, answer: { kind: 'aborted', reason } })
      return
    }
    const applied = record.settled || (underway !== undefined && deliveryWakeAtMs(underway.delivery) === undefined)
    const answer = {
      kind: 'committed',
      applied,
      hazards: record.hazards,
      ...(oneShot ? { results: wholeResults(underway?.delivery.results ?? results) } : {}),
    } as const
    post.answer({ inbox, request }, { ...decided, answer })
  }
}

/** The results that an answer carries: those of every branch, or none. */
export function wholeResults(results: Results | undefined): readonly (readonly Payload[])[] | 'pending' {
  if (results === undefined) return 'pending'
  const known = results.filter((values) => values !== undefined)
  const sizeBytes = known.flat().reduce((sum, value) => sum + value.length, 0)
  return known.length === results.length && sizeBytes <= maxResultsBytes ? known : 'pending'
}
