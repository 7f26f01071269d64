import {
  encodePacket,
  type GroupId,
  groupOf,
  type InboxToken,
  makeToken,
  namespace,
  type Order,
  ownerName,
  type ParticipantName,
  subjects,
  type TransactionId,
} from '@verdict/protocol'
import type { DepartingMessage, SimulatedProcess, SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import { messageOf } from './told.ts'

/** How many transactions back somebody still has an eye on. */
const maxRemembered = 20
const under = subjects(namespace())
const me = ownerName('ops')

/** Somebody who aborts, resolves and retries whatever comes along, for no good reason (rule R16). */
export class Operator {
  readonly process: SimulatedProcess
  /** Orders that were answered, by what was done. */
  readonly done: Record<string, number> = {}
  readonly #group: GroupId
  readonly #participants: readonly string[]
  readonly #seen: TransactionId[] = []
  #stopped = false

  /** `perSecond` is how often it orders something; never, when 0. */
  constructor(simulation: Simulation, group: GroupId, participants: readonly string[], perSecond: number) {
    this.#group = group
    this.#participants = participants
    this.process = simulation.process('operator', (world) => this.#live(world, perSecond))
    if (perSecond > 0) simulation.network.observe((message) => this.#see(message))
  }

  /** Orders nothing any more. */
  stop(): void {
    this.#stopped = true
  }

  /** Says that somebody has dealt with a branch by hand. The order may get lost: whoever calls looks, and calls again. */
  resolve(id: TransactionId, participant: ParticipantName): void {
    const { world } = this.process
    const order = { kind: 'resolve', participant, by: 'bob', because: 'the store lost it' } as const
    this.#order(world, id, order, under.inbox(me, makeToken<InboxToken>(world.random.bytes(12))))
  }

  async #live(world: SimulatedWorld, perSecond: number): Promise<void> {
    if (perSecond === 0) return
    const { bus, clock, random } = world
    const token = makeToken<InboxToken>(random.bytes(12))
    const inbox = under.inbox(me, token)
    bus.subscribe(under.answers(me, token), (answer) => {
      const message = messageOf(answer)
      if (message?.type === 'operated') this.done[message.done] = (this.done[message.done] ?? 0) + 1
    })
    while (!this.#stopped) {
      await new Promise<void>((resolve) => clock.after((random.fraction() * 2_000) / perSecond, resolve))
      if (this.#seen.length === 0 || this.#stopped) continue
      this.#order(world, this.#pick(world, this.#seen), this.#drawOrder(world), inbox)
    }
  }

  #order({ bus }: SimulatedWorld, id: TransactionId, order: Order, replyTo: string): void {
    const message = { type: 'operate', id, order } as const
    bus.publish(under.operate(this.#group, me), encodePacket({ request: 1, message }), { replyTo })
  }

  #drawOrder(world: SimulatedWorld): Order {
    const chance = world.random.fraction()
    const signed = { by: 'alice', because: 'it looked wrong' }
    if (chance < 0.4) return { kind: 'abort', ...signed }
    if (chance < 0.8) {
      return { kind: 'resolve', participant: this.#pick(world, this.#participants) as ParticipantName, ...signed }
    }
    return { kind: 'retry' }
  }

  #pick<T>({ random }: SimulatedWorld, from: readonly T[]): T {
    return from[Math.floor(random.fraction() * from.length)] as T
  }

  #see(departing: DepartingMessage): void {
    const message = messageOf(departing)
    if (message?.type !== 'call' && message?.type !== 'commit') return
    if (groupOf(message.id) !== this.#group || this.#seen.includes(message.id)) return
    this.#seen.push(message.id)
    if (this.#seen.length > maxRemembered) this.#seen.shift()
  }
}
