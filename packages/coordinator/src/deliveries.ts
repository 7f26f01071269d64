import {
  type Ack,
  type DecisionRecord,
  type InstanceId,
  isOpen,
  type ParticipantName,
  type ReportedHazard,
  type TransactionId,
} from '@verdict/protocol'
import type { LogIndex } from '@verdict/raft'
import { type Clock, Schedule } from '@verdict/runtime'
import { Alarm } from './alarm.ts'
import { Backlog } from './backlog.ts'
import { maxSettledIds } from './command.ts'
import type { CommitTracing } from './commit-tracing.ts'
import {
  advanceDelivery,
  awaitedBy,
  type Delivery,
  type DeliveryEffect,
  type DeliveryEvent,
  deliveryWakeAtMs,
  newDelivery,
  toldOf,
} from './delivery.ts'
import type { DeliveryTracing } from './delivery-tracing.ts'
import { epochOf, horizonOf } from './forgetting.ts'
import type { LeaderTracing } from './leader-tracing.ts'
import type { Post } from './post.ts'
import { RecentResults } from './recent-results.ts'
import { type ReadableSpace, recordOf, type StoredRecord, unsettled, unsettledAt } from './records.ts'
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
  readonly tracing: LeaderTracing
  /** Records in the log that these are settled. Rejects when it could not be recorded now. */
  readonly settle: (ids: readonly TransactionId[]) => Promise<void>
}

interface Underway {
  readonly delivery: Delivery
  readonly index: LogIndex
  readonly tracing: DeliveryTracing
  /** Those who wait until every branch has applied the outcome. */
  readonly waiters: Waiter[]
  /** Bytes of results that it holds. */
  bytes: number
}

/**
 * Brings outcomes to their branches until each has acknowledged, in paced waves, and answers those who wait for it. What waits for a
 * participant that does not keep up goes back into the store, so that it takes neither memory nor turns from the others.
 */
export class Deliveries {
  private readonly ports: DeliveriesPorts
  private readonly underway = new Map<TransactionId, Underway>()
  private readonly schedule = new Schedule<TransactionId>()
  private readonly backlog: Backlog
  private readonly settling: TransactionId[] = []
  private readonly recent: RecentResults
  private readonly waveAlarm: Alarm
  private readonly settleAlarm: Alarm
  /** Position in the store's unsettled records up to which earlier leaders' were taken up; undefined when all were. */
  private inherited: { readonly after: string | undefined } | undefined = { after: undefined }
  private nextWaveMs = Number.NEGATIVE_INFINITY
  private bytes = 0
  private stopped = false

  constructor(ports: DeliveriesPorts) {
    this.ports = ports
    this.backlog = new Backlog(ports.settings.deliveryWindow)
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

  /** Outcomes that this leader knows some branch has not acknowledged; earlier leaders' as far as it came to them. */
  get count(): number {
    return this.underway.size + this.backlog.size
  }

  /** Begins to tell a decision. `results` are those that came with the votes, `by` is the commit that made it just now. */
  begin(record: StoredRecord, results?: Results, by?: CommitTracing): void {
    if (record.settled || this.stopped) return
    const known = this.underway.get(record.id)
    if (known !== undefined) {
      // It came from the store before its votes' results did.
      if (results !== undefined) this.keep(known, results)
      return
    }
    const delivery = newDelivery(record)
    const tracing = this.ports.tracing.delivery(record, by)
    if (this.underway.size >= this.ports.settings.maxDelivering) {
      // Told once; whoever misses it asks. The store keeps it until there is room to insist.
      for (const effect of this.step(delivery, { kind: 'woke', heldBack: [] })) {
        if (effect.kind === 'tell') this.tell(delivery, tracing, effect, 'woke')
      }
      tracing.toldOnce()
      this.backlog.add(record.index, toldOf(record))
      return
    }
    const fresh = this.enter(record, delivery, tracing)
    if (results !== undefined) this.keep(fresh, results)
    this.advance(record.id, { kind: 'woke', heldBack: [] })
  }

  /** Answers from a record, now or once every branch has applied it. `results` are those that came with the votes, if they are at hand. */
  answer(record: StoredRecord, waiter: Waiter, results?: Results): void {
    const isPatient = waiter.wait === 'applied' && waiter.digest === record.digest && record.outcome === 'committed'
    // An earlier leader's record may still wait in the store. It waits on when those that it waits for do not keep up.
    const keepsUp = !toldOf(record).some((participant) => this.backlog.isCrowded(participant))
    if (isPatient && keepsUp) this.begin(record)
    const underway = this.underway.get(record.id)
    const isOnItsWay = underway !== undefined && !this.isApplied(record) && !record.hazards.some(isOpen)
    if (isPatient && isOnItsWay) joinWaiters(underway.waiters, waiter, this.ports.settings.maxWaiters)
    else this.say(record, waiter, results)
  }

  acknowledged(participant: ParticipantName, { id, digest, applied, results }: Ack): void {
    this.advance(id, { kind: 'acknowledged', participant, digest, applied, results })
  }

  /** A hazard was recorded: nobody waits for full success any longer. */
  hazardous(record: StoredRecord, participant: ParticipantName, hazard: ReportedHazard): void {
    this.underway.get(record.id)?.tracing.hazardous(participant, hazard)
    this.marked(record)
    for (const waiter of this.underway.get(record.id)?.waiters.splice(0) ?? []) this.say(record, waiter)
  }

  /** The record's hazards are others now: one was reported, or an operator has resolved some. */
  marked(record: StoredRecord): void {
    if (this.underway.has(record.id)) this.advance(record.id, { kind: 'marked', record })
    else this.begin(record)
  }

  /** Everybody who has not acknowledged is told now, whatever pause is under way. */
  hurry(record: StoredRecord): void {
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

  private enter(record: StoredRecord, delivery: Delivery, tracing: DeliveryTracing): Underway {
    const fresh: Underway = { delivery, tracing, index: record.index, waiters: [], bytes: 0 }
    this.underway.set(record.id, fresh)
    return fresh
  }

  private step(delivery: Delivery, event: DeliveryEvent): DeliveryEffect[] {
    return advanceDelivery(delivery, event, this.ports.clock.nowMs(), this.ports.settings)
  }

  private advance(id: TransactionId, event: DeliveryEvent): void {
    const underway = this.underway.get(id)
    if (underway === undefined || this.stopped) return
    const { delivery, tracing } = underway
    const effects = this.step(delivery, event)
    this.schedule.set(id, deliveryWakeAtMs(delivery))
    for (const effect of effects) this.perform(delivery, tracing, effect, event.kind)
    const heard = effects.some(({ kind }) => kind === 'heard')
    // Nothing is on its way any more: it waits for those that were held back.
    if (heard && awaitedBy(delivery, { told: true }).length === 0) this.returnToStore(id)
    this.armWave()
  }

  /** What waits only for those that do not keep up goes back into the store; says whether it does. */
  private returnToStore(id: TransactionId): boolean {
    const underway = this.underway.get(id)
    if (underway === undefined) return false
    const { delivery, tracing, waiters, index } = underway
    const waitingFor = awaitedBy(delivery)
    if (waitingFor.length === 0 || !waitingFor.every((participant) => this.backlog.isCrowded(participant))) return false
    // They ask again, which costs less than to be kept in mind for hours.
    for (const waiter of waiters.splice(0)) this.say(delivery.record, waiter)
    tracing.toldOnce()
    this.drop(id)
    this.schedule.set(id, undefined)
    this.backlog.add(index, waitingFor)
    return true
  }

  private perform(
    delivery: Delivery,
    tracing: DeliveryTracing,
    effect: DeliveryEffect,
    cause: DeliveryEvent['kind'],
  ): void {
    switch (effect.kind) {
      case 'tell':
        if (effect.first) this.backlog.told(effect.participant)
        this.tell(delivery, tracing, effect, cause)
        break
      case 'heard':
        if (effect.told) this.backlog.untold(effect.participant)
        tracing.acknowledged(effect.participant)
        break
      case 'settled':
        this.queueSettled(delivery.record.id)
        break
    }
  }

  private tell(
    { record }: Delivery,
    tracing: DeliveryTracing,
    { participant, instance, token }: Extract<DeliveryEffect, { kind: 'tell' }>,
    cause: DeliveryEvent['kind'],
  ): void {
    const { id, digest, outcome } = record
    const { post, space } = this.ports
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
    const underway = this.underway.get(id)
    if (underway === undefined) return
    this.bytes -= underway.bytes
    this.underway.delete(id)
    for (const participant of awaitedBy(underway.delivery, { told: true })) this.backlog.untold(participant)
  }

  private armWave(): void {
    const nextMs = this.mayTakeUp() ? Number.NEGATIVE_INFINITY : this.schedule.nextMs()
    if (nextMs !== undefined) this.waveAlarm.setAt(Math.max(nextMs, this.nextWaveMs))
  }

  private wave(): void {
    const { clock, settings, troubles } = this.ports
    this.nextWaveMs = clock.nowMs() + settings.waveMs
    for (const id of this.schedule.takeDue(clock.nowMs(), settings.waveSize)) {
      troubles.contain(
        id,
        () => this.tellAgain(id),
        (untilMs) => this.schedule.set(id, untilMs),
      )
    }
    this.takeUp()
    this.armWave()
  }

  private get room(): number {
    return this.ports.settings.maxDelivering - this.underway.size
  }

  /** An abort may be forgotten before all have heard of it: those are told that it expired, when they ask. */
  private tellAgain(id: TransactionId): void {
    if (recordOf(this.ports.space, id) === undefined) {
      this.underway.get(id)?.tracing.abandoned('the group has forgotten the transaction')
      this.remove(id)
    } else if (!this.returnToStore(id)) this.advance(id, { kind: 'woke', heldBack: [] })
  }

  private mayTakeUp(): boolean {
    return (this.inherited !== undefined || this.backlog.isReady) && this.room > 0
  }

  /** Takes up what waits in the store: first for those that have room again, then what earlier leaders left. */
  private takeUp(): void {
    const { space, settings, troubles } = this.ports
    let left = Math.min(settings.takeUpsPerWave, this.room)
    for (; left > 0; left -= 1) {
      const waiting = this.backlog.take()
      if (waiting === undefined) break
      const record = unsettledAt(space, waiting.index)
      if (record === undefined) continue
      const how = { waitingFor: waiting.waitingFor, patient: true }
      troubles.contain(record.id, () => this.insist(record, how))
    }
    if (this.inherited === undefined || left === 0) return
    const { records, last } = unsettled(space, left, this.inherited.after)
    this.inherited = last === undefined ? undefined : { after: last }
    for (const record of records) {
      troubles.contain(record.id, () => this.insist(record, { waitingFor: toldOf(record), patient: false }))
    }
  }

  /** Tells an outcome from the store to those that have room for it. */
  private insist(
    record: StoredRecord,
    how: { readonly waitingFor: readonly ParticipantName[]; readonly patient: boolean },
  ): void {
    if (this.underway.has(record.id)) return
    const heldBack = how.waitingFor.filter((participant) => !this.backlog.hasRoom(participant))
    if (heldBack.length > 0 && heldBack.length === how.waitingFor.length) {
      this.backlog.add(record.index, how.waitingFor)
      return
    }
    this.enter(record, newDelivery(record, how), this.ports.tracing.delivery(record))
    this.advance(record.id, { kind: 'woke', heldBack })
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
