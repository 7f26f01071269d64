import { type Digest, decodePacket, type Message, type Outcome, type TransactionId } from '@verdict/protocol'
import type { DepartingMessage } from '@verdict/runtime/simulated'

/** One thing that somebody says about an outcome. */
export interface Statement {
  readonly id: TransactionId
  readonly outcome: Outcome
  /** The list that it is said of; undefined when the message does not name one. */
  readonly digest: Digest | undefined
  /** A lone transaction is decided by its participant, which acknowledges nothing then. */
  readonly by: 'group' | 'participant' | 'lone participant'
}

/** What a message of the protocol says; undefined when it is one of Raft's own, or nonsense. */
export function messageOf({ payload, subject }: Pick<DepartingMessage, 'payload' | 'subject'>): Message | undefined {
  if (subject.includes('.raft.')) return undefined
  try {
    return decodePacket(payload).message
  } catch {
    return undefined
  }
}

/** Every outcome that a message tells. Only `committed` and `aborted` are outcomes. */
export function statementsOf(departing: DepartingMessage): Statement[] {
  const message = messageOf(departing)
  return message === undefined ? [] : statements(message)
}

/** The group's counters that a message tells: they only grow. */
export function clocksOf(departing: DepartingMessage): Readonly<Record<string, number>> {
  const message = messageOf(departing)
  switch (message?.type) {
    case 'announce':
      return { term: message.term, epoch: message.epoch, horizon: message.horizon }
    case 'prepare':
      return { term: message.term, horizon: message.horizon }
    case 'welcome':
      return { epoch: message.epoch, horizon: message.horizon }
    case 'decided':
      return { epoch: message.epoch }
    default:
      return {}
  }
}

function statements(message: Message): Statement[] {
  switch (message.type) {
    case 'decided': {
      const { id, digest, answer } = message
      if (answer.kind === 'committed' || answer.kind === 'aborted')
        return [{ id, digest, outcome: answer.kind, by: 'group' }]
      if (answer.kind === 'conflict') return [{ id, digest: answer.recorded, outcome: answer.outcome, by: 'group' }]
      return []
    }
    case 'loneDecided': {
      const { id, digest, answer } = message
      if (answer.kind !== 'committed' && answer.kind !== 'aborted') return []
      return [{ id, digest, outcome: answer.kind, by: 'lone participant' }]
    }
    case 'outcome':
      return [{ id: message.id, digest: message.digest, outcome: message.outcome, by: 'group' }]
    case 'looked':
      return message.found.flatMap((found) =>
        found.kind === 'recorded'
          ? [{ id: found.id, digest: found.digest, outcome: found.outcome, by: 'group' as const }]
          : [],
      )
    case 'operated': {
      const { found } = message
      return found.kind === 'recorded'
        ? [{ id: found.id, digest: found.digest, outcome: found.outcome, by: 'group' }]
        : []
    }
    case 'inquiryAnswer':
      return message.answers.flatMap(({ id, digest, answer }) =>
        answer === 'committed' || answer === 'aborted' ? [{ id, digest, outcome: answer, by: 'group' as const }] : [],
      )
    case 'ack':
      return [{ id: message.id, digest: message.digest, outcome: message.applied, by: 'participant' }]
    default:
      return []
  }
}
