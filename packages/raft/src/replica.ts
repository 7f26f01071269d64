import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import type { BusMessage, Subscription, Timer, World } from '@verdict/runtime'
import { decodeMessage, encodeMessage, maxHeaderBytes } from './codec.ts'
import { step } from './core.ts'
import type { Effect, Refusal } from './effect.ts'
import {
  CommandTooLargeError,
  MalformedMessageError,
  NotLeaderError,
  OverloadedError,
  ProposalUncertainError,
} from './errors.ts'
import type { Event } from './event.ts'
import { entryOverheadBytes, lastIndexOf, plus } from './log.ts'
import type { Entry, LogIndex, Message, ReplicaId, Term } from './message.ts'
import type { RaftEvent } from './notice.ts'
import { Proposals } from './proposals.ts'
import { ReplicaTelemetry } from './replica-telemetry.ts'
import { defaultSettings, type RaftSettings } from './settings.ts'
import { OverlaySpace } from './space.ts'
import { createState, leaderOf, peersOf, type RaftState } from './state.ts'
import type { StateMachine, StateSpace } from './state-machine.ts'
import type { LogStore } from './store.ts'

/** A tick counts for no more than this many heartbeats: a late timer means that this process slept, not that others were silent. */
const maxTickHeartbeats = 2
/** Ticks in a heartbeat: timing need not be finer, and an idle replica wakes up this often. */
const ticksPerHeartbeat = 2

export interface ReplicaOptions<Result> {
  readonly id: ReplicaId
  readonly members: readonly ReplicaId[]
  /** The replica's own store, opened. It is closed by `stop`. */
  readonly store: LogStore
  readonly machine: StateMachine<Result>
  readonly world: World
  /** Where messages from one replica to another go: each id is a token of its own. */
  readonly subject: (from: ReplicaId, to: ReplicaId) => string
  readonly settings?: Partial<RaftSettings>
  /** Told what happens, in order. It must not throw: that stops the replica. */
  readonly onEvent?: (event: RaftEvent) => void
}

export interface RaftStatus {
  readonly role: 'leader' | 'follower' | 'candidate' | 'pre-candidate'
  readonly term: Term
  readonly leader: ReplicaId | undefined
  readonly commitIndex: LogIndex
  readonly appliedIndex: LogIndex
  readonly lastIndex: LogIndex
}

/** One running replica of a group. */
export interface Replica<Result> {
  /**
   * Puts a command into the log. Resolves with the state machine's result once it is committed and applied here. The bytes must
   * not be changed afterwards.
   * @throws NotLeaderError (certainly not proposed), OverloadedError (not proposed, try again), CommandTooLargeError,
   * ProposalUncertainError (it may be committed later), all by rejection.
   */
  propose(command: Uint8Array): Promise<Result>
  /**
   * Resolves when everything that was committed before the call is applied here, and this replica was the leader after the call.
   * @throws NotLeaderError, OverloadedError, by rejection.
   */
  confirmLeadership(): Promise<void>
  /** The state machine's space, as this replica has applied it. */
  readonly space: Pick<StateSpace, 'get' | 'list'>
  status(): RaftStatus
  /**
   * Takes no more proposals, waits for those under way as long as an election takes at least, stops leading, and closes the store.
   * Idempotent.
   */
  stop(): Promise<void>
}

/**
 * Starts a replica on what its store holds.
 * @throws StoreError when the store is damaged.
 */
export async function startReplica<Result>(options: ReplicaOptions<Result>): Promise<Replica<Result>> {
  return new RunningReplica(options)
}

/** The shell: events in from bus, clock and disk; effects out to them. */
export class RunningReplica<Result> implements Replica<Result> {
  readonly space: OverlaySpace
  readonly state: RaftState
  private readonly options: ReplicaOptions<Result>
  private readonly senders: ReadonlyMap<string, ReplicaId>
  private readonly proposals = new Proposals<Result>()
  private readonly reads = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  private readonly telemetry: ReplicaTelemetry
  private readonly subscription: Subscription
  private inbox: Event[] = []
  private turnDue = false
  private appliedIndex: LogIndex
  private lastRead = 0
  private malformed = 0
  private lastTickMs: number
  private timer: Timer
  private failed = false
  private stopping: Promise<void> | undefined

  constructor(options: ReplicaOptions<Result>) {
    const { id, members, store, world, subject } = options
    this.options = options
    const settings = { ...defaultSettings, ...options.settings }
    const maxAppendBytes = Math.min(settings.maxAppendBytes, world.bus.maxPayloadBytes - maxHeaderBytes)
    const { hardState, appliedIndex } = store.state
    const [applied] = appliedIndex === 0 ? [] : store.read(appliedIndex, 1, Number.POSITIVE_INFINITY)
    this.state = createState({
      id,
      members,
      settings: { ...settings, maxAppendBytes },
      hardState,
      appliedIndex,
      appliedTerm: applied?.term ?? (0 as Term),
      entries: store.read(plus(appliedIndex, 1), store.lastIndex - appliedIndex, Number.POSITIVE_INFINITY),
      chance: world.random.fraction(),
    })
    this.appliedIndex = appliedIndex
    this.space = new OverlaySpace(store)
    this.telemetry = new ReplicaTelemetry(this.state, world.clock, () => this.proposals.size)
    this.senders = new Map(peersOf(this.state).map((peer) => [subject(peer, id), peer]))
    this.subscription = world.bus.subscribe(subject('*' as ReplicaId, id), (message) => this.receive(message))
    this.lastTickMs = world.clock.nowMs()
    this.timer = this.planTick()
  }

  propose(command: Uint8Array): Promise<Result> {
    const maxBytes = this.state.settings.maxAppendBytes - entryOverheadBytes
    if (command.length > maxBytes) return Promise.reject(new CommandTooLargeError(command.length, maxBytes))
    if (this.isClosed()) return Promise.reject(new NotLeaderError(undefined))
    const { proposal, result } = this.proposals.add()
    this.telemetry.proposed(proposal)
    this.happen({ kind: 'proposed', proposal, command })
    return result
  }

  confirmLeadership(): Promise<void> {
    if (this.isClosed()) return Promise.reject(new NotLeaderError(undefined))
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
      appliedIndex: this.appliedIndex,
      lastIndex: lastIndexOf(log),
    }
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
    if (!this.failed) {
      this.inbox.push({ kind: 'stopped' })
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
    this.inbox.push(event)
    if (this.turnDue) return
    this.turnDue = true
    // A turn is many proposers' and callers': it belongs to no trace.
    context.with(ROOT_CONTEXT, () => queueMicrotask(() => this.turn()))
  }

  private turn(): void {
    this.turnDue = false
    if (this.failed) return
    const events = this.inbox
    this.inbox = []
    try {
      for (const effect of step(this.state, events)) this.perform(effect)
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
        this.persist(effect)
        return
      case 'apply':
        this.apply(effect.entries)
        return
      case 'load':
        this.load(effect.to, effect.prevIndex)
        return
      case 'proposalTaken':
        this.proposals.take(effect.proposal, effect.index)
        return
      case 'proposalRefused':
        this.proposals.refuse(effect.proposal, this.refusal(effect.why, 'proposals'))
        return
      case 'proposalsUncertain':
        this.proposals.giveUpTaken(new ProposalUncertainError())
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
    const payload = encodeMessage(message)
    if (to !== leaderOf(this.state)) {
      world.bus.publish(subject(id, to), payload)
      return
    }
    world.bus.publish(subject(id, to), payload, {
      replyTo: subject(to, id),
      onNoResponders: () => this.happen({ kind: 'leaderUnreachable', leader: to, chance: world.random.fraction() }),
    })
  }

  private persist({ write, hardState, entries }: Effect & { readonly kind: 'persist' }): void {
    const { store } = this.options
    const batch = { hardState, entries, appliedIndex: this.appliedIndex, changes: this.space.take() }
    store.write(batch).then(
      () => {
        if (this.failed) return
        this.space.landed()
        this.tell({ kind: 'appended', entries: entries.length, flushMs: this.telemetry.flushed() })
        this.happen({ kind: 'persisted', write })
      },
      (error: unknown) => this.fail(error),
    )
  }

  private apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      if (entry.kind === 'command') {
        const result = this.options.machine.apply(this.space, entry.index, entry.command)
        this.appliedIndex = entry.index
        this.proposals.applied(entry.index, result)
      } else this.appliedIndex = entry.index
    }
    this.tell({ kind: 'applied', index: this.appliedIndex, entries: entries.length })
  }

  private load(to: ReplicaId, prevIndex: LogIndex): void {
    const { maxEntriesPerAppend, maxAppendBytes } = this.state.settings
    const { store } = this.options
    const [prev] = prevIndex === 0 ? [] : store.read(prevIndex, 1, 0)
    const entries = store.read(plus(prevIndex, 1), maxEntriesPerAppend, maxAppendBytes)
    this.happen({ kind: 'loaded', to, prevIndex, prevTerm: prev?.term ?? (0 as Term), entries })
  }

  private receive({ subject, payload }: BusMessage): void {
    const from = this.senders.get(subject)
    try {
      if (from === undefined) throw new MalformedMessageError('whoever sent it is no other member of the group')
      this.happen({ kind: 'received', from, message: decodeMessage(payload) })
    } catch (error) {
      if (error instanceof MalformedMessageError) {
        this.tell({ kind: 'malformed', subject, why: error.message, count: ++this.malformed })
      } else this.fail(error)
    }
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

  private refusal(why: Refusal, what: string): Error {
    return why === 'notLeader' ? new NotLeaderError(leaderOf(this.state)) : new OverloadedError(what)
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
    this.subscription.unsubscribe()
    this.timer.cancel()
    this.telemetry.closed(cause)
    this.proposals.giveUpTaken(new ProposalUncertainError(cause === undefined ? {} : { cause }))
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
