import type { Clock } from '@verdict/runtime'
import type { Effect } from './effect.ts'
import { MembershipError, NotLeaderError, type ProposalUncertainError, TransferError } from './errors.ts'
import type { Event } from './event.ts'
import { checkIds, isMember, type Membership, type MembershipChange } from './membership.ts'
import type { LogIndex, ReplicaId } from './message.ts'
import { Proposals } from './proposals.ts'
import { leaderElsewhere, membershipOf, type RaftState } from './state.ts'

/** How long a new replica may take to catch up before whoever adds it is told. It stays a learner, and goes on catching up. */
const maxCatchUpMs = 10 * 60_000

export type AdministrationEffect = Effect & { readonly kind: 'changeTaken' | 'changeRefused' | 'transferEnded' }

export interface AdministrationPorts {
  readonly state: RaftState
  readonly clock: Clock
  /** Hands the core an event. */
  readonly happen: (event: Event) => void
}

/** What whoever runs a group asks a replica for: other members, another leader. */
export class Administration {
  private readonly ports: AdministrationPorts
  private readonly changes = new Proposals<Membership>()
  private readonly transfers = new Map<number, { resolve: () => void; reject: (error: Error) => void }>()
  private lastTransfer = 0
  private closed = false

  constructor(ports: AdministrationPorts) {
    this.ports = ports
  }

  /**
   * Adds a learner, waits until it has caught up, and makes it a voter. A learner is taken on from where it is; one that is removed
   * meanwhile stays out, since its id must not come back.
   */
  async add(replica: ReplicaId): Promise<Membership> {
    const { clock, state } = this.ports
    checkIds([replica])
    const deadlineMs = clock.nowMs() + maxCatchUpMs
    if (!isMember(membershipOf(state), replica)) await this.change({ kind: 'addLearner', replica })
    for (;;) {
      try {
        return await this.change({ kind: 'promote', replica })
      } catch (error) {
        const isBehind = error instanceof MembershipError && error.why === 'notCaughtUp'
        if (!isBehind || clock.nowMs() >= deadlineMs) throw error
        await this.pass(state.settings.heartbeatMs)
      }
    }
  }

  remove(replica: ReplicaId): Promise<Membership> {
    return this.change({ kind: 'remove', replica })
  }

  transfer(to: ReplicaId | undefined): Promise<void> {
    if (this.closed) return Promise.reject(new NotLeaderError(undefined))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const transfer = ++this.lastTransfer
    this.transfers.set(transfer, { resolve, reject })
    this.ports.happen({ kind: 'transferAsked', transfer, to })
    return promise
  }

  perform(effect: AdministrationEffect): void {
    switch (effect.kind) {
      case 'changeTaken':
        this.changes.take(effect.proposal, effect.index)
        return
      case 'changeRefused': {
        const { proposal, why } = effect
        this.changes.refuse(proposal, why === 'notLeader' ? this.notLeader() : new MembershipError(why))
        return
      }
      case 'transferEnded': {
        const { transfer, outcome } = effect
        const waiter = this.transfers.get(transfer)
        this.transfers.delete(transfer)
        if (outcome === 'done') waiter?.resolve()
        else waiter?.reject(outcome === 'notLeader' ? this.notLeader() : new TransferError(outcome))
        return
      }
    }
  }

  /** A change is committed. */
  applied(index: LogIndex, membership: Membership): void {
    this.changes.applied(index, membership)
  }

  /** Leadership was lost: what is in the log may come to either end. */
  giveUpTaken(error: ProposalUncertainError): void {
    this.changes.giveUpTaken(error)
  }

  close(error: ProposalUncertainError): void {
    this.closed = true
    this.changes.giveUpTaken(error)
    this.changes.giveUpUntaken(new NotLeaderError(undefined))
    for (const { reject } of this.transfers.values()) reject(new NotLeaderError(undefined))
    this.transfers.clear()
  }

  private change(change: MembershipChange): Promise<Membership> {
    if (this.closed) return Promise.reject(new NotLeaderError(undefined))
    const { proposal, result } = this.changes.add()
    this.ports.happen({ kind: 'changeProposed', proposal, change })
    return result
  }

  private pass(durationMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.ports.clock.after(durationMs, resolve)
    return promise
  }

  private notLeader(): NotLeaderError {
    return new NotLeaderError(leaderElsewhere(this.ports.state))
  }
}
