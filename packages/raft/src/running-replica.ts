import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import type { BusMessage, Subscription, Timer } from '@verdict/runtime'
import { Administration } from './administration.ts'
import { decodeEnvelope, encodeMessage, maxHeaderBytes } from './codec.ts'
import { step } from './core.ts'
import type { Effect, OverloadLimit, Refusal } from './effect.ts'
import {
  CommandTooLargeError,
  MalformedMessageError,
  NotLeaderError,
  OverloadedError,
  ProposalUncertainError,
} from './errors.ts'
import type { Event } from './event.ts'
import { Inbox } from './inbox.ts'
import { entryOverheadBytes, lastIndexOf, plus } from './log.ts'
import { decodeMembership, type Membership } from './membership.ts'
import type { Entry, Message, ReplicaId, Term } from './message.ts'
import type { RaftEvent } from './notice.ts'
import { PeerStarts } from './peer-starts.ts'
import { Proposals } from './proposals.ts'
import type { RaftStatus, Replica, ReplicaOptions } from './replica.ts'
import { ReplicaDisk } from './replica-disk.ts'
import { ReplicaTelemetry } from './replica-telemetry.ts'
import { checkPayload, checkSettings, defaultSettings } from './settings.ts'
import type { OverlaySpace } from './space.ts'
import { createState, leaderElsewhere, leaderOf, membershipOf, type RaftState } from './state.ts'

/** A tick counts for no more than this many heartbeats: a late timer means that this process slept, not that others were silent. */
const maxTickHeartbeats = 2
/** Ticks in a heartbeat: timing need not be finer, and an idle replica wakes up this often. */
const ticksPerHeartbeat = 2
/** Senders whose subjects are kept at hand; whoever may publish can make up names. */
const maxKnownSenders = 64

/** The shell: events in from bus, clock and disk; effects out to them. */
export class RunningReplica<Result> implements Replica<Result> {
  readonly state: RaftState
  private readonly options: ReplicaOptions<Result>
  private readonly senders = new Map<string, ReplicaId>()
  private readonly senderToken: number
  private readonly proposals = new Proposals<Result>()
  private readonly reads = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  private readonly administration: Administration
  private readonly telemetry: ReplicaTelemetry
  private readonly subscription: Subscription
  private readonly inbox: Inbox
  private readonly peerStarts: PeerStarts
  private readonly disk: ReplicaDisk
  private turnDue = false
  /** In this turn. */
  private hasSent = false
  private lastRead = 0
  private malformed = 0
  private lostTold = 0
  private lastTickMs: number
  private timer: Timer
  private failed = false
  private stopping: Promise<void> | undefined

  constructor(options: ReplicaOptions<Result>) {
    const { id, store, world, subject } = options
    this.options = options
    options.machine.check?.(store)
    const settings = { ...defaultSettings, ...options.settings }
    const maxAppendBytes = Math.min(settings.maxAppendBytes, world.bus.maxPayloadBytes - maxHeaderBytes)
    checkSettings({ ...settings, maxAppendBytes })
    checkPayload(world.bus.maxPayloadBytes)
    const { hardState, appliedIndex, membership } = store.state
    this.state = createState({
      id,
      settings: { ...settings, maxAppendBytes },
      hardState,
      appliedIndex,
      appliedTerm: store.termAt(appliedIndex) ?? (0 as Term),
      membership,
      entries: store.read(plus(appliedIndex, 1), store.lastIndex - appliedIndex, Number.POSITIVE_INFINITY),
      staged: store.staged,
      chance: world.random.fraction(),
    })
    this.inbox = new Inbox(this.state.settings)
    this.telemetry = new ReplicaTelemetry(this.state, world.clock, () => this.proposals.size)
    this.peerStarts = new PeerStarts(store, id)
    this.disk = new ReplicaDisk(store, this.state.settings, {
      happen: (event) => this.happen(event),
      tell: (event) => this.tell(event),
      flushed: () => this.telemetry.flushed(),
      isAwaited: () => this.hasSent || this.state.role.kind === 'leader',
      installed: () => options.machine.check?.(this.disk.space),
      peerStarts: () => this.peerStarts.takeNews(),
      fail: (error) => this.fail(error),
    })
    this.administration = new Administration({
      state: this.state,
      clock: world.clock,
      happen: (event) => this.happen(event),
    })
    const filter = subject('*' as ReplicaId, id)
    this.senderToken = filter.split('.').indexOf('*')
    this.subscription = world.bus.subscribe(filter, (message) => this.receive(message))
    this.lastTickMs = world.clock.nowMs()
    this.timer = this.planTick()
  }

  get space(): OverlaySpace {
    return this.disk.space
  }

  propose(command: Uint8Array): Promise<Result> {
    const maxBytes = this.state.settings.maxAppendBytes - entryOverheadBytes
    if (command.length > maxBytes) return Promise.reject(new CommandTooLargeError(command.length, maxBytes))
    if (this.isClosed()) return Promise.reject(new NotLeaderError(undefined))
    if (this.proposals.size >= this.state.settings.maxUncommittedEntries) return this.refuse('maxUncommittedEntries')
    const { proposal, result } = this.proposals.add()
    this.telemetry.proposed(proposal)
    this.happen({ kind: 'proposed', proposal, command })
    return result
  }

  confirmLeadership(): Promise<void> {
    if (this.isClosed()) return Promise.reject(new NotLeaderError(undefined))
    if (this.reads.size >= this.state.settings.maxReadsWaiting) return this.refuse('maxReadsWaiting')
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const read = ++this.lastRead
    this.reads.set(read, { resolve, reject })
    this.happen({ kind: 'asked', read })
    return promise
  }

  status(): RaftStatus {
    const { role, hardState, commitIndex, log } = this.state
    return {
      role: roleNames[role.kind],
      term: hardState.term,
      leader: leaderOf(this.state),
      commitIndex,
      appliedIndex: this.disk.appliedIndex,
      lastIndex: lastIndexOf(log),
    }
  }

  membership(): Membership {
    const { voters, learners } = membershipOf(this.state)
    return { voters, learners }
  }

  addReplica(id: ReplicaId): Promise<Membership> {
    return this.administration.add(id)
  }

  removeReplica(id: ReplicaId): Promise<Membership> {
    return this.administration.remove(id)
  }

  transferLeadership(to?: ReplicaId): Promise<void> {
    return this.administration.transfer(to)
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopAll()
    return this.stopping
  }

  private async stopAll(): Promise<void> {
    const { clock } = this.options.world
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const patience = clock.after(this.state.settings.electionTimeoutMinMs, resolve)
    await Promise.race([this.proposals.idle(), late])
    patience.cancel()
    // Where nobody can take over, or not in time, the others find out by themselves.
    await this.administration.transfer(undefined).catch(() => {})
    if (!this.failed) {
      this.inbox.add({ kind: 'stopped' })
      this.turn()
    }
    this.close(undefined)
    await this.options.store.close()
  }

  private isClosed(): boolean {
    return this.failed || this.stopping !== undefined
  }

  /** Events of one turn of the event loop go through the core together: they share appends and flushes. */
  private happen(event: Event): void {
    if (this.failed) return
    this.inbox.add(event)
    this.turnSoon()
  }

  private turnSoon(): void {
    if (this.turnDue) return
    this.turnDue = true
    // A turn is many proposers' and callers': it belongs to no trace.
    context.with(ROOT_CONTEXT, () => queueMicrotask(() => this.turn()))
  }

  private turn(): void {
    this.turnDue = false
    this.hasSent = false
    if (this.failed) return
    if (this.inbox.lost > this.lostTold) {
      this.lostTold = this.inbox.lost
      this.tell({ kind: 'flooded', count: this.lostTold })
    }
    try {
      for (const effect of step(this.state, this.inbox.take())) this.perform(effect)
    } catch (error) {
      this.fail(error)
    }
  }

  private perform(effect: Effect): void {
    this.telemetry.performing(effect)
    switch (effect.kind) {
      case 'send':
        this.send(effect.to, effect.message)
        return
      case 'persist':
      case 'install':
      case 'load':
      case 'readSnapshot':
      case 'releaseSnapshot':
        this.disk.perform(effect)
        return
      case 'apply':
        this.apply(effect.entries)
        return
      case 'proposalTaken':
        this.proposals.take(effect.proposal, effect.index)
        return
      case 'proposalRefused':
        this.proposals.refuse(effect.proposal, this.refusal(effect.why, 'proposals'))
        return
      case 'proposalsUncertain':
        this.proposals.giveUpTaken(new ProposalUncertainError())
        this.administration.giveUpTaken(new ProposalUncertainError())
        return
      case 'changeTaken':
      case 'changeRefused':
      case 'transferEnded':
        this.administration.perform(effect)
        return
      case 'readConfirmed':
        this.reads.get(effect.read)?.resolve()
        this.reads.delete(effect.read)
        return
      case 'readRefused':
        this.reads.get(effect.read)?.reject(this.refusal(effect.why, 'reads'))
        this.reads.delete(effect.read)
        return
      case 'notice':
        this.tell(effect.event)
        return
    }
  }

  private send(to: ReplicaId, message: Message): void {
    const { world, subject, id } = this.options
    this.hasSent = true
    const payload = encodeMessage(message, this.peerStarts.forPeer(to))
    if (to !== leaderOf(this.state)) {
      world.bus.publish(subject(id, to), payload)
      return
    }
    world.bus.publish(subject(id, to), payload, {
      replyTo: subject(to, id),
      onNoResponders: () => this.happen({ kind: 'leaderUnreachable', leader: to, chance: world.random.fraction() }),
    })
  }

  private apply(entries: readonly Entry[]): void {
    const { disk } = this
    for (const entry of entries) {
      if (entry.kind === 'command') {
        const result = this.options.machine.apply(disk.space, entry.index, entry.command)
        disk.appliedIndex = entry.index
        this.proposals.applied(entry.index, result)
      } else disk.appliedIndex = entry.index
      if (entry.kind === 'members') this.administration.applied(entry.index, decodeMembership(entry.command))
    }
    this.tell({ kind: 'applied', index: disk.appliedIndex, entries: entries.length })
  }

  private receive({ subject, payload }: BusMessage): void {
    if (!this.inbox.hasRoom()) {
      this.inbox.lost++
      return
    }
    try {
      const from = this.senderOf(subject)
      const { message, starts } = decodeEnvelope(payload)
      if (this.peerStarts.admits(from, starts)) {
        this.inbox.addMessage(from, message, payload.length)
        this.turnSoon()
      } else if (this.peerStarts.isFirstRefused(from)) this.tell({ kind: 'outdatedPeer', replica: from })
    } catch (error) {
      if (error instanceof MalformedMessageError) {
        this.tell({ kind: 'malformed', subject, why: error.message, count: ++this.malformed })
      } else this.fail(error)
    }
  }

  /**
   * Whoever it is may speak: a replica that is behind does not know the newest members, and one that joins knows nobody. What a
   * message may bring about depends on terms, logs and memberships alone.
   */
  private senderOf(subject: string): ReplicaId {
    const known = this.senders.get(subject)
    if (known !== undefined) return known
    const sender = subject.split('.')[this.senderToken] as ReplicaId | undefined
    if (sender === undefined || sender === this.options.id)
      throw new MalformedMessageError('another replica did not send it')
    if (this.senders.size >= maxKnownSenders) this.senders.clear()
    this.senders.set(subject, sender)
    return sender
  }

  private planTick(): Timer {
    const { heartbeatMs } = this.state.settings
    return this.options.world.clock.after(heartbeatMs / ticksPerHeartbeat, () => {
      const { clock, random } = this.options.world
      const nowMs = clock.nowMs()
      const elapsedMs = Math.min(nowMs - this.lastTickMs, maxTickHeartbeats * heartbeatMs)
      this.lastTickMs = nowMs
      this.happen({ kind: 'tick', elapsedMs, chance: random.fraction() })
      this.timer = this.planTick()
    })
  }

  private refuse(limit: OverloadLimit): Promise<never> {
    this.telemetry.refused(limit)
    return Promise.reject(this.refusal(limit, limit === 'maxReadsWaiting' ? 'reads' : 'proposals'))
  }

  private refusal(why: Refusal, what: string): Error {
    return why === 'notLeader' ? new NotLeaderError(leaderElsewhere(this.state)) : new OverloadedError(what)
  }

  private tell(event: RaftEvent): void {
    this.options.onEvent?.(event)
  }

  /** Stops at once. What the disk holds is whole, and nothing that it does not hold was acknowledged. */
  private fail(cause: unknown): void {
    if (this.failed) return
    const { role } = this.state
    const error = cause instanceof Error ? cause : new Error(String(cause))
    this.close(error)
    this.state.role = { kind: 'stopped' }
    if (role.kind === 'leader' && role.ready) {
      this.tell({ kind: 'lostLeadership', term: role.term, why: 'the replica failed' })
    }
    this.tell({ kind: 'failed', error })
  }

  private close(cause: Error | undefined): void {
    this.failed = true
    this.disk.close()
    this.subscription.unsubscribe()
    this.timer.cancel()
    this.telemetry.closed(cause)
    const uncertain = new ProposalUncertainError(cause === undefined ? {} : { cause })
    this.proposals.giveUpTaken(uncertain)
    this.administration.close(uncertain)
    this.proposals.giveUpUntaken(new NotLeaderError(undefined))
    for (const { reject } of this.reads.values()) reject(new NotLeaderError(undefined))
    this.reads.clear()
  }
}

const roleNames = {
  leader: 'leader',
  follower: 'follower',
  candidate: 'candidate',
  preCandidate: 'pre-candidate',
  stopped: 'follower',
} as const satisfies Record<RaftState['role']['kind'], RaftStatus['role']>
