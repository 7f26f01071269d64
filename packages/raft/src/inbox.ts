import type { Event } from './event.ts'
import type { Message, ReplicaId } from './message.ts'
import type { RaftSettings } from './settings.ts'

/**
 * What waits for the next turn of the core. Others' messages only up to a bound: what comes beyond it is lost, as it may be on the way,
 * so that neither memory nor the length of a turn grows with what others send.
 */
export class Inbox {
  /** Messages lost for want of room, since the start. */
  lost = 0
  private readonly settings: Pick<RaftSettings, 'maxMessagesPerTurn' | 'maxMessageBytesPerTurn'>
  private events: Event[] = []
  private messages = 0
  private bytes = 0

  constructor(settings: Inbox['settings']) {
    this.settings = settings
  }

  add(event: Event): void {
    this.events.push(event)
  }

  hasRoom(): boolean {
    const { maxMessagesPerTurn, maxMessageBytesPerTurn } = this.settings
    return this.messages < maxMessagesPerTurn && this.bytes < maxMessageBytesPerTurn
  }

  addMessage(from: ReplicaId, message: Message, bytes: number): void {
    this.messages++
    this.bytes += bytes
    this.events.push({ kind: 'received', from, message })
  }

  /** Everything that gathered, in its order. */
  take(): readonly Event[] {
    const { events } = this
    this.events = []
    this.messages = 0
    this.bytes = 0
    return events
  }
}
