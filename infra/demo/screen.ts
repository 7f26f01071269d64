import { styleText } from 'node:util'
import type { Ledger } from './ledger.ts'

const frameMs = 200
const lineEveryMs = 2_000 // without a terminal, a line now and then instead of a moving one

/** Writes what happens, with one live line at the end where there is a terminal. */
export class Screen {
  readonly #live = process.stdout.isTTY
  #timer: NodeJS.Timeout | undefined
  #line = ''

  /** A heading. */
  title(text: string): void {
    this.#write(`\n${styleText('bold', text)}`)
  }

  say(text: string): void {
    this.#write(`  ${text}`)
  }

  good(text: string): void {
    this.#write(`  ${styleText('green', '✓')} ${text}`)
  }

  bad(text: string): void {
    this.#write(`  ${styleText('red', '✗')} ${text}`)
  }

  /** Shows how the orders stand until `stopFollowing`. */
  follow(ledger: Ledger, total: number): void {
    const draw = (): void => {
      const line = describe(ledger, total)
      if (line === this.#line) return
      this.#line = line
      if (this.#live) process.stdout.write(`\r\u001b[K  ${this.#line}`)
      else process.stdout.write(`  ${this.#line}\n`)
    }
    this.#timer = setInterval(draw, this.#live ? frameMs : lineEveryMs)
  }

  stopFollowing(): void {
    clearInterval(this.#timer)
    if (this.#timer !== undefined && this.#live) process.stdout.write('\r\u001b[K')
    this.#timer = undefined
    this.#line = ''
  }

  #write(text: string): void {
    const moving = this.#live && this.#line !== ''
    process.stdout.write(moving ? `\r\u001b[K${text}\n  ${this.#line}` : `${text}\n`)
  }
}

function describe({ committed, refused, inFlight, inDoubt }: Ledger, total: number): string {
  return `${committed + refused} of ${total} orders: ${committed} committed, ${refused} refused, ${inFlight} in flight, ${inDoubt} in doubt`
}
