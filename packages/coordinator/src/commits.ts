import {
  type Abort,
  type Actor,
  type Commit as CommitRequest,
  type Decided,
  type Decision,
  type HeldBranch,
  type InstanceId,
  type Outcome,
  type ParticipantName,
  parseId,
  type Reason,
  reasonCodes,
  type TransactionId,
  type VoteMessage,
} from '@verdict/protocol'
import { type Clock, Schedule } from '@verdict/runtime'
import { Alarm } from './alarm.ts'
import { Awaited } from './awaited.ts'
import type { Calls } from './calls.ts'
import { advanceCommit, type CommitEffect, type CommitEvent, isAwaited, wakeAtMs } from './commit.ts'
import type { CommitTracing } from './commit-tracing.ts'
import type { Applied } from './decisions.ts'
import type { Deliveries } from './deliveries.ts'
import { epochOf, horizonOf } from './forgetting.ts'
import { trustedList } from './inquiry.ts'
import type { LeaderTracing } from './leader-tracing.ts'
import type { CoordinatorMetering } from './metering.ts'
import type { Asker, Post } from './post.ts'
import { type ReadableSpace, recordOf } from './records.ts'
import type { CoordinatorSettings } from './settings.ts'
import type { Troubles } from './troubles.ts'
import { costOf, modeOf, newUnderway, resultsOf, type Underway, wholeAge } from './underway.ts'
import { joinWaiters, type Waiter, wholeResults } from './waiter.ts'

export interface CommitsPorts {
  readonly post: Post
  readonly clock: Clock
  readonly space: ReadableSpace
  readonly settings: CoordinatorSettings
  readonly deliveries: Deliveries
  readonly calls: Calls
  readonly tracing: LeaderTracing
  readonly metering: CoordinatorMetering
  readonly troubles: Troubles
  readonly term: number
  /** A third of the retention at most: what takes longer could be forgotten before it is decided (rule R11). */
  readonly maxBudgetMs: number
  /** Runs once leadership is confirmed; `giveUp` when it cannot be. */
  readonly onceConfirmed: (say: () => void, giveUp: (why: string) => void) => void
  /** Proposes a decision and resolves with what the log made of it. Rejects when it was not recorded, or nobody knows. */
  readonly decide: (decision: Decision) => Promise<Applied>
  readonly takenUp: (id: TransactionId) => void
}

type Asked = Extract<CommitEvent, { kind: 'asked' | 'abortAsked' }>

/** One participant's part of `maxUnderwayBytes`: three that are silent leave room for all others. */
const awaitedShare = 4

/** The transactions that this leader collects votes for: one work each, joined by whoever asks for the same one (rule R2). */
export class Commits {
  private readonly ports: CommitsPorts
  private readonly underway = new Map<TransactionId, Underway>()
  private readonly schedule = new Schedule<TransactionId>()
  private readonly alarm: Alarm
  private readonly awaited = new Awaited()
  private bytes = 0
  private stopped = false

  constructor(ports: CommitsPorts) {
    this.ports = ports
    this.alarm = new Alarm(ports.clock, () => this.wake())
  }

  get size(): number {
    return this.underway.size
  }

  /** Drops all that is under way: nothing of it is a promise (rule R2). */
  stop(): void {
    this.stopped = true
    this.alarm.stop()
    for (const { tracing } of this.underway.values()) tracing.abandoned()
    this.underway.clear()
  }

  /** The owner asks for the commit. `bytes` is the size of its message. */
  ask(message: CommitRequest, asker: Asker, bytes: number): void {
    const { id, list, digest, operations, leftMs, ageMs = 0, ordered, isolation, trace, wait } = message
    const call = this.ports.calls.received(message)
    const waiter: Waiter = { ...asker, digest, wait, oneShot: list[0]?.kind === 'oneShot', call }
    const nowMs = this.ports.clock.nowMs()
    const endsAtMs = nowMs + Math.min(leftMs, this.ports.maxBudgetMs)
    const sealed = { list, digest, operations, ordered: ordered === true, serializable: isolation === 'serializable' }
    this.take(id, waiter, { kind: 'asked', sealed, endsAtMs, begunAtMs: nowMs - ageMs, trace }, bytes)
  }

  /** The owner asks for the abort of what it had asked to commit. `bytes` is the size of its message. */
  abort(message: Abort, asker: Asker, bytes: number): void {
    const { id, list, digest, reason, trace } = message
    const call = this.ports.calls.received(message)
    const waiter: Waiter = { ...asker, digest, wait: 'decided', oneShot: list[0]?.kind === 'oneShot', call }
    this.take(id, waiter, { kind: 'abortAsked', sealed: { list, digest, operations: undefined }, reason, trace }, bytes)
  }

  /** A participant holds a prepared branch of a transaction that nothing is recorded of: it is taken up again (rule R6). */
  takeUp(participant: ParticipantName, held: HeldBranch): void {
    const { id, digest, token } = held
    if (!this.underway.has(id)) {
      // It will ask again; by then there may be room. No honest id is ahead of the group's epoch.
      if (this.refusal(held.list ?? []) !== undefined || parseId(id).epoch > epochOf(this.ports.space)) return
      this.ports.takenUp(id)
    }
    const endsAtMs = this.ports.clock.nowMs() + this.ports.settings.takeUpBudgetMs
    const list = trustedList(participant, held)
    this.work(id, () => this.ports.tracing.takenUp(participant, held))
    this.advance(id, { kind: 'held', holder: { participant, digest, token }, list, endsAtMs, trace: held.trace })
  }

  /**
   * An operator aborts what is under way here; false when nothing of it is. What the log makes of it is told to one operator, the
   * last who asked: whoever asks again finds the record.
   */
  force(id: TransactionId, actor: Actor, reason: Reason, told: (applied: Applied) => void): boolean {
    const underway = this.underway.get(id)
    if (underway === undefined) return false
    underway.operator = told
    this.advance(id, { kind: 'forced', actor, reason })
    return true
  }

  /** `bytes` is the size of the message. */
  voted(participant: ParticipantName, { id, digest, vote }: VoteMessage, bytes: number): void {
    const underway = this.underway.get(id)
    if (underway === undefined) return
    underway.messages += 1
    this.ports.metering.voted(participant, vote)
    if ((vote.kind !== 'prepared' && vote.kind !== 'read-only') || vote.results === undefined) {
      this.advance(id, { kind: 'voted', participant, digest, vote })
      return
    }
    // A vote without results is legal (rule R5): that is what it is taken for when there is no room for them.
    const { results: _, ...bare } = vote
    const hasRoom = this.bytes < this.ports.settings.maxUnderwayBytes
    if (hasRoom) this.hold(underway, bytes)
    this.advance(id, { kind: 'voted', participant, digest, vote: hasRoom ? vote : bare })
  }

  private take(id: TransactionId, waiter: Waiter, event: Asked, bytes: number): void {
    const { space, deliveries, settings } = this.ports
    const { list } = event.sealed
    const record = recordOf(space, id)
    if (record !== undefined) {
      deliveries.answer(record, waiter)
      return
    }
    const { epoch } = parseId(id)
    if (epoch > epochOf(space)) {
      const message = `The id's epoch is ${epoch}, the group's is ${epochOf(space)}: use an id made by newId().`
      this.refuse(id, waiter, reasonCodes.futureEpoch, message, false)
      return
    }
    if (!this.underway.has(id) && epoch <= horizonOf(space)) {
      this.expire(id, waiter)
      return
    }
    const refusal = this.underway.has(id) ? undefined : this.refusal(list)
    if (refusal !== undefined) {
      this.refuse(id, waiter, reasonCodes.overloaded, refusal, true)
      return
    }
    const underway = this.work(id, () => this.ports.tracing.commit(id, waiter.call))
    underway.tracing.joined(waiter.call)
    if (event.kind === 'asked') underway.askedAtMs ??= this.ports.clock.nowMs()
    const { sealed } = underway.commit
    if (sealed === undefined || (waiter.oneShot && sealed.operations === undefined)) this.hold(underway, bytes)
    joinWaiters(underway.waiters, waiter, settings.maxWaiters)
    this.advance(id, event)
  }

  /** Its epoch lies behind the horizon: nothing is recorded, and nothing will be. That is told once leadership is confirmed. */
  private expire(id: TransactionId, waiter: Waiter): void {
    const { space, deliveries, onceConfirmed } = this.ports
    onceConfirmed(
      () => {
        const record = recordOf(space, id)
        if (record === undefined) this.say(id, waiter, { kind: 'expired' })
        else deliveries.answer(record, waiter)
      },
      (why) => waiter.call.dropped(why),
    )
  }

  /** Why one more transaction is not begun; it counts as refused then. One silent participant takes no more than its share. */
  private refusal(list: Iterable<{ readonly participant: ParticipantName }>): string | undefined {
    const { settings, metering } = this.ports
    const used = { maxUnderway: this.underway.size, maxUnderwayBytes: this.bytes }
    const full = (['maxUnderway', 'maxUnderwayBytes'] as const).find((name) => used[name] >= settings[name])
    if (full !== undefined) {
      metering.refused(full)
      return 'The group has too much under way just now: try again.'
    }
    for (const { participant } of list) {
      const { count, bytes } = this.awaited.of(participant)
      if (count < settings.maxAwaitedVotes && bytes < settings.maxUnderwayBytes / awaitedShare) continue
      metering.refused('maxAwaitedVotes')
      return `${participant} has not voted on ${count} transactions yet: no more are begun with it until it does.`
    }
    return undefined
  }

  private work(id: TransactionId, trace: () => CommitTracing): Underway {
    const known = this.underway.get(id)
    if (known !== undefined) return known
    const fresh = newUnderway(id, trace())
    this.underway.set(id, fresh)
    return fresh
  }

  private hold(underway: Underway, bytes: number): void {
    underway.bytes += bytes
    this.bytes += bytes
  }

  private drop(id: TransactionId): void {
    const underway = this.underway.get(id)
    if (underway === undefined) return
    for (const { listed, vote } of underway.commit.branches) {
      if (vote === 'awaited') this.awaited.remove(listed.participant, underway.awaitedBytes ?? 0)
    }
    this.bytes -= underway.bytes
    this.underway.delete(id)
    this.schedule.set(id, undefined)
  }

  private advance(id: TransactionId, event: CommitEvent): void {
    const underway = this.underway.get(id)
    if (underway === undefined || this.stopped) return
    const { commit, tracing } = underway
    const speaker = event.kind === 'voted' && isAwaited(commit, event.participant) ? event.participant : undefined
    const effects = advanceCommit(commit, event, this.ports.clock.nowMs(), this.ports.settings)
    this.count(underway, speaker)
    this.schedule.set(id, wakeAtMs(commit))
    this.alarm.setAt(this.schedule.nextMs())
    if (event.kind === 'voted') tracing.voted(commit, event.participant)
    for (const effect of effects) this.perform(id, underway, effect, event)
  }

  /** Notes whose votes are awaited, from now on or no longer. */
  private count(underway: Underway, speaker: ParticipantName | undefined): void {
    const { commit, bytes } = underway
    if (underway.awaitedBytes === undefined && commit.sealed !== undefined) {
      underway.awaitedBytes = bytes
      for (const { listed } of commit.branches) this.awaited.add(listed.participant, bytes)
    }
    if (speaker !== undefined && !isAwaited(commit, speaker)) this.awaited.remove(speaker, underway.awaitedBytes ?? 0)
  }

  private wake(): void {
    const { clock, settings, troubles } = this.ports
    for (const id of this.schedule.takeDue(clock.nowMs(), settings.waveSize)) {
      troubles.contain(
        id,
        () => this.advance(id, { kind: 'woke' }),
        (untilMs) => this.schedule.set(id, untilMs),
      )
    }
    this.alarm.setAt(this.schedule.nextMs())
  }

  private perform(id: TransactionId, underway: Underway, effect: CommitEffect, cause: CommitEvent): void {
    switch (effect.kind) {
      case 'prepare':
        this.sendPrepare(underway, effect)
        break
      case 'readOnly':
        underway.tracing.collected(undefined)
        underway.tracing.decided('committed')
        this.measure(underway, 'committed', 'read-only')
        this.drop(id)
        this.tellReadOnly(id, underway)
        break
      case 'propose':
        underway.tracing.collected(cause.kind === 'abortAsked' ? undefined : effect.decision.reason)
        this.propose(id, underway, { ...effect.decision, decidedAtMs: Math.round(this.ports.clock.wallMs()) })
        break
    }
  }

  /** It is true of this list alone. Whoever waits with another one asks again, and has its own turn. */
  private tellReadOnly(id: TransactionId, underway: Underway): void {
    const { commit, waiters } = underway
    const took = costOf(underway, this.ports.clock.nowMs())
    for (const waiter of waiters) {
      const isOwn = waiter.digest === commit.sealed?.digest
      const known = {
        ...(waiter.oneShot ? { results: wholeResults(resultsOf(commit)) } : {}),
        ...(took === undefined ? {} : { took }),
      }
      this.say(id, waiter, isOwn ? { kind: 'read-only', ...known } : { kind: 'pending' })
    }
  }

  private propose(id: TransactionId, underway: Underway, decision: Decision): void {
    underway.collectedAtMs = this.ports.clock.nowMs()
    underway.tracing
      .deciding(decision, () => this.ports.decide(decision))
      .then(
        (applied) => this.ports.troubles.contain(id, () => this.applied(id, underway, applied)),
        (error: unknown) => this.ports.troubles.contain(id, () => this.undecided(id, underway, error)),
      )
  }

  /** Everybody is told what the log made of the proposal, never what was proposed (rule R1). */
  private applied(id: TransactionId, underway: Underway, applied: Applied): void {
    if (this.stopped) return
    this.drop(id)
    const { commit, waiters, tracing } = underway
    tracing.decided(applied.kind === 'recorded' ? applied.record.outcome : undefined)
    underway.operator?.(applied)
    const { deliveries } = this.ports
    switch (applied.kind) {
      case 'recorded': {
        const { record } = applied
        this.measure(underway, record.outcome, 'logged')
        const results = record.digest === commit.sealed?.digest ? resultsOf(commit) : undefined
        const cost = costOf(underway, this.ports.clock.nowMs())
        deliveries.begin(record, results, tracing)
        for (const waiter of waiters) {
          deliveries.answer(record, cost === undefined ? waiter : { ...waiter, cost }, results)
        }
        break
      }
      case 'expired':
        for (const waiter of waiters) this.say(id, waiter, { kind: 'expired' })
        break
      case 'malformed':
        for (const waiter of waiters)
          this.refuse(id, waiter, reasonCodes.conflict, `Nothing was recorded: ${applied.found}.`, false)
        break
      case 'released':
      case 'forgotten':
      case 'done':
        throw new Error(`Broken invariant: the decision of ${id} was applied as something else.`)
    }
  }

  /** The log is overloaded, or leadership is lost: the work is dropped, and whoever still waits asks again (rules R2, R6). */
  private undecided(id: TransactionId, { waiters, tracing }: Underway, error: unknown): void {
    if (this.stopped) return
    this.drop(id)
    tracing.undecided(error)
    for (const waiter of waiters) this.say(id, waiter, { kind: 'pending' })
  }

  private sendPrepare(underway: Underway, effect: Extract<CommitEffect, { kind: 'prepare' }>): void {
    const { commit, tracing } = underway
    const { id, sealed, trace, endsAtMs, begunAtMs } = commit
    if (sealed === undefined) throw new Error(`Broken invariant: prepare of ${id} without a list.`)
    const { clock, post, space, term } = this.ports
    const { participant, instance, operations } = effect
    underway.messages += 1
    const message = {
      type: 'prepare',
      id,
      list: sealed.list,
      digest: sealed.digest,
      leftMs: Math.max(0, Math.round(endsAtMs - clock.nowMs())),
      ...(begunAtMs === undefined ? {} : { ageMs: wholeAge(clock.nowMs() - begunAtMs) }),
      ...(sealed.serializable ? { isolation: 'serializable' as const } : {}),
      term,
      horizon: horizonOf(space),
      ...(operations === undefined ? {} : { operations }),
      ...tracing.asking(participant, trace),
    } as const
    post.tell(participant, instance, message, () => this.unreachable(id, participant, instance))
  }

  private unreachable(id: TransactionId, participant: ParticipantName, instance: InstanceId | undefined): void {
    this.advance(id, { kind: 'unreachable', participant, instance })
  }

  private measure({ commit, askedAtMs }: Underway, outcome: Outcome, path: 'logged' | 'read-only'): void {
    const { clock, metering } = this.ports
    if (askedAtMs !== undefined) metering.committed(clock.nowMs() - askedAtMs, { outcome, path, mode: modeOf(commit) })
  }

  private say(id: TransactionId, waiter: Waiter, answer: Decided['answer']): void {
    const { post, space } = this.ports
    post.answer(waiter, { type: 'decided', id, digest: waiter.digest, epoch: epochOf(space), answer })
    waiter.call.answered(answer)
  }

  private refuse(id: TransactionId, waiter: Waiter, code: string, message: string, retryable: boolean): void {
    this.say(id, waiter, { kind: 'refused', reason: { code, message, retryable } })
  }
}
