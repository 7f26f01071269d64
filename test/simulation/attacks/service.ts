import { defineParticipant, operation, type ParticipantSettings, refuse, type Serving } from '@verdict/participant'
import { groupOf, type InstanceId, parseId, participantName, type TransactionId } from '@verdict/protocol'
import type { SimulatedProcess, SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import { SimulatedDatabase, type SimulatedSession, simulatedResource } from '@verdict/testing'
import { z } from 'zod'

/** What each service starts with under each of its keys. */
const openingBalance = 100
const keys = ['a', 'b', 'c', 'd']

export interface ServiceOptions {
  /** Processes that serve it: one unless said. */
  readonly instances?: number
  /** Name of a service before it in the cast, whose database it shares. */
  readonly shares?: string
  /** Branches that one instance may have open or prepared at a time. */
  readonly capacity?: number
  readonly settings?: Partial<ParticipantSettings>
}

/** A participant on its own database, with instances that a script may kill. */
export class Service {
  readonly name: string
  readonly database: SimulatedDatabase
  readonly instances: readonly SimulatedProcess[]
  /** What is served, by the name of the process. */
  readonly serving = new Map<string, Serving>()
  /** Operations that were executed, by the name of the process and of the operation. */
  readonly executed: string[] = []
  readonly #options: ServiceOptions
  readonly #refused = new Set<TransactionId>()

  /** `database` is another service's, to be shared. */
  constructor(simulation: Simulation, name: string, options: ServiceOptions, database?: SimulatedDatabase) {
    this.name = name
    this.#options = options
    this.database = database ?? newDatabase(simulation, name)
    this.instances = Array.from({ length: options.instances ?? 1 }, (_, place) =>
      simulation.process(`${name}-${place + 1}`, (world) => this.#serve(world)),
    )
  }

  /** An instance: the first one unless another is named. */
  instance(number = 1): SimulatedProcess {
    const found = this.instances[number - 1]
    if (found === undefined) throw new Error(`${this.name} has ${this.instances.length} instances, not ${number}.`)
    return found
  }

  /** The name that an instance goes by in messages. */
  instanceId(number = 1): InstanceId {
    const { name } = this.instance(number)
    const serving = this.serving.get(name)
    if (serving === undefined) throw new Error(`${name} does not serve yet.`)
    return serving.instance as InstanceId
  }

  /** Kills an instance: its connections break. */
  crash(number = 1): void {
    const { name } = this.instance(number)
    this.instance(number).crash()
    this.serving.delete(name)
    this.database.disconnect(name)
  }

  restart(number = 1): void {
    this.crash(number)
    this.instance(number).start()
  }

  /** The database refuses for good to end what is prepared of this id. */
  refuseToEnd(id: TransactionId): void {
    this.#refused.add(id)
  }

  /** Everybody's view of a key: its committed value. */
  balance(key = 'a'): number {
    return Number(this.database.value(key))
  }

  /** Whether rows of this id may be deleted. */
  isBelowFloor(id: TransactionId): boolean {
    return parseId(id).epoch <= (this.database.floors(participantName(this.name)).get(groupOf(id)) ?? 0)
  }

  async #serve(world: SimulatedWorld): Promise<void> {
    const { capacity, settings } = this.#options
    const { clock, name } = world
    for (;;) {
      const resource = simulatedResource(this.database, {
        clock,
        instance: name,
        ...(capacity === undefined ? {} : { capacity }),
      })
      const finish = resource.finish.bind(resource)
      resource.finish = async (branch, ending) => {
        const isHeld = this.database.prepared().some(({ name: held }) => held.id === branch.id)
        if (isHeld && this.#refused.has(branch.id)) throw new Error('the tablespace is read-only')
        return finish(branch, ending)
      }
      try {
        const participant = defineService(this.name, resource, (what) => this.executed.push(`${name} ${what}`))
        this.serving.set(name, await participant.serve({ world, ...(settings && { settings }) }))
        return
      } catch {
        // The database is down: whoever supervises the process starts it again.
        await new Promise<void>((resolve) => clock.after(100, resolve))
      }
    }
  }
}

function defineService(
  name: string,
  resource: ReturnType<typeof simulatedResource>,
  note: (operation: string) => void,
) {
  const operations = {
    add: operation({
      input: z.object({ key: z.string(), amount: z.number() }),
      async run({ key, amount }, { table }: SimulatedSession) {
        note('add')
        return await table.add(key, amount, { min: 0 })
      },
    }),
    read: operation({
      input: z.object({ key: z.string() }),
      async run({ key }, { table }: SimulatedSession) {
        note('read')
        return Number(await table.get(key))
      },
    }),
    /** Writes only when there is less than `below`. */
    topUp: operation({
      input: z.object({ key: z.string(), below: z.number(), amount: z.number() }),
      async run({ key, below, amount }, { table }: SimulatedSession) {
        note('topUp')
        const balance = Number(await table.get(key))
        return balance < below ? await table.add(key, amount) : balance
      },
    }),
    /** As `read`, and declared so. */
    glance: operation({
      input: z.object({ key: z.string() }),
      readOnly: true,
      async run({ key }, { table }: SimulatedSession) {
        note('glance')
        return Number(await table.get(key))
      },
    }),
    /** Writes, and is declared not to. */
    lie: operation({
      input: z.object({ key: z.string(), amount: z.number() }),
      readOnly: true,
      async run({ key, amount }, { table }: SimulatedSession) {
        note('lie')
        return await table.add(key, amount)
      },
    }),
    refuseAll: operation({
      input: z.object({}),
      run(_input, _context: SimulatedSession): number {
        throw refuse('not-today', 'The service does not want to.')
      },
    }),
  }
  return defineParticipant({ name, resource, operations })
}

/** What clients know of a service. */
export type ServiceContract = ReturnType<typeof defineService>

function newDatabase(simulation: Simulation, service: string): SimulatedDatabase {
  // A database has a clock and chance of its own, and outlives every instance.
  const machine = simulation.process(`database-${service}`)
  machine.start()
  const { clock, random } = machine.world
  return new SimulatedDatabase({ clock, random, values: Object.fromEntries(keys.map((key) => [key, openingBalance])) })
}
