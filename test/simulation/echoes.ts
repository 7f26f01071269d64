import type { TransactionId } from '@verdict/protocol'
import type { DepartingMessage, SeededRandom, SimulatedProcess } from '@verdict/runtime/simulated'
import type { System } from './system.ts'
import { messageOf } from './told.ts'
import type { Weather } from './weather.ts'

/** Messages that may be heard again: those of the last seconds. */
const maxRemembered = 400

/** What was said, heard again much later; and what was never meant to be said. */
export class Echoes {
  /** Speaks with others' voices: the network has kept, or spoilt, what they once said. */
  readonly #hand: SimulatedProcess
  readonly #random: SeededRandom
  readonly #said: DepartingMessage[] = []
  readonly #replicas: readonly string[]

  constructor(system: System, weather: Weather) {
    const { simulation } = system
    this.#replicas = system.replicas.map(({ name }) => name)
    this.#hand = simulation.process(handName)
    this.#hand.start()
    this.#random = simulation.random.fork('echoes')
    if (weather.echo + weather.nonsense + weather.reopening === 0) return
    simulation.network.observe((message) => {
      if (message.from === handName || message.subject.includes('.raft.')) return
      this.#said.push(message)
      if (this.#said.length > maxRemembered) this.#said.shift()
    })
  }

  echo(): void {
    if (this.#said.length === 0) return
    this.say(this.#random.pick(this.#said))
  }

  /** The first call of one of the transaction's branches, as it was said; undefined when it was long ago. */
  firstCall(id: TransactionId): DepartingMessage | undefined {
    const calls = this.#said.filter((said) => {
      const message = messageOf(said)
      return message?.type === 'call' && message.id === id && message.n === 1
    })
    return calls.length === 0 ? undefined : this.#random.pick(calls)
  }

  /** Bytes are changed or missing, or the whole belongs somewhere else, where its sender may speak too. */
  nonsense(): void {
    if (this.#said.length === 0) return
    const message = this.#random.pick(this.#said)
    const { payload } = message
    const { from, replyTo } = message
    const isReplica = this.#replicas.includes(from)
    if (!isReplica && this.#random.chance(0.3)) {
      // Participants and clients may lie about themselves; replicas fail by crashing only (docs/protocol.md, what is promised).
      const isAlike = (other: DepartingMessage): boolean =>
        other.from === from && (other.replyTo === undefined) === (replyTo === undefined)
      this.say({ ...message, payload: this.#random.pick(this.#said.filter(isAlike)).payload })
    } else if (this.#random.chance(0.5)) {
      this.say({ ...message, payload: payload.slice(0, this.#random.integer(0, payload.length - 1)) })
    } else {
      this.say({ ...message, payload: this.#random.bytes(this.#random.integer(1, 200)) })
    }
  }

  /** Says it again. */
  say({ subject, payload, replyTo }: DepartingMessage): void {
    this.#hand.world.bus.publish(subject, payload.slice(), replyTo === undefined ? {} : { replyTo })
  }
}

/** The process behind echoes: nobody else is held to what it says. */
export const handName = 'hand'
