import {
  type Abort,
  type Commit as CommitRequest,
  type Decided,
  type Decision,
  type HeldBranch,
  type InstanceId,
  maxBudgetMs,
  type ParticipantName,
  parseId,
  type Reason,
  reasonCodes,
  type TransactionId,
  type VoteMessage,
} from '@verdict/protocol'
import type { Clock, Timer } from '@verdict/runtime'
import { advanceCommit, type Commit, type CommitEffect, type CommitEvent, newCommit, wakeAtMs } from './commit.ts'
import { type Applied, epochOf, horizonOf, type ReadableSpace, recordOf } from './decisions.ts'
import { type Deliveries, type Waiter, wholeResults } from './deliveries.ts'
import { trustedList } from './inquiry.ts'
import type { Asker, Post } from './post.ts'
import { Schedule } from './schedule.ts'
import type { CoordinatorSettings } from './settings.ts'

export interface CommitsPorts {
  readonly post: Post
  readonly clock: Clock
  readonly space: ReadableSpace
  readonly settings: CoordinatorSettings
  readonly deliveries: Deliveries
  readonly term: number
  /** Proposes a decision and resolves with what the log made of it. Rejects when leadership is lost. */
  readonly decide: (decision: Decision) => Promise<Applied>
  readonly takenUp: (id: TransactionId) => void
}

interface Underway {
  readonly commit: Commit
  readonly waiters: Waiter[]
}

/** The transactions that this leader collects votes for: one work each, joined by whoever asks for the same one (rule R2). */
export class Commits {
  private readonly ports: CommitsPorts
  private readonly underway = new Map<TransactionId, Underway>()
  private readonly schedule = new Schedule<TransactionId>()
  private timer: Timer | undefined
  private timerAtMs = Number.POSITIVE_INFINITY
  private stopped = false

  constructor(ports: CommitsPorts) {
    this.ports = ports
  }

  get size(): number {
    return this.underway.size
  }

  /** Drops all that is under way: nothing of it is a promise (rule R2). */
  stop(): void {
    this.stopped = true
    this.timer?.cancel()
    this.underway.clear()
  }

  /** The owner asks for the commit. */
  ask(message: CommitRequest, asker: Asker): void {
    const { id, list, digest, operations, leftMs, trace } = message
    const waiter: Waiter = { ...asker, digest, wait: message.wait, oneShot: operations !== undefined }
    const endsAtMs = this.ports.clock.nowMs() + Math.min(leftMs, maxBudgetMs)
    this.take(id, waiter, { kind: 'asked', sealed: { list, digest, operations }, endsAtMs, trace })
  }

  /** The owner asks for the abort of what it had asked to commit. */
  abort({ id, list, digest, reason, trace }: Abort, asker: Asker): void {
    const waiter: Waiter = { ...asker, digest, wait: 'decided', oneShot: false }
    this.take(id, waiter, { kind: 'abortAsked', sealed: { list, digest, operations: undefined }, reason, trace })
  }

  /** A participant holds a prepared branch of a transaction that nothing is recorded of: it is taken up again (rule R6). */
  takeUp(participant: ParticipantName, held: HeldBranch): void {
    const { id, digest, token } = held
    if (!this.underway.has(id)) {
      // It will ask again; by then there may be room.
      if (this.underway.size >= this.ports.settings.maxUnderway) return
      this.ports.takenUp(id)
    }
    const endsAtMs = this.ports.clock.nowMs() + this.ports.settings.takeUpBudgetMs
    const list = trustedList(participant, held)
    this.work(id)
    this.advance(id, { kind: 'held', holder: { participant, digest, token }, list, endsAtMs, trace: held.trace })
  }

  voted(participant: ParticipantName, { id, digest, vote }: VoteMessage): void {
    this.advance(id, { kind: 'voted', participant, digest, vote })
  }

  private take(id: TransactionId, waiter: Waiter, event: CommitEvent): void {
    const { space, deliveries, settings } = this.ports
    const record = recordOf(space, id)
    if (record !== undefined) {
      deliveries.answer(record, waiter)
      return
    }
    const { epoch } = parseId(id)
    if (epoch > epochOf(space)) {
      this.refuse(
        id,
        waiter,
        reasonCodes.futureEpoch,
        `The id's epoch is ${epoch}, the group's is ${epochOf(space)}: use an id made by newId().`,
        false,
      )
      return
    }
    const known = this.underway.get(id)
    const full =
      known === undefined ? this.underway.size >= settings.maxUnderway : known.waiters.length >= settings.maxWaiters
    if (full) {
      this.refuse(id, waiter, reasonCodes.overloaded, 'The group has too much under way just now: try again.', true)
      return
    }
    this.join(this.work(id), waiter)
    this.advance(id, event)
  }

  private work(id: TransactionId): Underway {
    const known = this.underway.get(id)
    if (known !== undefined) return known
    const fresh: Underway = { commit: newCommit(id, parseId(id).mark === 'kept'), waiters: [] }
    this.underway.set(id, fresh)
    return fresh
  }

  /** A repeated request replaces the earlier one of the same asker. */
  private join({ waiters }: Underway, waiter: Waiter): void {
    const place = waiters.findIndex(({ inbox, request }) => inbox === waiter.inbox && request === waiter.request)
    if (place === -1) waiters.push(waiter)
    else waiters[place] = waiter
  }

  private advance(id: TransactionId, event: CommitEvent): void {
    const underway = this.underway.get(id)
    if (underway === undefined || this.stopped) return
    const effects = advanceCommit(underway.commit, event, this.ports.clock.nowMs(), this.ports.settings)
    this.schedule.set(id, wakeAtMs(underway.commit))
    for (const effect of effects) this.perform(id, underway, effect)
    this.arm()
  }

  private perform(id: TransactionId, underway: Underway, effect: CommitEffect): void {
    switch (effect.kind) {
      case 'prepare':
        this.sendPrepare(underway.commit, effect)
        break
      case 'readOnly':
        this.underway.delete(id)
        for (const waiter of underway.waiters) {
          const results = waiter.oneShot ? { results: wholeResults(resultsOf(underway.commit)) } : {}
          this.say(id, waiter, { kind: 'read-only', ...results })
        }
        break
      case 'propose':
        this.ports.decide({ ...effect.decision, decidedAtMs: this.ports.clock.wallMs() }).then(
          (applied) => this.applied(id, underway, applied),
          // Leadership is lost: the next leader is asked by whoever still waits (rule R6).
          () => this.underway.delete(id),
        )
        break
    }
  }

  /** Everybody is told what the log made of the proposal, never what was proposed (rule R1). */
  private applied(id: TransactionId, { commit, waiters }: Underway, applied: Applied): void {
    if (this.stopped) return
    this.underway.delete(id)
    this.schedule.set(id, undefined)
    const { deliveries } = this.ports
    switch (applied.kind) {
      case 'recorded': {
        const results = applied.record.digest === commit.sealed?.digest ? resultsOf(commit) : []
        deliveries.begin(applied.record, results)
        for (const waiter of waiters) deliveries.answer(applied.record, waiter, results)
        break
      }
      case 'expired':
        for (const waiter of waiters) this.say(id, waiter, { kind: 'expired' })
        break
      case 'malformed':
        for (const waiter of waiters)
          this.refuse(id, waiter, reasonCodes.conflict, `Nothing was recorded: ${applied.found}.`, false)
        break
      case 'done':
        throw new Error(`Broken invariant: the decision of ${id} was applied as something else.`)
    }
  }

  private sendPrepare(commit: Commit, effect: Extract<CommitEffect, { kind: 'prepare' }>): void {
    const { id, sealed, trace, endsAtMs } = commit
    if (sealed === undefined) throw new Error(`Broken invariant: prepare of ${id} without a list.`)
    const { clock, post, space, term } = this.ports
    const { participant, instance, operations } = effect
    const message = {
      type: 'prepare',
      id,
      list: sealed.list,
      digest: sealed.digest,
      leftMs: Math.max(0, Math.round(endsAtMs - clock.nowMs())),
      term,
      horizon: horizonOf(space),
      ...(operations === undefined ? {} : { operations }),
      ...(trace === undefined ? {} : { trace }),
    } as const
    post.tell(participant, instance, message, () => this.unreachable(id, participant, instance))
  }

  private unreachable(id: TransactionId, participant: ParticipantName, instance: InstanceId | undefined): void {
    this.advance(id, { kind: 'unreachable', participant, instance })
  }

  private say(id: TransactionId, { inbox, request, digest }: Waiter, answer: Decided['answer']): void {
    const { post, space } = this.ports
    post.answer({ inbox, request }, { type: 'decided', id, digest, epoch: epochOf(space), answer })
  }

  private refuse(id: TransactionId, waiter: Waiter, code: string, message: string, retryable: boolean): void {
    const reason: Reason = { code, message, retryable }
    this.say(id, waiter, { kind: 'refused', reason })
  }

  private arm(): void {
    const next = this.schedule.nextMs()
    if (next === undefined || next >= this.timerAtMs || this.stopped) return
    this.timer?.cancel()
    this.timerAtMs = next
    this.timer = this.ports.clock.after(Math.max(0, next - this.ports.clock.nowMs()), () => {
      this.timerAtMs = Number.POSITIVE_INFINITY
      const { clock, settings } = this.ports
      for (const id of this.schedule.takeDue(clock.nowMs(), settings.waveSize)) this.advance(id, { kind: 'woke' })
      this.arm()
    })
  }
}

function resultsOf({ branches }: Commit): Commit['branches'][number]['results'][] {
  return branches.map(({ results }) => results)
}
