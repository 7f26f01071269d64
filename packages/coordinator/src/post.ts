import {
  type Announce,
  type Answer,
  answerSubject,
  type Control,
  encodePacket,
  type GroupId,
  type InstanceId,
  type Message,
  type ParticipantName,
  type Subjects,
} from '@verdict/protocol'
import type { ReplicaId } from '@verdict/raft'
import { type Bus, PayloadTooLargeError, type PublishOptions } from '@verdict/runtime'

/** Where one request is to be answered. */
export interface Asker {
  /** The asker's own inbox, checked to be its own. */
  readonly inbox: string
  readonly request: number
}

export interface PostPorts {
  readonly bus: Bus
  readonly subjects: Subjects
  readonly group: GroupId
  readonly replica: ReplicaId
  /** Told of a message that the bus cannot carry. */
  readonly tooLarge: (subject: string, why: string) => void
}

/** How one replica speaks. Nothing it says asks for an answer; answers of participants come as votes. Never throws. */
export class Post {
  private readonly ports: PostPorts

  constructor(ports: PostPorts) {
    this.ports = ports
  }

  /** Answers with the first of these messages that the bus can carry; name the fullest one first. */
  answer({ inbox, request }: Asker, ...messages: readonly Answer[]): void {
    const subject = answerSubject(inbox, { kind: 'replica', group: this.ports.group, replica: this.ports.replica })
    if (messages.some((message) => this.publish(subject, request, message))) return
    const message = 'The answer is larger than a message of the bus may be. Ask for less, or raise max_payload of NATS.'
    this.publish(subject, request, { type: 'failure', code: 'payload-too-large', message })
  }

  /** Tells one instance of a participant, or any of them. */
  tell(
    participant: ParticipantName,
    instance: InstanceId | undefined,
    message: Exclude<Control, Announce>,
    onNoResponders?: () => void,
  ): void {
    const { subjects, group } = this.ports
    const subject =
      instance === undefined
        ? subjects.control(group, participant)
        : subjects.controlInstance(group, participant, instance)
    // The reply subject serves the bus alone: it is where the hint that nobody listens comes back.
    const options = onNoResponders && { replyTo: subjects.vote(group, participant), onNoResponders }
    this.publish(subject, 0, message, options)
  }

  announce(message: Announce): void {
    this.publish(this.ports.subjects.news(this.ports.group), 0, message)
  }

  private publish(subject: string, request: number, message: Message, options?: PublishOptions): boolean {
    try {
      this.ports.bus.publish(subject, encodePacket({ request, message }), options)
      return true
    } catch (error) {
      if (!(error instanceof PayloadTooLargeError)) throw error
      this.ports.tooLarge(subject, error.message)
      return false
    }
  }
}
