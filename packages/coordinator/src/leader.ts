import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import {
  budgetsPerRetention,
  type Decision,
  decodePacket,
  type GroupId,
  groupOf,
  type HazardReport,
  isInboxOf,
  type Message,
  maxBudgetMs,
  type Namespace,
  type OwnerName,
  type ParticipantName,
  parseGroupId,
  parseId,
  readOwner,
  readVoter,
  type Subjects,
  type TransactionId,
  type TroubleReport,
  WireError,
} from '@verdict/protocol'
import type { Replica, ReplicaId } from '@verdict/raft'
import type { BusMessage, Subscription, World } from '@verdict/runtime'
import type { Command } from './command.ts'
import { Commits } from './commits.ts'
import { type Applied, countsHazard } from './decisions.ts'
import { Deliveries } from './deliveries.ts'
import { Epochs } from './epochs.ts'
import type { CoordinatorEvent } from './event.ts'
import { epochOf, horizonOf } from './forgetting.ts'
import { formatOf } from './format.ts'
import { Inquiries } from './inquiries.ts'
import { LeaderTracing } from './leader-tracing.ts'
import type { CoordinatorMetering } from './metering.ts'
import { Orders } from './orders.ts'
import { Overdue } from './overdue.ts'
import type { Asker, Post } from './post.ts'
import { recordOf } from './records.ts'
import type { Release } from './release.ts'
import type { CoordinatorSettings } from './settings.ts'
import { leadershipLost } from './span.ts'
import { Troubles } from './troubles.ts'
import { upgrade } from './upgrade.ts'

export interface LeaderPorts {
  readonly world: World
  readonly namespace: Namespace
  readonly subjects: Subjects
  readonly group: GroupId
  /** All of the group's, as its manifest has them. */
  readonly replicas: readonly ReplicaId[]
  /** As the manifest has it: how many epochs settled transactions are kept for. */
  readonly keptEpochs: number
  readonly replica: Pick<Replica<Applied>, 'propose' | 'confirmLeadership' | 'space'>
  readonly post: Post
  readonly term: number
  readonly release: Release
  readonly settings: CoordinatorSettings
  readonly metering: CoordinatorMetering
  readonly observe: (event: CoordinatorEvent) => void
}

/**
 * A replica's work while it leads: requests, votes and inquiries in from the bus, decisions out to the log, outcomes out to
 * participants. It exists only from the moment when an entry of its term is applied until leadership is lost, and subscribes to
 * the group's subjects for just that long (rule R15): so "not leader" is never an answer.
 */
export class Leader {
  private readonly ports: LeaderPorts
  private readonly tracing = new LeaderTracing()
  private readonly commits: Commits
  private readonly deliveries: Deliveries
  private readonly inquiries: Inquiries
  private readonly orders: Orders
  private readonly epochs: Epochs
  private readonly overdue: Overdue
  readonly troubles: Troubles
  private subscriptions: readonly Subscription[] = []
  private stopped = false

  constructor(ports: LeaderPorts) {
    this.ports = ports
    const { world, post, settings, replica, term, keptEpochs, metering, observe } = ports
    const { clock } = world
    const { space } = replica
    this.troubles = new Troubles({
      clock,
      settings,
      began: (trouble) => observe({ kind: 'trouble', trouble }),
      poisoned: (id, error) => observe({ kind: 'poisoned', id, error }),
    })
    const { tracing, troubles } = this
    const shared = { post, clock, space, settings, troubles, tracing }
    this.deliveries = new Deliveries({ ...shared, settle: (ids) => this.settle(ids) })
    this.commits = new Commits({
      ...shared,
      term,
      maxBudgetMs: Math.min(maxBudgetMs, Math.floor(this.retentionMs / budgetsPerRetention)),
      calls: tracing.calls,
      metering,
      deliveries: this.deliveries,
      decide: (decision) => this.decide(decision),
      onceConfirmed: (say, giveUp) => this.onceConfirmed(say, giveUp),
      takenUp: (id) => observe({ kind: 'takenUp', id }),
    })
    this.inquiries = new Inquiries({
      ...shared,
      group: ports.group,
      calls: tracing.calls,
      commits: this.commits,
      deliveries: this.deliveries,
      onceConfirmed: (say, giveUp) => this.onceConfirmed(say, giveUp),
      fail: (subject, asker, why) => this.fail(subject, asker, why),
    })
    this.overdue = new Overdue({ ...shared, observe })
    this.epochs = new Epochs({
      clock,
      space,
      keptEpochs,
      epochMs: settings.epochMs,
      propose: (command) => this.proposeAside(command),
      moved: () => this.moved(),
      forgotten: (ids) => this.forgotten(ids),
    })
    this.orders = new Orders({
      ...shared,
      commits: this.commits,
      deliveries: this.deliveries,
      decide: (decision) => this.decide(decision),
      propose: (command) => this.record(command),
      onceConfirmed: (say) => this.onceConfirmed(say),
      announce: () => this.announce(),
      observe,
    })
  }

  start(): void {
    const { world, subjects, group } = this.ports
    const { name } = parseGroupId(group)
    const listen = (subject: string, handle: (message: BusMessage) => void): Subscription =>
      world.bus.subscribe(subject, handle)
    this.subscriptions = [
      listen(subjects.hello(name, '*'), (message) => this.requested(message)),
      listen(subjects.group(group, '*'), (message) => this.requested(message)),
      listen(subjects.look(group, '*'), (message) => this.requested(message)),
      listen(subjects.operate(group, '*'), (message) => this.ordered(message)),
      listen(subjects.vote(group, '*'), (message) => this.spoken(message)),
    ]
    this.deliveries.start()
    this.announce()
    this.epochs.start()
    this.overdue.start()
  }

  stop(): void {
    this.stopped = true
    for (const subscription of this.subscriptions) subscription.unsubscribe()
    this.epochs.stop()
    this.overdue.stop()
    this.commits.stop()
    this.deliveries.stop()
    this.tracing.calls.stop()
  }

  /** Transactions that votes are collected for. */
  get underway(): number {
    return this.commits.size
  }

  /** Decided transactions that some branch has not acknowledged, as far as this leader came to them. */
  get unsettled(): number {
    return this.deliveries.count
  }

  /** How long settled transactions are kept, at the pace of the epochs. */
  private get retentionMs(): number {
    return this.ports.keptEpochs * this.ports.settings.epochMs
  }

  /** Reads what somebody asks who has an inbox; undefined when it cannot be used. */
  private readRequest({
    subject,
    payload,
    replyTo,
  }: BusMessage): { readonly owner: OwnerName; readonly asker: Asker; readonly message: Message } | undefined {
    const owner = readOwner(subject)
    if (owner === undefined || replyTo === undefined || !isInboxOf(replyTo, this.ports.namespace, owner)) {
      this.unusable(subject, 'its reply subject is not an inbox of the sender')
      return undefined
    }
    const packet = this.read(subject, payload, replyTo)
    if (packet === undefined) return undefined
    this.epochs.use()
    return { owner, asker: { inbox: replyTo, request: packet.request }, message: packet.message }
  }

  /** The subject alone says that the sender may: only operators are given it (rule R15). */
  private ordered(arrived: BusMessage): void {
    const request = this.readRequest(arrived)
    if (request === undefined) return
    const { owner, asker, message } = request
    if (message.type === 'upgrade') this.upgrade(message.to, asker)
    else if (message.type !== 'operate')
      this.fail(arrived.subject, asker, `a ${message.type} is nothing that is ordered`)
    else if (groupOf(message.id) !== this.ports.group) {
      this.fail(arrived.subject, asker, `transaction ${message.id} belongs to another group: order it there`)
    } else this.orders.take(message, owner, asker)
  }

  private upgrade(to: number, asker: Asker): void {
    const { release, replica, post, observe } = this.ports
    const raise = (format: number): Promise<Applied> => this.proposeAside({ kind: 'upgrade', to: format })
    upgrade(to, asker, { newestFormat: release.newestFormat, space: replica.space, post, raise, observe })
  }

  private requested(arrived: BusMessage): void {
    const request = this.readRequest(arrived)
    if (request === undefined) return
    const { owner, asker, message } = request
    const { subject, payload } = arrived
    switch (message.type) {
      case 'hello':
        this.welcome(asker)
        break
      case 'look':
        this.inquiries.look(subject, message, asker)
        break
      case 'commit':
      case 'abort':
        if (parseId(message.id).owner !== owner || groupOf(message.id) !== this.ports.group) {
          this.fail(subject, asker, `transaction ${message.id} is not ${owner}'s to decide in this group`)
          break
        }
        this.troubles.contain(message.id, () =>
          message.type === 'commit'
            ? this.commits.ask(message, asker, payload.length)
            : this.commits.abort(message, asker, payload.length),
        )
        break
      default:
        this.fail(subject, asker, `a ${message.type} is nothing that a leader is asked`)
    }
  }

  private spoken({ subject, payload }: BusMessage): void {
    const participant = readVoter(subject)
    if (participant === undefined) {
      this.unusable(subject, 'its subject names no participant')
      return
    }
    const message = this.read(subject, payload, undefined)?.message
    if (message === undefined) return
    switch (message.type) {
      case 'vote':
        this.troubles.contain(message.id, () => this.commits.voted(participant, message, payload.length))
        break
      case 'ack':
        this.troubles.ended(message.id, participant)
        this.troubles.contain(message.id, () => this.deliveries.acknowledged(participant, message))
        break
      case 'hazard':
        this.troubles.contain(message.id, () => this.hazard(participant, message))
        break
      case 'trouble':
        this.troubled(participant, message)
        break
      case 'inquiry':
        this.inquiries.inquired(participant, message)
        break
      case 'sweep':
        this.inquiries.swept(participant, message)
        break
      default:
        this.unusable(subject, `a ${message.type} is nothing that a participant says to a group`)
    }
  }

  private read(
    subject: string,
    payload: Uint8Array,
    inbox: string | undefined,
  ): { request: number; message: Message } | undefined {
    try {
      return decodePacket(payload)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.unusable(subject, error.message)
      if (inbox !== undefined && error.request !== undefined) {
        const failure = { type: 'failure', code: error.code, message: error.message } as const
        this.ports.post.answer({ inbox, request: error.request }, failure)
      }
      return undefined
    }
  }

  private welcome(asker: Asker): void {
    const { group, replicas, replica, post } = this.ports
    const { retentionMs } = this
    const { space } = replica
    const [epoch, horizon] = [epochOf(space), horizonOf(space)]
    post.answer(asker, { type: 'welcome', group, replicas, epoch, horizon, retentionMs })
  }

  private troubled(participant: ParticipantName, report: TroubleReport): void {
    const branches = report.branches.filter(({ id }) => groupOf(id) === this.ports.group)
    this.troubles.reported(participant, { ...report, branches })
  }

  private hazard(participant: ParticipantName, { id, digest, kind, note }: HazardReport): void {
    const record = recordOf(this.ports.replica.space, id)
    if (record === undefined || record.digest !== digest || !countsHazard(record, participant, kind)) return
    this.proposeAside({ kind: 'hazard', id, participant, hazard: kind, note }).then(
      (applied) => {
        // It may have been settled, or told twice, before this report was applied.
        if (applied.kind !== 'recorded' || applied.record.hazards.length === 0) return
        this.ports.observe({ kind: 'hazard', id, hazard: { participant, kind, note } })
        this.ports.metering.hazard(participant, kind)
        this.deliveries.hazardous(applied.record, participant, kind)
      },
      // The participant reports again when it is told the outcome again.
      () => undefined,
    )
  }

  private onceConfirmed(say: () => void, giveUp: (why: string) => void = () => {}): void {
    // Whoever leads next is asked again by whoever still waits.
    this.ports.replica.confirmLeadership().then(
      () => (this.stopped ? giveUp(leadershipLost) : say()),
      (error: Error) => giveUp(error.message),
    )
  }

  private propose(command: Command): Promise<Applied> {
    const { replica, release } = this.ports
    return replica.propose(release.encode(command, formatOf(replica.space)))
  }

  /** On behalf of no span, whatever is active: no request waits for it. */
  private proposeAside(command: Command): Promise<Applied> {
    return context.with(ROOT_CONTEXT, () => this.propose(command))
  }

  /** What an operator orders is kept as long as the epoch in which it is recorded. */
  private async record(command: Command): Promise<Applied> {
    const applied = await this.proposeAside(command)
    this.epochs.use()
    return applied
  }

  private async decide(decision: Decision): Promise<Applied> {
    const applied = await this.propose({ kind: 'decide', decision })
    this.epochs.use()
    const { observe, metering } = this.ports
    if (applied.kind === 'recorded') {
      metering.recorded(applied.record)
      observe({ kind: 'decided', id: decision.id, outcome: applied.record.outcome })
    }
    if (applied.kind === 'malformed') observe({ kind: 'malformedDecision', id: decision.id, found: applied.found })
    return applied
  }

  private async settle(ids: readonly TransactionId[]): Promise<void> {
    await this.proposeAside({ kind: 'settled', ids })
    this.ports.observe({ kind: 'settled', count: ids.length })
  }

  private moved(): void {
    const { replica, observe } = this.ports
    observe({ kind: 'advanced', epoch: epochOf(replica.space), horizon: horizonOf(replica.space) })
    this.announce()
  }

  private forgotten(ids: readonly TransactionId[]): void {
    if (ids.length === 0) return
    this.deliveries.forget(ids)
    this.ports.observe({ kind: 'forgotten', count: ids.length })
  }

  private announce(): void {
    if (this.stopped) return
    const { post, term, replica } = this.ports
    post.announce({ type: 'announce', term, epoch: epochOf(replica.space), horizon: horizonOf(replica.space) })
  }

  private fail(subject: string, asker: Asker, why: string): void {
    this.unusable(subject, why)
    this.ports.post.answer(asker, { type: 'failure', code: 'malformed-message', message: `Refused: ${why}.` })
  }

  private unusable(subject: string, why: string): void {
    this.ports.observe({ kind: 'unusableMessage', subject, why })
  }
}
