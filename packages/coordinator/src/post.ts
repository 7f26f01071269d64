import {
  type Announce,
  type Answer,
  answerSubject,
  type Control,
  encodePacket,
  type GroupId,
  type InstanceId,
  type ParticipantName,
  type Subjects,
} from '@verdict/protocol'
import type { ReplicaId } from '@verdict/raft'
import type { Bus } from '@verdict/runtime'

/** Where one request is to be answered. */
export interface Asker {
  /** The asker's own inbox, checked to be its own. */
  readonly inbox: string
  readonly request: number
}

/** How one replica speaks. Nothing it says asks for an answer; answers of participants come as votes. */
export class Post {
  private readonly bus: Bus
  private readonly subjects: Subjects
  private readonly group: GroupId
  private readonly replica: ReplicaId

  constructor(bus: Bus, subjects: Subjects, group: GroupId, replica: ReplicaId) {
    this.bus = bus
    this.subjects = subjects
    this.group = group
    this.replica = replica
  }

  answer({ inbox, request }: Asker, message: Answer): void {
    const subject = answerSubject(inbox, { kind: 'replica', group: this.group, replica: this.replica })
    this.bus.publish(subject, encodePacket({ request, message }))
  }

  /** Tells one instance of a participant, or any of them. */
  tell(
    participant: ParticipantName,
    instance: InstanceId | undefined,
    message: Exclude<Control, Announce>,
    onNoResponders?: () => void,
  ): void {
    const { subjects, group } = this
    const subject =
      instance === undefined
        ? subjects.control(group, participant)
        : subjects.controlInstance(group, participant, instance)
    const packet = encodePacket({ request: 0, message })
    // The reply subject serves the bus alone: it is where the hint that nobody listens comes back.
    if (onNoResponders === undefined) this.bus.publish(subject, packet)
    else this.bus.publish(subject, packet, { replyTo: subjects.vote(group, participant), onNoResponders })
  }

  announce(message: Announce): void {
    this.bus.publish(this.subjects.news(this.group), encodePacket({ request: 0, message }))
  }
}
