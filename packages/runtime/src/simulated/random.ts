import type { Random } from '../random.ts'

/**
 * Randomness that one seed decides: the generator sfc32 of Chris Doty-Humphrey (PractRand), started by a hash of the seed and
 * a name. Never for secrets.
 */
export class SeededRandom implements Random {
  readonly #name: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: number, name = '') {
    this.#name = `${seed}${name}`
    this.#a = hashText(this.#name, 0x9e3779b9)
    this.#b = hashText(this.#name, 0x243f6a88)
    this.#c = hashText(this.#name, 0xb7e15162)
    for (let round = 0; round < 12; round++) this.#next()
  }

  /**
   * A generator of its own for `name`. It depends on the seed and the names alone, not on what was drawn before, so that one
   * role's draws never move another's.
   */
  fork(name: string): SeededRandom {
    return new SeededRandom(0, `${this.#name}/${name}`)
  }

  fraction(): number {
    return this.#next() / 0x1_0000_0000
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 0xff)
  }

  /** A whole number, drawn evenly from `from` to `to`, both included. */
  integer(from: number, to: number): number {
    return from + Math.floor(this.fraction() * (to - from + 1))
  }

  /** A number drawn evenly from [from, to). */
  between(from: number, to: number): number {
    return from + this.fraction() * (to - from)
  }

  /** True in `probability` of all cases. Draws nothing when that is never. */
  chance(probability: number): boolean {
    return probability > 0 && this.fraction() < probability
  }

  /** One of the choices. @throws RangeError when there is none. */
  pick<Choice>(choices: readonly Choice[]): Choice {
    if (choices.length === 0) throw new RangeError('Nothing to pick from: expected at least one choice.')
    return choices[this.integer(0, choices.length - 1)] as Choice
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }
}

/** FNV-1a with a starting value of the caller's, and a last mix so that texts that differ at the end differ everywhere. */
function hashText(text: string, start: number): number {
  let hash = start
  for (let place = 0; place < text.length; place++) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
