import type { Message } from './message.ts'

/** A message with the number under which its sender expects an answer; 0 when it expects none. */
export interface Packet {
  readonly request: number
  readonly message: Message
}

export declare function encodePacket(packet: Packet): Uint8Array
export declare function decodePacket(bytes: Uint8Array): Packet
