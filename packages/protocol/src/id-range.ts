import { base32ToNumber, numberToBase32 } from './base32.ts'
import { type Epoch, epochBits, type TransactionId } from './id.ts'
import type { GroupId } from './name.ts'

/** The ids between two texts, neither of them included, in the order of their bytes: what an ordered index finds at once. */
export interface IdRange {
  readonly after: string
  readonly before: string
}

const letters = 26

/**
 * All ids of a group with an epoch up to and including this one, as ranges that an index of ids finds, older ones roughly first; with
 * `after`, those of them that come behind that id. Epochs are written in base32, whose numerals (26 to 31) stand before its letters
 * (0 to 25) in the order of bytes: so they are not one range but, for each digit, the letters below it and the numerals below it.
 */
export function idsUpTo(group: GroupId, epoch: Epoch, after?: TransactionId): readonly IdRange[] {
  const text = numberToBase32(epoch, epochBits)
  const ranges = text
    .split('')
    .flatMap((digit, place) => below(`${group}_${text.slice(0, place)}`, base32ToNumber(digit)))
  ranges.push({ after: `${group}_${text}_`, before: `${group}_${text}${next('_')}` })
  if (after === undefined) return ranges
  const place = ranges.findIndex((range) => range.after < after && after < range.before)
  if (place === -1) return ranges
  return ranges.slice(place).map((range, position) => (position === 0 ? { ...range, after } : range))
}

/** What goes on after `prefix` with a digit below this value. */
function below(prefix: string, value: number): readonly IdRange[] {
  const ranges: IdRange[] = []
  if (value > 0) ranges.push({ after: `${prefix}a`, before: prefix + next(digitOf(Math.min(value, letters) - 1)) })
  if (value > letters) ranges.push({ after: `${prefix}2`, before: prefix + next(digitOf(value - 1)) })
  return ranges
}

function digitOf(value: number): string {
  return numberToBase32(value, 5)
}

/** The character that comes right behind this one. */
function next(character: string): string {
  return String.fromCharCode(character.charCodeAt(0) + 1)
}
