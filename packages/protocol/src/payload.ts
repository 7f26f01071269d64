import { ProtocolError } from './errors.ts'
import { maxPayloadBytes } from './limits.ts'
import { checkPlain, pack, unpack } from './msgpack.ts'

/** Plain data of the user (arguments, values), encoded once by its author and opaque to everybody in between. */
export type Payload = Uint8Array & { readonly __brand: 'Payload' }

/**
 * Encodes plain data: what JSON knows, and undefined, dates, bigints of 64 bits and bytes.
 * @param what names the data in the error, for example `the arguments of payments.debit`.
 * @throws ProtocolError `bad-payload` for data that cannot be encoded, `payload-too-large` beyond the limit.
 */
export function encodePayload(value: unknown, what: string): Payload {
  let bytes: Uint8Array
  try {
    bytes = pack(value)
    checkPlain(bytes)
  } catch (cause) {
    throw new ProtocolError('bad-payload', `${what} cannot be encoded: expected plain data. ${String(cause)}`, {
      cause,
    })
  }
  if (bytes.length > maxPayloadBytes) {
    throw new ProtocolError(
      'payload-too-large',
      `${what} takes ${bytes.length} bytes, at most ${maxPayloadBytes} travel. Keep large data in a store of its own and pass its key.`,
      { limit: 'maxPayloadBytes' },
    )
  }
  return new Uint8Array(bytes) as Payload
}

/** @throws ProtocolError `bad-payload` when the bytes are not such data. */
export function decodePayload(payload: Payload, what: string): unknown {
  try {
    return unpack(payload)
  } catch (cause) {
    throw new ProtocolError('bad-payload', `${what} cannot be decoded: ${String(cause)}`, { cause })
  }
}
