import type { CoordinatorEvent } from '@verdict/coordinator'
import type { NatsStatus } from '@verdict/runtime'
import type { Logger } from 'pino'

/** Writes what an operator would want to know, one line each; nothing for each message or each decision. */
export function logEvent(log: Logger, event: CoordinatorEvent): void {
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
    case 'hazard':
      log.error({ transaction: event.id, ...event.hazard }, 'hazard: an outcome could not be honoured')
      break
    case 'malformedDecision':
      log.error({ transaction: event.id, found: event.found }, 'a malformed decision was not recorded')
      break
    case 'unusableMessage':
      log.warn({ subject: event.subject, why: event.why }, 'dropped a message that cannot be used')
      break
    case 'unsendableMessage':
      log.error({ subject: event.subject, why: event.why }, 'a message is too large for the bus')
      break
    case 'raft':
      if (event.event.kind === 'leaderChanged') log.info(event.event, 'leader changed')
      break
    case 'decided':
    case 'settled':
      break
  }
}

/** Writes what happens to the connection: without it a replica neither votes nor leads. */
export function logStatus(log: Logger, status: NatsStatus): void {
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
