import type { CoordinatorEvent } from '@verdict/coordinator'
import type { RaftEvent } from '@verdict/raft'
import type { NatsStatus } from '@verdict/runtime'
import type { Log } from '@verdict/telemetry'

/** Writes what an operator would want to know, one line each; nothing for each message or each decision. */
export class EventLog {
  private readonly log: Log
  private dropped = 0

  constructor(log: Log) {
    this.log = log
  }

  write(event: CoordinatorEvent): void {
    const { log } = this
    switch (event.kind) {
      case 'leading':
        log.info({ term: event.term, unsettled: event.unsettled }, 'leading')
        break
      case 'steppedDown':
        log.info({ term: event.term }, 'stepped down')
        break
      case 'takenUp':
        log.info({ transaction: event.id }, 'took a transaction up again')
        break
      case 'upgraded':
        log.info({ format: event.format }, "raised the group's format")
        break
      case 'hazard':
        log.error({ transaction: event.id, ...event.hazard }, 'hazard: an outcome could not be honoured')
        break
      case 'resolved':
        log.warn(
          { transaction: event.id, participant: event.participant, by: event.by, as: event.as },
          'an operator has dealt with a branch',
        )
        break
      case 'forced':
        log.warn(
          { transaction: event.id, outcome: event.outcome, by: event.by, as: event.as },
          'an operator has ordered an abort',
        )
        break
      case 'trouble':
        log.error({ transaction: event.trouble.id, ...event.trouble }, 'trouble: a transaction does not end by itself')
        break
      case 'poisoned':
        log.error(
          { transaction: event.id, err: event.error },
          'dealing with a transaction failed; it is left alone for a while',
        )
        break
      case 'overdue':
        log.error({ transaction: event.id, ageMs: event.ageMs }, 'a decided transaction is not settled for long')
        break
      case 'malformedDecision':
        log.error({ transaction: event.id, found: event.found }, 'a malformed decision was not recorded')
        break
      case 'unusableMessage':
        this.drop(event.subject, event.why)
        break
      case 'unsendableMessage':
        log.error({ subject: event.subject, why: event.why }, 'a message is too large for the bus')
        break
      case 'raft':
        this.writeRaft(event.event)
        break
      case 'advanced':
        log.debug({ epoch: event.epoch, horizon: event.horizon }, 'the epoch moved')
        break
      case 'forgotten':
        log.debug({ records: event.count }, 'forgot what was settled')
        break
      case 'decided':
      case 'settled':
        break
    }
  }

  private writeRaft(event: RaftEvent): void {
    switch (event.kind) {
      case 'leaderChanged':
        this.log.info({ term: event.term, leader: event.leader ?? null }, 'leader changed')
        break
      case 'electionStarted':
        this.log.info({ term: event.term }, 'election started')
        break
      case 'lostLeadership':
        this.log.info({ term: event.term, why: event.why }, 'lost leadership')
        break
      case 'lostQuorum':
        this.log.warn({ term: event.term }, 'no majority answers: leading no longer')
        break
      case 'transferred':
        this.log.info({ term: event.term, leader: event.leader }, 'handed the leadership over')
        break
      case 'membershipChanged':
        this.log.info({ voters: event.voters, learners: event.learners }, 'membership changed')
        break
      case 'removed':
        this.log.warn('this replica was removed from its group: it may be stopped for good')
        break
      case 'snapshotSent':
        this.log.info({ replica: event.to, index: event.index }, 'a replica that was far behind has a snapshot')
        break
      case 'snapshotInstalled':
        this.log.info({ index: event.index }, 'took over a snapshot')
        break
      case 'outdatedPeer':
        this.log.warn({ replica: event.replica }, 'a replica that has forgotten a start of its own is not heard')
        break
      case 'disbelieved':
        this.drop(event.replica, event.why)
        break
      case 'flooded':
        this.log.warn({ lost: event.count }, 'more messages came at once than one turn takes')
        break
      case 'malformed':
        this.drop(event.subject, event.why)
        break
      case 'failed':
        this.log.fatal({ err: event.error }, 'the replica failed: it says nothing any more until it is started again')
        break
      case 'becameLeader':
      case 'appended':
      case 'compacted':
      case 'applied':
        break
    }
  }

  /** Tells the 1st, 2nd, 4th, 8th … message that was dropped: a flood of them shall not fill the disk with lines. */
  private drop(subject: string, why: string): void {
    this.dropped += 1
    if (Number.isInteger(Math.log2(this.dropped))) {
      this.log.warn({ subject, why, dropped: this.dropped }, 'dropped a message that cannot be used')
    }
  }
}

/** Writes what happens to the connection: without it a replica neither votes nor leads. */
export function logStatus(log: Log, status: NatsStatus): void {
  switch (status.kind) {
    case 'disconnected':
      log.warn({ server: status.server }, 'lost the connection to NATS')
      break
    case 'reconnected':
      log.info({ server: status.server }, 'connected to NATS again')
      break
    case 'error':
      log.error({ err: status.error }, 'NATS reported an error')
      break
    case 'closed':
      log.info('closed the connection to NATS')
      break
  }
}
