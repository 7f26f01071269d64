import { decodePacket, type Packet } from '@verdict/protocol'

/** What the bus puts before its messages: version and flags; and before each one: its length. */
const frameHeaderBytes = 2
const lengthBytes = 4
const version = 1

/** The messages in one NATS message, by an own reading of the bus's format. @throws Error for what is none. */
export function messagesIn(frame: Uint8Array): Uint8Array[] {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  if (view.getUint8(0) !== version || view.getUint8(1) > 1)
    throw new Error('neither the version nor the flags are known')
  const messages: Uint8Array[] = []
  for (let place = frameHeaderBytes; place < frame.length; ) {
    const end = place + lengthBytes + view.getUint32(place)
    if (end > frame.length) throw new Error('a message ends behind its frame')
    messages.push(frame.subarray(place + lengthBytes, end))
    place = end
  }
  return messages
}

/** The packets in one NATS message; none when it holds anything else, as those between replicas do. */
export function packetsIn(frame: Uint8Array): Packet[] {
  try {
    return messagesIn(frame).map(decodePacket)
  } catch {
    return []
  }
}

/** One NATS message that holds these messages, as a bus sends them that asks for no hints. */
export function frameOf(...messages: readonly Uint8Array[]): Uint8Array {
  const parts = messages.flatMap((message) => {
    const length = Buffer.alloc(lengthBytes)
    length.writeUInt32BE(message.length)
    return [length, message]
  })
  return Buffer.concat([Buffer.from([version, 0]), ...parts])
}
