import {
  type Ack,
  type DecisionRecord,
  type InstanceId,
  isOpen,
  type ParticipantName,
  type ReportedHazard,
  type TransactionId,
} from '@verdict/protocol'
import type { Clock } from '@verdict/runtime'
import { Alarm } from './alarm.ts'
import { maxSettledIds } from './command.ts'
import type { CommitTracing } from './commit-tracing.ts'
import {
  advanceDelivery,
  type Delivery,
  type DeliveryEffect,
  type DeliveryEvent,
  deliveryWakeAtMs,
  newDelivery,
} from './delivery.ts'
import { DeliveryTracing } from './delivery-tracing.ts'
import { epochOf, horizonOf } from './forgetting.ts'
import type { Post } from './post.ts'
import { RecentResults } from './recent-results.ts'
import { type ReadableSpace, recordOf, unsettled } from './records.ts'
import { Schedule } from './schedule.ts'
import type { CoordinatorSettings } from './settings.ts'
import { leadershipLost } from './span.ts'
import type { Troubles } from './troubles.ts'
import { answerFrom, bytesOf, joinWaiters, type Results, type Waiter } from './waiter.ts'

export interface DeliveriesPorts {
  readonly post: Post
  readonly clock: Clock
  readonly space: ReadableSpace
  readonly settings: CoordinatorSettings
  readonly troubles: Troubles
  /** Records in the log that these are settled. Rejects when it could not be recorded now. */
  readonly settle: (ids: readonly TransactionId[]) => Promise<void>
}

interface Underway {
  readonly delivery: Delivery
  readonly tracing: DeliveryTracing
  /** Those who wait until every branch has applied the outcome. */
  readonly waiters: Waiter[]
  /** Bytes of results that it holds. */
  bytes: number
}

/** Brings outcomes to their branches until each has acknowledged, in paced waves, and answers those who wait for it. */
export class Deliveries {
  private readonly ports: DeliveriesPorts
  private readonly underway = new Map<TransactionId, Underway>()
  private readonly schedule = new Schedule<TransactionId>()
  private readonly settling: TransactionId[] = []
  private readonly recent: RecentResults
  private readonly waveAlarm: Alarm
  private readonly settleAlarm: Alarm
  /** Position in the store's unsettled records up to which they were taken into memory; undefined when all were. */
  private backlog: { readonly after: string | undefined } | undefined = { after: undefined }
  private nextWaveMs = Number.NEGATIVE_INFINITY
  private bytes = 0
  private stopped = false

  constructor(ports: DeliveriesPorts) {
    this.ports = ports
    this.recent = new RecentResults(ports.settings.maxRecentResultsBytes)
    this.waveAlarm = new Alarm(ports.clock, () => this.wave())
    this.settleAlarm = new Alarm(ports.clock, () => this.flushSettled())
  }

  /** Takes up what earlier leaders left unsettled. */
  start(): void {
    this.wave()
  }

  stop(): void {
    this.stopped = true
    for (const { tracing } of this.underway.values()) tracing.abandoned(leadershipLost)
    this.waveAlarm.stop()
    this.settleAlarm.stop()
  }

  /** Begins to tell a decision. `results` are those that came with the votes, `by` is the commit that made it just now. */
  begin(record: DecisionRecord, results?: Results, by?: CommitTracing): void {
    const { clock, settings } = this.ports
    if (record.settled || this.stopped) return
    const known = this.underway.get(record.id)
    if (known !== undefined) {
      // It came from the store before its votes' results did.
      if (results !== undefined) this.keep(known, results)
      return
    }
    const delivery = newDelivery(record)
    const tracing = new DeliveryTracing(record, by?.context)
    if (this.underway.size >= settings.maxDelivering) {
      // Told once; whoever misses it asks. The store keeps it until there is room to insist.
      this.perform(delivery, tracing, advanceDelivery(delivery, { kind: 'woke' }, clock.nowMs(), settings), 'woke')
      tracing.toldOnce()
      this.backlog ??= { after: undefined }
      return
    }
    const fresh: Underway = { delivery, tracing, waiters: [], bytes: 0 }
    this.underway.set(record.id, fresh)
    if (results !== undefined) this.keep(fresh, results)
    this.advance(record.id, { kind: 'woke' })
  }

  /** Answers from a record, now or once every branch has applied it. `results` are those that came with the votes, if they are at hand. */
  answer(record: DecisionRecord, waiter: Waiter, results?: Results): void {
    const isPatient = waiter.wait === 'applied' && waiter.digest === record.digest && record.outcome === 'committed'
    // An earlier leader's record may still wait in the store.
    if (isPatient) this.begin(record)
    const underway = this.underway.get(record.id)
    const isOnItsWay = underway !== undefined && !this.isApplied(record) && !record.hazards.some(isOpen)
    if (isPatient && isOnItsWay) joinWaiters(underway.waiters, waiter, this.ports.settings.maxWaiters)
    else this.say(record, waiter, results)
  }

  acknowledged(participant: ParticipantName, { id, digest, applied, results }: Ack): void {
    this.advance(id, { kind: 'acknowledged', participant, digest, applied, results })
  }

  /** A hazard was recorded: nobody waits for full success any longer. */
  hazardous(record: DecisionRecord, participant: ParticipantName, hazard: ReportedHazard): void {
    this.underway.get(record.id)?.tracing.hazardous(participant, hazard)
    this.marked(record)
    for (const waiter of this.underway.get(record.id)?.waiters.splice(0) ?? []) this.say(record, waiter)
  }

  /** The record's hazards are others now: one was reported, or an operator has resolved some. */
  marked(record: DecisionRecord): void {
    if (this.underway.has(record.id)) this.advance(record.id, { kind: 'marked', record })
    else this.begin(record)
  }

  /** Everybody who has not acknowledged is told now, whatever pause is under way. */
  hurry(record: DecisionRecord): void {
    this.begin(record)
    this.advance(record.id, { kind: 'hurried' })
  }

  /** The log holds nothing of these any more. */
  forget(ids: readonly TransactionId[]): void {
    for (const id of ids) this.recent.drop(id)
  }

  private keep(underway: Underway, results: Results): void {
    const bytes = bytesOf(results)
    if (this.bytes + bytes > this.ports.settings.maxResultsHeldBytes) return
    this.bytes += bytes
    underway.bytes += bytes
    const { delivery } = underway
    delivery.results = delivery.results.map((values, position) => results[position] ?? values)
  }

  private advance(id: TransactionId, event: DeliveryEvent): void {
    const underway = this.underway.get(id)
    if (underway === undefined || this.stopped) return
    const { delivery, tracing } = underway
    const effects = advanceDelivery(delivery, event, this.ports.clock.nowMs(), this.ports.settings)
    this.schedule.set(id, deliveryWakeAtMs(delivery))
    if (event.kind === 'acknowledged') tracing.acknowledged(delivery, event.participant)
    this.perform(delivery, tracing, effects, event.kind)
    this.armWave()
  }

  private perform(
    delivery: Delivery,
    tracing: DeliveryTracing,
    effects: readonly DeliveryEffect[],
    cause: DeliveryEvent['kind'],
  ): void {
    const { id, digest, outcome } = delivery.record
    const { post, space } = this.ports
    for (const effect of effects) {
      switch (effect.kind) {
        case 'tell': {
          const { participant, instance, token } = effect
          const message = {
            type: 'outcome',
            id,
            digest,
            outcome,
            horizon: horizonOf(space),
            ...(token === undefined ? {} : { token }),
            ...tracing.telling(participant, cause),
          } as const
          const onNoResponders = instance === undefined ? undefined : () => this.unreachable(id, participant, instance)
          post.tell(participant, instance, message, onNoResponders)
          break
        }
        case 'settled':
          this.queueSettled(id)
          break
      }
    }
  }

  private unreachable(id: TransactionId, participant: ParticipantName, instance: InstanceId): void {
    this.advance(id, { kind: 'unreachable', participant, instance })
  }

  private queueSettled(id: TransactionId): void {
    const underway = this.underway.get(id)
    if (underway !== undefined)
      for (const waiter of underway.waiters.splice(0)) this.say(underway.delivery.record, waiter)
    this.settling.push(id)
    if (this.settling.length === maxSettledIds) this.flushSettled()
    else this.armSettle()
  }

  private armSettle(): void {
    const { clock, settings } = this.ports
    this.settleAlarm.setAt(clock.nowMs() + settings.settleDelayMs)
  }

  private flushSettled(): void {
    if (this.stopped) return
    const ids = this.settling.splice(0, maxSettledIds)
    if (ids.length === 0) return
    if (this.settling.length > 0) this.armSettle()
    this.ports.settle(ids).then(
      () => {
        for (const id of ids) this.drop(id)
        this.armWave()
      },
      () => {
        this.settling.push(...ids)
        this.armSettle()
      },
    )
  }

  private drop(id: TransactionId): void {
    const underway = this.underway.get(id)
    if (underway === undefined) return
    this.remove(id)
    this.recent.keep(id, underway.delivery.results)
  }

  private remove(id: TransactionId): void {
    this.bytes -= this.underway.get(id)?.bytes ?? 0
    this.underway.delete(id)
  }

  private armWave(): void {
    const nextMs = this.mayRefill() ? Number.NEGATIVE_INFINITY : this.schedule.nextMs()
    if (nextMs !== undefined) this.waveAlarm.setAt(Math.max(nextMs, this.nextWaveMs))
  }

  private wave(): void {
    const { clock, settings, troubles } = this.ports
    this.nextWaveMs = clock.nowMs() + settings.waveMs
    for (const id of this.schedule.takeDue(clock.nowMs(), settings.waveSize)) {
      troubles.contain(
        id,
        () => this.insist(id),
        (untilMs) => this.schedule.set(id, untilMs),
      )
    }
    this.refill()
    this.armWave()
  }

  /** Tells it again; an abort may be forgotten before all have heard of it: those are told that it expired, when they ask. */
  private insist(id: TransactionId): void {
    if (recordOf(this.ports.space, id) !== undefined) {
      this.advance(id, { kind: 'woke' })
      return
    }
    this.underway.get(id)?.tracing.abandoned('the group has forgotten the transaction')
    this.remove(id)
  }

  private mayRefill(): boolean {
    return this.backlog !== undefined && this.underway.size < this.ports.settings.maxDelivering
  }

  private refill(): void {
    const { space, settings, troubles } = this.ports
    if (this.backlog === undefined || !this.mayRefill()) return
    const limit = Math.min(settings.maxDelivering - this.underway.size, settings.waveSize)
    const { records, last } = unsettled(space, limit, this.backlog.after)
    this.backlog = last === undefined ? undefined : { after: last }
    for (const record of records) troubles.contain(record.id, () => this.begin(record))
  }

  private isApplied({ id, settled }: DecisionRecord): boolean {
    const underway = this.underway.get(id)
    return settled || (underway !== undefined && deliveryWakeAtMs(underway.delivery) === undefined)
  }

  private say(record: DecisionRecord, waiter: Waiter, results?: Results): void {
    const { id } = record
    const { post, space } = this.ports
    const known = results ?? this.underway.get(id)?.delivery.results ?? this.recent.get(id)
    const decided = (found: Results | undefined) =>
      ({
        type: 'decided',
        id,
        digest: waiter.digest,
        epoch: epochOf(space),
        answer: answerFrom(record, waiter, this.isApplied(record), found),
      }) as const
    const fullest = decided(known)
    post.answer(waiter, fullest, decided(undefined))
    waiter.call.answered(fullest.answer)
  }
}
