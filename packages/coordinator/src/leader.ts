import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import {
  type Decision,
  decodePacket,
  type Found,
  type GroupId,
  groupOf,
  type HazardReport,
  type HeldBranch,
  type Inquiry,
  type InquiryAnswer,
  isInboxOf,
  type Look,
  type Message,
  type Namespace,
  type OwnerName,
  type ParticipantName,
  parseGroupId,
  parseId,
  readOwner,
  readVoter,
  type Subjects,
  type TransactionId,
  WireError,
} from '@verdict/protocol'
import type { Replica, ReplicaId } from '@verdict/raft'
import type { BusMessage, Subscription, Timer, World } from '@verdict/runtime'
import { Calls } from './calls.ts'
import type { Command } from './command.ts'
import { Commits } from './commits.ts'
import { type Applied, countsHazard, epochOf, horizonOf, recordOf } from './decisions.ts'
import { Deliveries } from './deliveries.ts'
import type { CoordinatorEvent } from './event.ts'
import { formatOf } from './format.ts'
import { answerHolder, lookUp } from './inquiry.ts'
import type { CoordinatorMetering } from './metering.ts'
import type { Asker, Post } from './post.ts'
import type { Release } from './release.ts'
import type { CoordinatorSettings } from './settings.ts'
import { leadershipLost } from './span.ts'
import { upgrade } from './upgrade.ts'

export interface LeaderPorts {
  readonly world: World
  readonly namespace: Namespace
  readonly subjects: Subjects
  readonly group: GroupId
  /** All of the group's, as its manifest has them. */
  readonly replicas: readonly ReplicaId[]
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
  private readonly calls = new Calls()
  private readonly commits: Commits
  private readonly deliveries: Deliveries
  private subscriptions: readonly Subscription[] = []
  private epochTimer: Timer | undefined
  private worked = false
  private stopped = false

  constructor(ports: LeaderPorts) {
    this.ports = ports
    const { world, post, settings, replica, term, metering, observe } = ports
    const shared = { post, clock: world.clock, space: replica.space, settings }
    this.deliveries = new Deliveries({ ...shared, settle: (ids) => this.settle(ids) })
    this.commits = new Commits({
      ...shared,
      term,
      calls: this.calls,
      metering,
      deliveries: this.deliveries,
      decide: (decision) => this.decide(decision),
      takenUp: (id) => observe({ kind: 'takenUp', id }),
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
    this.armEpoch()
  }

  stop(): void {
    this.stopped = true
    for (const subscription of this.subscriptions) subscription.unsubscribe()
    this.epochTimer?.cancel()
    this.commits.stop()
    this.deliveries.stop()
    this.calls.stop()
  }

  /** Transactions that votes are collected for. */
  get underway(): number {
    return this.commits.size
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
    return { owner, asker: { inbox: replyTo, request: packet.request }, message: packet.message }
  }

  /** The subject alone says that the sender may: only operators are given it (rule R15). */
  private ordered(arrived: BusMessage): void {
    const request = this.readRequest(arrived)
    if (request === undefined) return
    const { asker, message } = request
    if (message.type === 'upgrade') {
      const { release, replica, post, observe } = this.ports
      const raise = (to: number): Promise<Applied> => this.proposeAside({ kind: 'upgrade', to })
      upgrade(message.to, asker, { newestFormat: release.newestFormat, space: replica.space, post, raise, observe })
    } else this.fail(arrived.subject, asker, `a ${message.type} is nothing that is ordered`)
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
        this.look(subject, message, asker)
        break
      case 'commit':
      case 'abort':
        if (parseId(message.id).owner !== owner || groupOf(message.id) !== this.ports.group) {
          this.fail(subject, asker, `transaction ${message.id} is not ${owner}'s to decide in this group`)
        } else if (message.type === 'commit') this.commits.ask(message, asker, payload.length)
        else this.commits.abort(message, asker, payload.length)
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
        this.commits.voted(participant, message, payload.length)
        break
      case 'ack':
        this.deliveries.acknowledged(participant, message)
        break
      case 'hazard':
        this.hazard(participant, message)
        break
      case 'inquiry':
        this.inquired(participant, message)
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
    const { space } = replica
    post.answer(asker, { type: 'welcome', group, replicas, epoch: epochOf(space), horizon: horizonOf(space) })
  }

  /** A record that is applied may be told at once; that there is none only after leadership was confirmed (rules R1, R3). */
  private look(subject: string, message: Look, asker: Asker): void {
    const { ids } = message
    const ended = this.calls.looked(message)
    const foreign = ids.find((id) => groupOf(id) !== this.ports.group)
    if (foreign !== undefined) {
      const why = `transaction ${foreign} belongs to another group: ask that one`
      this.fail(subject, asker, why)
      ended(why)
      return
    }
    const { space } = this.ports.replica
    const find = (): Found[] => ids.map((id) => lookUp(recordOf(space, id), horizonOf(space), id))
    const tell = (found: readonly Found[]): void => {
      this.tellFound(asker, found)
      ended()
    }
    const found = find()
    if (found.every(({ kind }) => kind === 'recorded')) tell(found)
    else this.onceConfirmed(() => tell(find()), ended)
  }

  /** Many long records may not fit into one message: then only the first ones are told, and the rest is asked for again. */
  private tellFound(asker: Asker, found: readonly Found[]): void {
    const halvings = Array.from({ length: Math.ceil(Math.log2(found.length)) + 1 }, (_, times) =>
      found.slice(0, Math.ceil(found.length / 2 ** times)),
    )
    this.ports.post.answer(asker, ...halvings.map((part) => ({ type: 'looked', found: part }) as const))
  }

  private inquired(participant: ParticipantName, { instance, branches }: Inquiry): void {
    const { replica, group, post } = this.ports
    const mine = branches.filter(({ id }) => groupOf(id) === group)
    if (mine.length === 0) return
    const answers = mine.map((held) => this.answerHolder(participant, held))
    const tell = (): void => {
      const horizon = horizonOf(replica.space)
      post.tell(participant, instance, { type: 'inquiryAnswer', answers, horizon } satisfies InquiryAnswer)
    }
    if (answers.every(({ answer }) => answer === 'committed' || answer === 'aborted' || answer === 'discard')) tell()
    else this.onceConfirmed(tell)
  }

  private answerHolder(participant: ParticipantName, held: HeldBranch): InquiryAnswer['answers'][number] {
    const { space } = this.ports.replica
    const answer = answerHolder(recordOf(space, held.id), horizonOf(space), participant, held)
    if (answer !== 'unknown') return answer
    this.commits.takeUp(participant, held)
    return { id: held.id, digest: held.digest, answer: 'pending' }
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

  private async decide(decision: Decision): Promise<Applied> {
    const applied = await this.propose({ kind: 'decide', decision })
    this.worked = true
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

  private armEpoch(): void {
    this.epochTimer = this.ports.world.clock.after(this.ports.settings.epochMs, () => {
      this.armEpoch()
      if (!this.worked) return
      this.worked = false
      this.proposeAside({ kind: 'advance' }).then(
        () => this.announce(),
        () => {
          this.worked = true
        },
      )
    })
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
