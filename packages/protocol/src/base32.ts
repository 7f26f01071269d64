const alphabet = 'abcdefghijklmnopqrstuvwxyz234567'

/** Lower-case base32 (RFC 4648 alphabet, no padding): safe in NATS subjects and in names of prepared transactions. */
export function toBase32(bytes: Uint8Array): string {
  let text = ''
  let buffer = 0
  let bits = 0
  for (const byte of bytes) {
    buffer = (buffer << 8) | byte
    bits += 8
    while (bits >= 5) {
      bits -= 5
      text += alphabet.charAt((buffer >>> bits) & 31)
    }
    buffer &= (1 << bits) - 1
  }
  if (bits > 0) text += alphabet.charAt((buffer << (5 - bits)) & 31)
  return text
}

/** Number of base32 characters that `bits` bits take. */
function base32Length(bits: number): number {
  return Math.ceil(bits / 5)
}

const base32Pattern = /^[a-z2-7]*$/

/** Whether `text` is base32 of exactly `bits` bits (rounded up to a whole character). */
export function isBase32(text: string, bits: number): boolean {
  return text.length === base32Length(bits) && base32Pattern.test(text)
}

/** A whole number of `bits` bits as base32 of fixed length. */
export function numberToBase32(value: number, bits: number): string {
  let text = ''
  let rest = value
  for (let place = base32Length(bits); place > 0; place -= 1) {
    text = alphabet.charAt(rest % 32) + text
    rest = Math.floor(rest / 32)
  }
  return text
}

/** Reads what `numberToBase32` wrote. The text must be base32. */
export function base32ToNumber(text: string): number {
  let value = 0
  for (const character of text) value = value * 32 + alphabet.indexOf(character)
  return value
}
