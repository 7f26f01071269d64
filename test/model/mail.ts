import type { Command } from '@verdict/coordinator/internal'
import type {
  Abort,
  Ack,
  Call,
  CallResult,
  Commit,
  Decided,
  HazardReport,
  Inquiry,
  InquiryAnswer,
  InstanceId,
  Look,
  Looked,
  OutcomeMessage,
  ParticipantName,
  Prepare,
  Release,
  VoteMessage,
} from '@verdict/protocol'

/** What a leader asks the log to record; it may get there late, or never, whoever leads by then. */
export interface Proposal {
  readonly to: 'log'
  readonly term: number
  readonly command: Command
}

/** To whichever replica believes that it leads. */
export interface Request {
  readonly to: 'group'
  readonly from: 'run'
  readonly run: number
  readonly message: Commit | Abort | Look
}

/** What a participant tells the group. */
export interface Word {
  readonly to: 'group'
  readonly from: 'participant'
  readonly participant: ParticipantName
  readonly message: VoteMessage | Ack | HazardReport | Inquiry
}

/** To one instance of a participant, or to any when none is named. */
export interface ToParticipant {
  readonly to: 'participant'
  readonly participant: ParticipantName
  readonly instance: InstanceId | undefined
  readonly message: Prepare | OutcomeMessage | InquiryAnswer | Call | Release
  /** Whose call it is. */
  readonly run?: number
}

export interface ToRun {
  readonly to: 'run'
  readonly run: number
  readonly participant?: ParticipantName
  readonly message: Decided | Looked | CallResult
}

/** One message on its way, with whatever its subject says. */
export type Mail = Proposal | Request | Word | ToParticipant | ToRun

/** As a trace shows it. */
export function describe(mail: Mail): string {
  switch (mail.to) {
    case 'log':
      return mail.command.kind === 'decide' ? `decide ${mail.command.decision.outcome}` : mail.command.kind
    case 'group':
      return describeWord(mail)
    case 'participant':
      return `${mail.message.type}${describeDetail(mail.message)} to ${mail.instance ?? mail.participant}`
    case 'run':
      return `${mail.message.type}${describeDetail(mail.message)} to run ${mail.run}`
  }
}

function describeWord(mail: Request | Word): string {
  if (mail.from === 'run') return `${mail.message.type} of run ${mail.run}${shortDigest(mail.message)}`
  const { message, participant } = mail
  return `${message.type}${describeDetail(message)} of ${participant}${shortDigest(message)}`
}

function describeDetail(message: Exclude<Mail, Proposal>['message']): string {
  switch (message.type) {
    case 'vote':
      return ` ${message.vote.kind}`
    case 'ack':
      return ` ${message.applied}`
    case 'outcome':
      return ` ${message.outcome}${shortDigest(message)}`
    case 'inquiryAnswer':
      return ` ${message.answers.map(({ answer }) => answer).join()}`
    case 'prepare':
      return shortDigest(message)
    case 'call':
      return ` ${message.n}`
    case 'result':
      return ` ${message.n} ${message.result.kind}`
    case 'decided':
      return ` ${message.answer.kind}`
    case 'looked':
      return ` ${message.found.map((found) => (found.kind === 'recorded' ? found.outcome : found.kind)).join()}`
    case 'hazard':
      return ` ${message.kind}`
    default:
      return ''
  }
}

function shortDigest(message: object): string {
  return 'digest' in message && typeof message.digest === 'string' ? ` [${message.digest.slice(0, 4)}]` : ''
}
