import type { CoordinatorEvent } from '@verdict/coordinator'
import type { ParticipantEvent } from '@verdict/participant'
import { type Message, reasonCodes } from '@verdict/protocol'

/** The states of the protocol that a message shows its sender in. */
export function saidBy(message: Message): readonly string[] {
  switch (message.type) {
    case 'result':
      return [`R5 call answered ${message.result.kind}`]
    case 'vote': {
      const { vote } = message
      return [vote.kind === 'busy' ? `R2 busy: ${vote.found}` : `R2 voted ${vote.kind}`]
    }
    case 'decided':
      return [`R1 answered ${message.answer.kind}`]
    case 'loneDecided':
      return [`R9 answered ${message.answer.kind}`]
    case 'looked':
      return message.found.map(({ kind }) => `R3 found ${kind}`)
    case 'inquiryAnswer':
      return message.answers.map(({ answer }) => `R6 answered ${answer}`)
    case 'sweepAnswer':
      return message.answers.map(({ answer }) => `R12 sweep answered ${answer}`)
    case 'hazard':
      return [`R8 hazard ${message.kind}`]
    case 'operated':
      return [`R16 done ${message.done}`]
    default:
      return []
  }
}

export function happenedAtParticipant(event: ParticipantEvent): readonly string[] {
  switch (event.kind) {
    case 'quarantined':
      return ['R13 quarantined']
    case 'discarded':
      return ['R8 rolled back without an outcome']
    case 'ignored':
      return [`R8 ignored ${event.told}`]
    case 'rejected':
      return ['R15 participant rejects a message']
    case 'trouble':
      return [`R16 participant in trouble: ${event.trouble}`]
    case 'refused':
      if (event.reason.code === reasonCodes.expired) return ['R12 refused below the floor']
      return event.reason.code === reasonCodes.lockTimeout ? ['R7 lock time-out'] : []
    case 'forgot':
      return ['R12 rows deleted']
    default:
      return []
  }
}

export function happenedAtReplica(event: CoordinatorEvent): readonly string[] {
  switch (event.kind) {
    case 'leading':
      return event.unsettled > 0 ? ['R6 new leader', 'R6 new leader with outcomes to tell'] : ['R6 new leader']
    case 'advanced':
      return event.horizon > 0 ? ['R11 epoch moved', 'R11 horizon moved'] : ['R11 epoch moved']
    case 'forgotten':
      return ['R11 records forgotten']
    case 'takenUp':
      return ['R6 taken up']
    case 'settled':
      return [event.count > 1 ? 'R10 settled many' : 'R10 settled one']
    case 'hazard':
      return [`R16 recorded ${event.hazard.kind}`]
    case 'forced':
      return [`R16 operator's abort met ${event.outcome}`]
    case 'trouble':
      return [`R16 leader shows trouble: ${event.trouble.kind}`]
    case 'overdue':
      return ['R16 leader alarms']
    case 'unusableMessage':
      return ['R15 replica drops a message']
    default:
      return []
  }
}
