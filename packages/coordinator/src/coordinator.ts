import {
  type DecisionRecord,
  decodePacket,
  type GroupId,
  isInboxOf,
  type Namespace,
  namespace,
  readOwner,
  type StatusReport,
  type Subjects,
  subjects,
  type TransactionId,
  WireError,
} from '@verdict/protocol'
import {
  type LogStore,
  type RaftEvent,
  type RaftSettings,
  type Replica,
  type ReplicaId,
  startReplica,
} from '@verdict/raft'
import type { BusMessage, Subscription, World } from '@verdict/runtime'
import type { Applied } from './decisions.ts'
import type { CoordinatorEvent } from './event.ts'
import { epochOf, horizonOf } from './forgetting.ts'
import { formatOf } from './format.ts'
import { isResolved, isTold } from './hazards.ts'
import { Leader } from './leader.ts'
import { groupIdOf, type Manifest, ManifestError } from './manifest.ts'
import { CoordinatorMetering } from './metering.ts'
import { Post } from './post.ts'
import { hazardous, hazardousCount, recordOf, unsettled, unsettledCount } from './records.ts'
import { type Release, thisRelease } from './release.ts'
import { type CoordinatorSettings, defaultSettings } from './settings.ts'

/** Most entries that a replica counts in its store: it does so between two commits. Beyond it a leader tells those that it knows of. */
const maxCounted = 1_000
/** Most unsettled transactions that a status report lists. */
const maxListed = 50

export interface CoordinatorOptions {
  readonly manifest: Manifest
  readonly replica: ReplicaId
  /** The replica's own store, opened. It is closed by `stop`. */
  readonly store: LogStore
  readonly world: World
  /** First token of every subject; `verdict` when absent. */
  readonly namespace?: string
  /** The program's version, shown in status reports. */
  readonly version: string
  readonly settings?: Partial<CoordinatorSettings>
  readonly raft?: Partial<RaftSettings>
  readonly onEvent?: (event: CoordinatorEvent) => void
}

/** One running replica of a coordinator group. */
export interface Coordinator {
  readonly group: GroupId
  status(): StatusReport
  /** The decision that this replica has applied for an id, where it has one. An applied record may be told by any replica (R1). */
  record(id: TransactionId): DecisionRecord | undefined
  /** Stops leading, stops the replica and closes its store. Idempotent. */
  stop(): Promise<void>
}

/**
 * Starts one replica: Raft, the decisions on its log, and a leader's work whenever it leads.
 * @throws ManifestError when the manifest does not name the replica, UnreadableStateError when a later release wrote its state.
 */
export async function startCoordinator(
  options: CoordinatorOptions,
  release: Release = thisRelease,
): Promise<Coordinator> {
  const running = new RunningCoordinator(options, release)
  await running.start()
  return running
}

function inDoubtOf(record: DecisionRecord): StatusReport['inDoubt'][number] {
  const { id, outcome, decidedAtMs, branches, hazards } = record
  const isAwaited = ({ participant, vote }: (typeof branches)[number]): boolean =>
    isTold(record, vote) && !isResolved(record, participant)
  return {
    id,
    outcome,
    decidedAtMs,
    waitingFor: branches.filter(isAwaited).map(({ participant }) => participant),
    hazards,
  }
}

class RunningCoordinator implements Coordinator {
  readonly group: GroupId
  private readonly options: CoordinatorOptions
  private readonly release: Release
  private readonly namespace: Namespace
  private readonly subjects: Subjects
  private readonly post: Post
  private readonly settings: CoordinatorSettings
  private readonly metering: CoordinatorMetering
  private replica: Replica<Applied> | undefined
  private leader: Leader | undefined
  private leadsAtOnce: number | undefined
  private unobserve: () => void = () => {}
  private statusSubscription: Subscription | undefined
  private stopping: Promise<void> | undefined

  constructor(options: CoordinatorOptions, release: Release) {
    const { manifest, replica } = options
    if (!manifest.replicas.includes(replica)) {
      throw new ManifestError(
        `The group has the replicas ${manifest.replicas.join(', ')}, not ${replica}. Start one of them, with its own store.`,
      )
    }
    this.options = options
    this.release = release
    this.group = groupIdOf(options.manifest)
    this.namespace = namespace(options.namespace)
    this.subjects = subjects(this.namespace)
    this.post = new Post({
      bus: options.world.bus,
      subjects: this.subjects,
      group: this.group,
      replica: options.replica,
      tooLarge: (subject, why) => options.onEvent?.({ kind: 'unsendableMessage', subject, why }),
    })
    this.settings = { ...defaultSettings, ...options.settings }
    this.metering = new CoordinatorMetering(replica)
  }

  async start(): Promise<void> {
    const { replica, store, world, raft } = this.options
    this.replica = await startReplica<Applied>({
      id: replica,
      store,
      machine: this.release.machine,
      world,
      subject: (from, to) => this.subjects.raft(this.group, from, to),
      onEvent: (event) => this.happened(event),
      ...(raft === undefined ? {} : { settings: raft }),
    })
    this.unobserve = this.observe(this.replica)
    const subject = this.subjects.status(this.group, replica, '*')
    this.statusSubscription = world.bus.subscribe(subject, (message) => this.asked(message))
    if (this.leadsAtOnce !== undefined) this.lead(this.leadsAtOnce)
  }

  status(): StatusReport {
    const replica = this.runningReplica()
    const { role, term, leader, lastIndex, commitIndex, appliedIndex } = replica.status()
    const { records } = unsettled(replica.space, maxListed)
    return {
      type: 'statusReport',
      group: this.group,
      replica: this.options.replica,
      role,
      ...(leader === undefined ? {} : { leader }),
      term,
      lastIndex,
      commitIndex,
      appliedIndex,
      epoch: epochOf(replica.space),
      horizon: horizonOf(replica.space),
      version: this.options.version,
      format: formatOf(replica.space),
      newestFormat: this.release.newestFormat,
      unsettled: this.unsettled(replica),
      underway: this.leader?.underway ?? 0,
      hazardous: hazardousCount(replica.space, maxCounted),
      troubles: this.leader?.troubles.list(maxListed) ?? [],
      inDoubt: records.map(inDoubtOf),
      withHazards: hazardous(replica.space, maxListed).map(inDoubtOf),
    }
  }

  record(id: TransactionId): DecisionRecord | undefined {
    return recordOf(this.runningReplica().space, id)
  }

  stop(): Promise<void> {
    this.stopping ??= this.stopAll()
    return this.stopping
  }

  private async stopAll(): Promise<void> {
    this.unobserve()
    this.statusSubscription?.unsubscribe()
    this.leader?.stop()
    this.leader = undefined
    await this.replica?.stop()
  }

  private happened(event: RaftEvent): void {
    this.options.onEvent?.({ kind: 'raft', event })
    if (event.kind === 'becameLeader') this.lead(event.term)
    if (event.kind === 'lostLeadership') this.stepDown(event.term)
    // What it has applied may be what it cannot read: it tells nothing of that.
    if (event.kind === 'failed') this.statusSubscription?.unsubscribe()
  }

  private lead(term: number): void {
    // Raft may become leader while it is still starting (a group of one replica).
    if (this.replica === undefined) {
      this.leadsAtOnce = term
      return
    }
    if (this.stopping !== undefined) return
    this.leader?.stop()
    this.leader = new Leader({
      world: this.options.world,
      namespace: this.namespace,
      subjects: this.subjects,
      group: this.group,
      replicas: this.options.manifest.replicas,
      keptEpochs: this.options.manifest.keptEpochs,
      replica: this.replica,
      post: this.post,
      term,
      release: this.release,
      settings: this.settings,
      metering: this.metering,
      observe: (event) => this.options.onEvent?.(event),
    })
    this.leader.start()
    this.options.onEvent?.({
      kind: 'leading',
      term,
      unsettled: this.unsettled(this.replica),
    })
  }

  private stepDown(term: number): void {
    this.leadsAtOnce = undefined
    if (this.leader === undefined) return
    this.leader.stop()
    this.leader = undefined
    this.options.onEvent?.({ kind: 'steppedDown', term })
  }

  /** The leader alone tells what is in doubt: the sum over the replicas is the group's. */
  private observe({ space }: Replica<Applied>): () => void {
    const { clock } = this.options.world
    const ageMs = ({ decidedAtMs }: DecisionRecord): number => Math.max(0, clock.wallMs() - decidedAtMs)
    const leading =
      (read: () => number): (() => number) =>
      () =>
        this.leader === undefined ? 0 : read()
    return this.metering.observe({
      underway: () => this.leader?.underway ?? 0,
      inDoubt: leading(() => this.unsettled({ space })),
      hazardous: leading(() => hazardousCount(space, maxCounted)),
      troubles: (kind) => this.leader?.troubles.count(kind) ?? 0,
      oldestInDoubtMs: leading(() => Math.max(0, ...unsettled(space, 1).records.map(ageMs))),
    })
  }

  private unsettled({ space }: Pick<Replica<Applied>, 'space'>): number {
    const counted = unsettledCount(space, maxCounted)
    return counted < maxCounted ? counted : Math.max(counted, this.leader?.unsettled ?? 0)
  }

  private asked({ subject, payload, replyTo }: BusMessage): void {
    const owner = readOwner(subject)
    if (owner === undefined || replyTo === undefined || !isInboxOf(replyTo, this.namespace, owner)) {
      this.unusable(subject, 'its reply subject is not an inbox of the sender')
      return
    }
    try {
      const { request, message } = decodePacket(payload)
      if (message.type === 'status') {
        const report = this.status()
        this.post.answer({ inbox: replyTo, request }, report, { ...report, inDoubt: [], withHazards: [], troubles: [] })
      } else throw new WireError('malformed-message', `A ${message.type} is nothing that a replica is asked.`, request)
    } catch (error) {
      if (!(error instanceof WireError)) throw error
      this.unusable(subject, error.message)
      const { request, code, message } = error
      if (request !== undefined) this.post.answer({ inbox: replyTo, request }, { type: 'failure', code, message })
    }
  }

  private unusable(subject: string, why: string): void {
    this.options.onEvent?.({ kind: 'unusableMessage', subject, why })
  }

  private runningReplica(): Replica<Applied> {
    if (this.replica === undefined) throw new Error('The replica has not started yet.')
    return this.replica
  }
}
