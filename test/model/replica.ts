import {
  type Applied,
  advanceCommit,
  advanceDelivery,
  answerFrom,
  answerHolder,
  type Commit,
  type CommitEffect,
  type CommitEvent,
  countsHazard,
  type Delivery,
  type DeliveryEvent,
  type DeliveryTiming,
  epochOf,
  horizonOf,
  lookUp,
  newCommit,
  newDelivery,
  restsOnRecord,
  trustedList,
  unsettled,
} from '@verdict/coordinator/internal'
import {
  type Abort,
  type Ack,
  type Commit as CommitRequest,
  type Decided,
  type Decision,
  type DecisionRecord,
  type Digest,
  type HazardReport,
  type HeldBranch,
  type Inquiry,
  type InstanceId,
  type Look,
  type ParticipantName,
  parseId,
  reasonCodes,
  type TransactionId,
} from '@verdict/protocol'
import { over, recordIn, type Space } from './log.ts'
import type { Mail, Request, Word } from './mail.ts'
import { budgetMs } from './names.ts'
import type { Scenario } from './scenario.ts'

/** Somebody who asked for the outcome under a list of its own. */
interface Waiter {
  readonly run: number
  readonly digest: Digest
  readonly oneShot: boolean
}

/** What a leader knows of the one transaction beside the log. */
export interface Leading {
  readonly term: number
  commit: Commit | undefined
  waiters: Waiter[]
  delivery: Delivery | undefined
}

/** One replica: what it has applied, and its work while it leads, or believes that it does. */
export interface Replica {
  space: Space
  leading: Leading | undefined
}

export type ReplicaEvent =
  | { readonly kind: 'elected'; readonly term: number; readonly space: Space }
  /** An entry was applied at the leader; it tells its proposer what came of it. */
  | { readonly kind: 'applied'; readonly space: Space; readonly result: Applied; readonly own: boolean }
  /** `confirmed` when leadership can be confirmed: nobody else leads. */
  | { readonly kind: 'received'; readonly mail: Request | Word; readonly confirmed: boolean }
  /** Nobody listened at the instance where something was sent. */
  | {
      readonly kind: 'unreachable'
      readonly participant: ParticipantName
      readonly instance: InstanceId
      readonly sent: 'prepare' | 'outcome'
    }
  /** Another one leads, and this one is gone with what it remembered. */
  | { readonly kind: 'gone' }
  | { readonly kind: 'resent' }
  /** The log is overloaded, or nobody knows what became of the proposal. */
  | { readonly kind: 'undecided' }
  | { readonly kind: 'budgetSpent' }

// Whatever is sent again is due at once: time stands still, and how long something waits is a choice of the search.
const timing: DeliveryTiming = { resendMs: 0, maxResendMs: 0, hazardResendMs: 0 }

/** Often enough that each branch is asked at the instance that is named, and at any. */
const maxSent = 2

export function newReplica(): Replica {
  return { space: new Map(), leading: undefined }
}

/** What a leader may do on its own. */
export function replicaIdles(
  { leading }: Replica,
  { resends, mayStayUndecided }: Pick<Scenario, 'resends' | 'mayStayUndecided'>,
): readonly ReplicaEvent[] {
  if (leading === undefined) return []
  const { commit, delivery } = leading
  const events: ReplicaEvent[] = []
  if (mayStayUndecided && commit?.stage === 'deciding') events.push({ kind: 'undecided' })
  if (commit !== undefined && commit.stage !== 'deciding') events.push({ kind: 'budgetSpent' })
  const isUnanswered =
    commit?.stage === 'collecting' && commit.branches.some(({ vote, sent }) => vote === 'awaited' && sent < maxSent)
  const isUntold = delivery?.recipients.some(({ acknowledged, sent }) => !acknowledged && sent < maxSent) ?? false
  if (resends && (isUnanswered || isUntold)) events.push({ kind: 'resent' })
  return events
}

/** Changes the replica in place; the product's cores decide, and what they ask for is done as the leader's shell does it. */
export function advanceReplica(
  replica: Replica,
  event: ReplicaEvent,
  id: TransactionId,
  send: (mail: Mail) => void,
): void {
  if (event.kind === 'elected') {
    replica.space = event.space
    replica.leading = { term: event.term, commit: undefined, waiters: [], delivery: undefined }
    const { records } = unsettled(over(replica.space), 1)
    for (const record of records) new Leader(replica, replica.leading, id, send).begin(record)
    return
  }
  if (event.kind === 'gone') {
    replica.leading = undefined
    return
  }
  if (replica.leading !== undefined) new Leader(replica, replica.leading, id, send).happened(event)
}

/** Without what is there for people alone: decisions that differ in nothing else are one. */
function bare(decision: Extract<CommitEffect, { kind: 'propose' }>['decision']): Decision {
  const reason = { code: 'aborted', message: '', retryable: false }
  return { ...decision, actor: { kind: 'owner' }, decidedAtMs: 0, ...(decision.reason && { reason }) }
}

class Leader {
  readonly #replica: Replica
  readonly #leading: Leading
  readonly #id: TransactionId
  readonly #send: (mail: Mail) => void

  constructor(replica: Replica, leading: Leading, id: TransactionId, send: (mail: Mail) => void) {
    this.#replica = replica
    this.#leading = leading
    this.#id = id
    this.#send = send
  }

  happened(event: Exclude<ReplicaEvent, { kind: 'elected' | 'gone' }>): void {
    switch (event.kind) {
      case 'applied':
        this.#replica.space = event.space
        this.#applied(event.result, event.own)
        return
      case 'received':
        if (event.mail.from === 'run') this.#requested(event.mail, event.confirmed)
        else this.#spoken(event.mail, event.confirmed)
        return
      case 'unreachable': {
        const { participant, instance, sent } = event
        if (sent === 'prepare') this.#advance({ kind: 'unreachable', participant, instance })
        else this.#deliver({ kind: 'unreachable', participant, instance })
        return
      }
      case 'resent':
        if (this.#leading.commit !== undefined) this.#advance({ kind: 'woke' })
        this.#deliver({ kind: 'woke', heldBack: [] })
        return
      case 'undecided':
        for (const { run, digest } of this.#leave()) this.#say(run, digest, { kind: 'pending' })
        return
      case 'budgetSpent':
        this.#advance({ kind: 'woke' }, budgetMs)
        return
    }
  }

  begin(record: DecisionRecord): void {
    if (record.settled || this.#leading.delivery !== undefined) return
    this.#leading.delivery = newDelivery(record)
    this.#deliver({ kind: 'woke', heldBack: [] })
  }

  #requested({ run, message }: Request, confirmed: boolean): void {
    if (message.type === 'look') this.#look(run, message, confirmed)
    else this.#take(run, message)
  }

  #spoken({ participant, message }: Word, confirmed: boolean): void {
    switch (message.type) {
      case 'vote':
        this.#advance({ kind: 'voted', participant, digest: message.digest, vote: message.vote })
        return
      case 'ack':
        this.#acknowledged(participant, message)
        return
      case 'hazard':
        this.#hazard(participant, message)
        return
      case 'inquiry':
        this.#inquired(participant, message, confirmed)
        return
    }
  }

  #take(run: number, message: CommitRequest | Abort): void {
    const { list, digest } = message
    const waiter: Waiter = { run, digest, oneShot: list[0]?.kind === 'oneShot' }
    const record = this.#record
    if (record !== undefined) {
      this.#tell(record, waiter)
      return
    }
    this.#leading.commit ??= newCommit(this.#id, parseId(this.#id).mark === 'kept')
    if (!this.#leading.waiters.some((known) => known.run === run && known.digest === digest))
      this.#leading.waiters.push(waiter)
    const sealed = { list, digest, operations: message.type === 'commit' ? message.operations : undefined }
    if (message.type === 'commit')
      this.#advance({ kind: 'asked', sealed, begunAtMs: 0, endsAtMs: budgetMs, trace: undefined })
    else this.#advance({ kind: 'abortAsked', sealed, reason: message.reason, trace: undefined })
  }

  #look(run: number, { ids }: Look, confirmed: boolean): void {
    const space = over(this.#replica.space)
    const found = ids.map((id) => lookUp(this.#record, horizonOf(space), id))
    const epoch = epochOf(space)
    if (confirmed || found.every(({ kind }) => kind === 'recorded'))
      this.#send({ to: 'run', run, message: { type: 'looked', epoch, found } })
  }

  #inquired(participant: ParticipantName, { instance, branches }: Inquiry, confirmed: boolean): void {
    const answers = branches.map((held) => this.#answerHolder(participant, held))
    if (!confirmed && !answers.every(restsOnRecord)) return
    const message = { type: 'inquiryAnswer', answers, horizon: horizonOf(over(this.#replica.space)) } as const
    this.#send({ to: 'participant', participant, instance, message })
  }

  #answerHolder(participant: ParticipantName, held: HeldBranch): ReturnType<typeof answerHolder> & object {
    const { id, digest, token } = held
    const answer = answerHolder(this.#record, horizonOf(over(this.#replica.space)), participant, held)
    if (answer !== 'unknown') return answer
    this.#leading.commit ??= newCommit(id, parseId(id).mark === 'kept')
    const list = trustedList(participant, held)
    const holder = { participant, digest, token }
    this.#advance({ kind: 'held', holder, list, endsAtMs: budgetMs, trace: undefined })
    return { id, digest, answer: 'pending' }
  }

  #acknowledged(participant: ParticipantName, { digest, applied, results }: Ack): void {
    this.#deliver({ kind: 'acknowledged', participant, digest, applied, results })
  }

  #hazard(participant: ParticipantName, { digest, kind, note }: HazardReport): void {
    const record = this.#record
    if (record === undefined || record.digest !== digest || !countsHazard(record, participant, kind)) return
    this.#propose({ kind: 'hazard', id: this.#id, participant, hazard: kind, note })
  }

  #advance(event: CommitEvent, nowMs = 0): void {
    const { commit } = this.#leading
    if (commit === undefined) return
    for (const effect of advanceCommit(commit, event, nowMs, timing)) this.#perform(commit, effect)
  }

  #perform(commit: Commit, effect: CommitEffect): void {
    switch (effect.kind) {
      case 'prepare':
        this.#sendPrepare(commit, effect)
        return
      case 'propose':
        this.#propose({ kind: 'decide', decision: bare(effect.decision) })
        // What it knew is in the proposal; from now on it only waits for what the log makes of that.
        this.#leading.commit = { ...newCommit(commit.id, commit.kept), stage: commit.stage }
        return
      case 'readOnly': {
        const waiters = this.#leave()
        for (const { run, digest } of waiters)
          this.#say(run, digest, { kind: digest === commit.sealed?.digest ? 'read-only' : 'pending' })
        return
      }
    }
  }

  #sendPrepare({ sealed }: Commit, effect: Extract<CommitEffect, { kind: 'prepare' }>): void {
    if (sealed === undefined) throw new Error('Broken invariant: prepare without a list.')
    const { participant, instance, operations } = effect
    const { list, digest } = sealed
    this.#send({
      to: 'participant',
      participant,
      instance,
      message: {
        type: 'prepare',
        id: this.#id,
        list,
        digest,
        leftMs: budgetMs,
        // Nobody reads it; left out, the same question by two leaders is one message.
        term: 0,
        horizon: horizonOf(over(this.#replica.space)),
        ...(operations === undefined ? {} : { operations }),
      },
    })
  }

  /** What the log made of an entry. Whoever waits is told that, and never what was proposed (rule R1). */
  #applied(result: Applied, own: boolean): void {
    if (result.kind === 'done' || result.kind === 'released') {
      if (this.#record?.settled === true) this.#leading.delivery = undefined
      return
    }
    const isDecided = own && this.#leading.commit?.stage === 'deciding'
    const waiters = isDecided ? this.#leave() : []
    if (result.kind === 'malformed') {
      const reason = { code: reasonCodes.conflict, message: result.found, retryable: false }
      for (const { run, digest } of waiters) this.#say(run, digest, { kind: 'refused', reason })
      return
    }
    if (result.kind === 'expired') {
      for (const { run, digest } of waiters) this.#say(run, digest, { kind: 'expired' })
      return
    }
    if (result.kind !== 'recorded') throw new Error(`The search proposes nothing that is applied as ${result.kind}.`)
    const { record } = result
    this.begin(record)
    if (this.#leading.delivery !== undefined) this.#leading.delivery.record = record
    for (const waiter of waiters) this.#tell(record, waiter)
  }

  #deliver(event: DeliveryEvent): void {
    const { delivery } = this.#leading
    if (delivery === undefined) return
    const { digest, outcome } = delivery.record
    for (const effect of advanceDelivery(delivery, event, 0, timing)) {
      if (effect.kind === 'settled') this.#propose({ kind: 'settled', ids: [this.#id] })
      else if (effect.kind === 'tell') {
        const { participant, instance, token } = effect
        const horizon = horizonOf(over(this.#replica.space))
        const named = token === undefined ? {} : { token }
        const message = { type: 'outcome', id: this.#id, digest, outcome, horizon, ...named } as const
        this.#send({ to: 'participant', participant, instance, message })
      }
    }
  }

  #propose(command: Extract<Mail, { to: 'log' }>['command']): void {
    this.#send({ to: 'log', term: this.#leading.term, command })
  }

  /** The work is dropped; whoever waited for it is told. */
  #leave(): readonly Waiter[] {
    const { waiters } = this.#leading
    this.#leading.commit = undefined
    this.#leading.waiters = []
    return waiters
  }

  #tell(record: DecisionRecord, waiter: Waiter): void {
    this.#say(waiter.run, waiter.digest, answerFrom(record, waiter, record.settled, undefined))
  }

  #say(run: number, digest: Digest, answer: Decided['answer']): void {
    const epoch = epochOf(over(this.#replica.space))
    this.#send({ to: 'run', run, message: { type: 'decided', id: this.#id, digest, epoch, answer } })
  }

  get #record(): DecisionRecord | undefined {
    return recordIn(this.#replica.space, this.#id)
  }
}
