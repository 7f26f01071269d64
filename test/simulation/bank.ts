import {
  defineParticipant,
  operation,
  type ParticipantEvent,
  type ParticipantSettings,
  refuse,
} from '@verdict/participant'
import type { SimulatedProcess, SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import { SimulatedDatabase, type SimulatedSession, simulatedResource } from '@verdict/testing'
import { z } from 'zod'
import { mortal } from './mortal.ts'

/** Accounts of each bank, and what each holds at first: few and little, so that transactions meet and are refused. */
export const accounts = ['a1', 'a2', 'a3', 'a4'] as const
export const openingBalance = 100

const move = operation({
  input: z.object({ account: z.string(), amount: z.number() }),
  async run({ account, amount }, { table }: SimulatedSession) {
    const balance = await table.get(account)
    if (Number(balance) + amount < 0) throw refuse('insufficient-funds', `${account} has ${balance}.`)
    return await table.add(account, amount, { min: 0 })
  },
})

/** Moves half of what `rich` has more than `poor`; only reads when it has not. */
const level = operation({
  input: z.object({ rich: z.string(), poor: z.string() }),
  async run({ rich, poor }, { table }: SimulatedSession) {
    const moved = Math.floor((Number(await table.get(rich)) - Number(await table.get(poor))) / 2)
    if (moved <= 0) return 0
    await table.add(rich, -moved, { min: 0 })
    await table.add(poor, moved)
    return moved
  },
})

/** As `read`, and declared so: of a one-shot of these nothing is kept. */
const sum = operation({
  input: z.object({}),
  readOnly: true,
  async run(_input, { table }: SimulatedSession) {
    let total = 0
    for (const account of accounts) total += Number(await table.get(account))
    return total
  },
})

const read = operation({
  input: z.object({}),
  async run(_input, { table }: SimulatedSession) {
    let total = 0
    for (const account of accounts) total += Number(await table.get(account))
    return total
  },
})

/** What happens at an instance, to whoever watches. */
type EventListener = (instance: SimulatedProcess, event: ParticipantEvent) => void

function defineBank(name: string, resource: ReturnType<typeof simulatedResource>) {
  return defineParticipant({ name, resource, operations: { move, level, read, sum } })
}

export type BankContract = ReturnType<typeof defineBank>

/** One participant of the simulation: a database, and several instances that share it. */
export class Bank {
  readonly name: string
  readonly database: SimulatedDatabase
  readonly instances: readonly SimulatedProcess[]
  /** Decides whether an instance dies at a step of its store. */
  diesAtStore: () => boolean = () => false
  readonly #settings: Partial<ParticipantSettings>
  readonly #listeners: EventListener[] = []

  constructor(simulation: Simulation, name: string, instanceCount: number, settings: Partial<ParticipantSettings>) {
    this.name = name
    this.#settings = settings
    // The database has a clock and chance of its own, and outlives every instance.
    const machine = simulation.process(`database-${name}`)
    machine.start()
    const { clock, random } = machine.world
    const values = Object.fromEntries(accounts.map((account) => [account, openingBalance]))
    this.database = new SimulatedDatabase({ clock, random, values })
    this.instances = Array.from({ length: instanceCount }, (_, place) =>
      simulation.process(`${name}-${place + 1}`, (world) => this.#serve(world)),
    )
  }

  /** Kills an instance: its process is gone, and its connections break. */
  crash(instance: SimulatedProcess): void {
    instance.crash()
    this.database.disconnect(instance.name)
  }

  onEvent(listener: EventListener): void {
    this.#listeners.push(listener)
  }

  total(): number {
    return accounts.reduce((sum, account) => sum + Number(this.database.value(account)), 0)
  }

  async #serve(world: SimulatedWorld): Promise<void> {
    const instance = this.instances.find(({ name }) => name === world.name)
    if (instance === undefined) throw new Error(`${world.name} is no instance of ${this.name}.`)
    const store = simulatedResource(this.database, { clock: world.clock, instance: world.name })
    const resource = mortal(store, async () => {
      if (instance.incarnation !== world.incarnation || !this.diesAtStore()) return
      this.crash(instance)
      await new Promise<never>(() => {})
    })
    const onEvent = (event: ParticipantEvent): void => {
      for (const listener of this.#listeners) listener(instance, event)
    }
    // A database that is down when an instance starts is tried again, as whoever supervises a process would.
    for (;;) {
      try {
        await defineBank(this.name, resource).serve({ world, settings: this.#settings, onEvent })
        return
      } catch {
        await new Promise<void>((resolve) => world.clock.after(100, resolve))
      }
    }
  }
}
