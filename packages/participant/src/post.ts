import {
  answerSubject,
  type CallResult,
  type Digest,
  encodePacket,
  type Failure,
  type GroupId,
  groupOf,
  type Inquiry,
  type InstanceId,
  type LoneDecided,
  type Outcome,
  type Packet,
  type ParticipantName,
  type Payload,
  type ReportedHazard,
  type Subjects,
  type Sweep,
  type TransactionId,
  type TroubleReport,
  type Vote,
  type Word,
} from '@verdict/protocol'
import { type Bus, PayloadTooLargeError } from '@verdict/runtime'
import type { Ballot } from './ballot.ts'
import type { Asker, CallOutcome, LoneAnswer } from './branch-state.ts'
import type { Observer } from './event.ts'
import type { Inquire } from './recovery.ts'
import type { BranchKey, ResourceFacts } from './resource.ts'

export interface Sender {
  readonly participant: ParticipantName
  readonly instance: InstanceId
  readonly durability: ResourceFacts['durability']
}

/** How one instance speaks: to clients on their inboxes, to groups on its participant's own subject. */
export class Post {
  readonly #bus: Bus
  readonly #subjects: Subjects
  readonly #sender: Sender
  readonly #emit: Observer

  constructor(bus: Bus, subjects: Subjects, sender: Sender, emit: Observer) {
    this.#bus = bus
    this.#subjects = subjects
    this.#sender = sender
    this.#emit = emit
  }

  result(asker: Asker, { id, n }: Pick<CallResult, 'id' | 'n'>, token: CallResult['token'], result: CallOutcome): void {
    const { instance } = this.#sender
    this.#answer(asker, { type: 'result', id, n, instance, ...(token === undefined ? {} : { token }), result })
  }

  loneDecided(asker: Asker, id: TransactionId, digest: Digest, answer: LoneAnswer): void {
    const { instance } = this.#sender
    this.#answer(asker, { type: 'loneDecided', id, digest, instance, answer: this.#fittingAnswer(answer) })
  }

  failure(asker: Asker, code: string, message: string): void {
    this.#answer(asker, { type: 'failure', code, message })
  }

  vote(id: TransactionId, digest: Digest, ballot: Ballot): void {
    this.#say(id, { type: 'vote', id, digest, vote: this.#sign(ballot) })
  }

  /** Only what is final and durable may be acknowledged (rule R13). */
  acknowledge(id: TransactionId, digest: Digest, applied: Outcome, results: readonly Payload[] | undefined): void {
    const { instance } = this.#sender
    this.#say(id, { type: 'ack', id, digest, instance, applied, ...this.#fitting(results) })
  }

  hazard(id: TransactionId, digest: Digest, kind: ReportedHazard, note: string): void {
    this.#say(id, { type: 'hazard', id, digest, kind, note })
  }

  trouble(group: GroupId, branches: TroubleReport['branches']): void {
    this.#publish(this.#subjects.vote(group, this.#sender.participant), {
      request: 0,
      message: { type: 'trouble', branches },
    })
  }

  inquire({ group, branches }: Inquire): void {
    const message: Inquiry = { type: 'inquiry', instance: this.#sender.instance, branches }
    this.#publish(this.#subjects.vote(group, this.#sender.participant), { request: 0, message })
  }

  sweep(group: GroupId, rows: readonly BranchKey[]): void {
    const message: Sweep = { type: 'sweep', instance: this.#sender.instance, rows }
    this.#publish(this.#subjects.vote(group, this.#sender.participant), { request: 0, message })
  }

  #sign(ballot: Ballot): Vote {
    const { instance, durability } = this.#sender
    switch (ballot.kind) {
      case 'prepared': {
        const { token, results } = ballot
        return { kind: 'prepared', instance, token, durability, ...this.#fitting(results) }
      }
      case 'read-only': {
        const { token, results, declared } = ballot
        const known = declared === undefined ? {} : { declared }
        return { kind: 'read-only', instance, token, ...this.#fitting(results), ...known }
      }
      case 'refused':
      case 'busy':
        return { ...ballot, instance }
    }
  }

  /** Results, unless they fill a bus of small payloads; without them the vote counts all the same (rule R5). */
  #fitting(results: readonly Payload[] | undefined): { readonly results?: readonly Payload[] } {
    if (results === undefined) return {}
    const bytes = results.reduce((sum, { length }) => sum + length, 0)
    return bytes <= this.#bus.maxPayloadBytes / 2 ? { results } : {}
  }

  #fittingAnswer(answer: LoneAnswer): LoneAnswer {
    if (answer.kind !== 'committed' && answer.kind !== 'read-only') return answer
    const { results, ...rest } = answer
    return { ...rest, ...this.#fitting(results) }
  }

  #answer({ inbox, request }: Asker, message: CallResult | LoneDecided | Failure): void {
    const subject = answerSubject(inbox, { kind: 'participant', participant: this.#sender.participant })
    this.#publish(subject, { request, message })
  }

  #say(id: TransactionId, message: Word): void {
    this.#publish(this.#subjects.vote(groupOf(id), this.#sender.participant), { request: 0, message })
  }

  /** A bus of a small payload loses what is too large for it, as it may lose anything; somebody has to hear of it. */
  #publish(subject: string, packet: Packet): void {
    try {
      this.#bus.publish(subject, encodePacket(packet))
    } catch (error) {
      if (!(error instanceof PayloadTooLargeError)) throw error
      this.#emit({ kind: 'failed', what: `sending ${packet.message.type}`, error })
    }
  }
}
