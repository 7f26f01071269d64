/**
 * What one NATS message holds: a version, flags, then for each of our messages its length (32 bits, big-endian) and its bytes.
 */
export interface Frame {
  /** The reply subject ends with a counter that the sending bus put there; receivers strip it. */
  readonly countedReply: boolean
  readonly messages: readonly Uint8Array[]
}

/** Bytes before the first message. */
export const frameHeaderBytes = 2

/** Bytes before each message. */
export const messageHeaderBytes = 4

/** Messages in one frame: empty ones cost the receiver more memory than bytes on the wire. */
export const maxMessagesPerFrame = 4096

const version = 1
const countedReplyFlag = 1

export function encodeFrame({ messages, countedReply }: Frame): Uint8Array {
  const size = messages.reduce((bytes, message) => bytes + messageHeaderBytes + message.length, frameHeaderBytes)
  const frame = Buffer.allocUnsafe(size)
  frame[0] = version
  frame[1] = countedReply ? countedReplyFlag : 0
  let place = frameHeaderBytes
  for (const message of messages) {
    place = frame.writeUInt32BE(message.length, place)
    frame.set(message, place)
    place += message.length
  }
  return frame
}

/** Reads a frame; its messages are views of the bytes. Undefined for whatever is none, or comes from a later version. */
export function decodeFrame(bytes: Uint8Array): Frame | undefined {
  const flags = bytes[1]
  if (bytes[0] !== version || flags === undefined || flags > countedReplyFlag) return undefined
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const messages: Uint8Array[] = []
  let place = frameHeaderBytes
  while (place < bytes.length) {
    const begin = place + messageHeaderBytes
    if (begin > bytes.length || messages.length === maxMessagesPerFrame) return undefined
    const end = begin + view.getUint32(place)
    if (end > bytes.length) return undefined
    messages.push(bytes.subarray(begin, end))
    place = end
  }
  return messages.length === 0 ? undefined : { countedReply: flags === countedReplyFlag, messages }
}
