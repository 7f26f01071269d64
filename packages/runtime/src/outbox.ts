import { frameHeaderBytes, maxMessagesPerFrame, messageHeaderBytes } from './frame.ts'

/** Messages that will travel together. */
export interface Parcel {
  readonly subject: string
  readonly replyTo: string | undefined
  readonly messages: Uint8Array[]
  /** To be called when nobody listened to the parcel; empty when none of its messages asks for that. */
  readonly onNoResponders: (() => void)[]
  /** Size of the frame. */
  bytes: number
}

/** What leaves at the end of the turn: one parcel for each subject and reply subject, or more where one would be too large. */
export class Outbox {
  #parcels: Parcel[] = []
  #open = new Map<string, Parcel>()
  #bytes = 0

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /** Adds a message; the caller has checked that it fits into a frame of `maxFrameBytes` by itself. */
  add(
    subject: string,
    replyTo: string | undefined,
    message: Uint8Array,
    onNoResponders: (() => void) | undefined,
    maxFrameBytes: number,
  ): void {
    const size = messageHeaderBytes + message.length
    const key = replyTo === undefined ? subject : `${subject} ${replyTo}`
    let parcel = this.#open.get(key)
    if (parcel === undefined || parcel.bytes + size > maxFrameBytes || parcel.messages.length === maxMessagesPerFrame) {
      parcel = { subject, replyTo, messages: [], onNoResponders: [], bytes: frameHeaderBytes }
      this.#parcels.push(parcel)
      this.#open.set(key, parcel)
    }
    parcel.messages.push(message)
    parcel.bytes += size
    this.#bytes += size
    if (onNoResponders !== undefined) parcel.onNoResponders.push(onNoResponders)
  }

  /** Removes and returns all parcels, in the order in which they were begun. */
  take(): readonly Parcel[] {
    const parcels = this.#parcels
    this.#parcels = []
    this.#open = new Map()
    this.#bytes = 0
    return parcels
  }
}
