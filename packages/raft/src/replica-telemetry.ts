import type { Clock } from '@verdict/runtime'
import type { Effect, OverloadLimit } from './effect.ts'
import type { LogIndex } from './message.ts'
import { ReplicaMetering } from './metering.ts'
import type { RaftEvent } from './notice.ts'
import type { RaftState } from './state.ts'
import { LogTracing } from './tracing.ts'

/** What spans and metrics tell of one replica: it sees what the replica does, and never changes it. */
export class ReplicaTelemetry {
  private readonly state: RaftState
  private readonly clock: Clock
  private readonly tracing: LogTracing
  private readonly metering: ReplicaMetering
  private writeStartMs = 0
  private committedIndex: LogIndex

  constructor(state: RaftState, clock: Clock, proposalsWaiting: () => number) {
    this.state = state
    this.clock = clock
    this.tracing = new LogTracing(state.id)
    this.metering = new ReplicaMetering(state.id, proposalsWaiting)
    this.committedIndex = state.commitIndex
  }

  /** Within the span that is active now. */
  proposed(proposal: number): void {
    this.tracing.proposed(proposal)
  }

  /** A proposal or a read was refused before the core saw it. */
  refused(limit: OverloadLimit): void {
    this.metering.refused(limit)
  }

  /** Called right before an effect is performed. */
  performing(effect: Effect): void {
    switch (effect.kind) {
      case 'proposalTaken':
        this.tracing.taken(effect.proposal, effect.index)
        return
      case 'proposalRefused':
        this.tracing.refused(effect.proposal)
        if (effect.why !== 'notLeader') this.metering.refused(effect.why)
        return
      case 'readRefused':
        if (effect.why !== 'notLeader') this.metering.refused(effect.why)
        return
      case 'proposalsUncertain':
        this.tracing.abandoned('leadership was lost; a later leader may commit it')
        this.metering.abandoned()
        return
      case 'persist':
        this.writing(effect)
        return
      case 'apply':
        this.committed()
        return
      case 'notice':
        this.noticed(effect.event)
        return
      case 'send':
      case 'load':
      case 'changeTaken':
      case 'changeRefused':
      case 'transferEnded':
      case 'readConfirmed':
        return
    }
  }

  /** The write that was under way is on disk; returns how long it took. */
  flushed(): number {
    const flushMs = this.clock.nowMs() - this.writeStartMs
    this.tracing.flushed()
    this.metering.flushed(flushMs)
    return flushMs
  }

  closed(cause: Error | undefined): void {
    this.tracing.closed(cause === undefined ? 'the replica stopped' : `the replica failed: ${cause.message}`)
    this.metering.stop()
  }

  private noticed(event: RaftEvent): void {
    if (event.kind === 'becameLeader') this.metering.leading(true)
    if (event.kind === 'lostLeadership') this.metering.leading(false)
    if (event.kind === 'leaderChanged' && event.leader !== undefined) this.metering.leaderChanged()
  }

  private writing({ entries }: Effect & { readonly kind: 'persist' }): void {
    this.writeStartMs = this.clock.nowMs()
    const { role, commitIndex } = this.state
    const last = entries.at(-1)
    if (role.kind !== 'leader' || last === undefined) return
    this.tracing.writing(role.term, entries)
    // The other disks may all have been faster: then nobody waits for this write.
    if (last.index > commitIndex) this.metering.writing(last.index, this.writeStartMs)
  }

  private committed(): void {
    const { commitIndex } = this.state
    this.tracing.committed(this.committedIndex, commitIndex)
    this.metering.committed(commitIndex, this.clock.nowMs())
    this.committedIndex = commitIndex
  }
}
