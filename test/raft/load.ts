import { setTimeout as pause } from 'node:timers/promises'
import type { Bus } from '@verdict/runtime'
import { decodeAnswer, type Outcome, proposalHeaderBytes, proposeSubject } from './wire.ts'

/** A proposal without an answer after this is lost, or so late that nobody waits for it: its fate is not known. */
const answerTimeoutMs = 2_000
/** Between a refusal and the next attempt. */
const refusedPauseMs = 5

/** What became of one proposal, and when. */
export interface Answered {
  readonly outcome: Outcome
  readonly result: number
}

/** Proposes different commands to whoever leads, one after another in each of some lanes, and remembers what it was told. */
export class Load {
  /** Commands that were acknowledged. */
  readonly acknowledged = new Set<string>()
  /** All commands that were sent, once each. */
  readonly sent = new Set<string>()
  /** Of the acknowledged, those that the ledger says it applied more than once. */
  readonly appliedAgain = new Set<string>()
  readonly #bus: Bus
  readonly #name: string
  readonly #inbox: string
  readonly #waiting = new Map<number, (answered: Answered) => void>()
  #lanes: readonly Promise<void>[] = []
  #last = 0
  #stopped = false

  constructor(bus: Bus, name: string) {
    this.#bus = bus
    this.#name = name
    this.#inbox = `test.load.${name}.${process.pid}`
    bus.subscribe(this.#inbox, ({ payload }) => {
      const { number, ...answered } = decodeAnswer(payload)
      this.#waiting.get(number)?.(answered)
    })
  }

  /** Goes on proposing, in so many lanes, until `stop`. */
  start(lanes: number): void {
    this.#stopped = false
    this.#lanes = Array.from({ length: lanes }, () => this.#run())
  }

  /** Proposes one command that was never proposed before. */
  async propose(): Promise<Outcome> {
    const number = ++this.#last
    const command = `${this.#name}/${String(number).padStart(9, '0')}`
    const { promise, resolve } = Promise.withResolvers<Answered>()
    this.#waiting.set(number, resolve)
    const timer = setTimeout(resolve, answerTimeoutMs, { outcome: 'uncertain', result: 0 })
    const proposal = Buffer.alloc(proposalHeaderBytes + command.length)
    proposal.writeUInt32BE(number)
    proposal.write(command, proposalHeaderBytes, 'latin1')
    this.sent.add(command)
    this.#bus.publish(proposeSubject, proposal, {
      replyTo: this.#inbox,
      onNoResponders: () => resolve({ outcome: 'refused', result: 0 }),
    })
    const { outcome, result } = await promise
    clearTimeout(timer)
    this.#waiting.delete(number)
    if (outcome === 'committed') this.acknowledged.add(command)
    if (result > 1) this.appliedAgain.add(command)
    return outcome
  }

  /** Resolves when more has been acknowledged than now, by a number. */
  async progress(count: number): Promise<void> {
    const target = this.acknowledged.size + count
    while (this.acknowledged.size < target) await pause(refusedPauseMs)
  }

  /** Ends the lanes, after the answers that they wait for. */
  async stop(): Promise<void> {
    this.#stopped = true
    await Promise.all(this.#lanes)
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      if ((await this.propose()) !== 'committed') await pause(refusedPauseMs)
    }
  }
}
