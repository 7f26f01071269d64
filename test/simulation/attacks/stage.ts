import type { Outcome, TransactionId } from '@verdict/protocol'
import { type DepartingMessage, type SimulatedProcess, Simulation } from '@verdict/runtime/simulated'
import { describePayload } from '../describe-payload.ts'
import { statementsOf } from '../told.ts'
import { Client } from './client.ts'
import { Group, type Retention } from './group.ts'
import { Service, type ServiceOptions } from './service.ts'
import { Wire } from './wire.ts'

/** Longer than any pause between retries, any budget and any lock. */
const longestMs = 120_000

/** A point at which something of the script's own waits until the script goes on. */
export interface Gate {
  readonly passed: Promise<void>
  readonly open: () => void
}

export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>()
  return { passed: promise, open: resolve }
}

export interface Cast {
  /** Decides what the script leaves to chance. */
  readonly seed?: number
  /** How long the group keeps what is settled. */
  readonly retention?: Retention
  /** Names of services, with what is special about each. */
  readonly services?: Readonly<Record<string, ServiceOptions>>
}

/**
 * A group of three replicas, services and a client, in a simulation where nothing goes wrong unless a script says so. Whatever
 * is told during the script must be one outcome for each transaction, and effects only follow a commit.
 */
export class Stage {
  readonly simulation: Simulation
  readonly wire: Wire
  readonly group: Group
  readonly client: Client
  readonly #services = new Map<string, Service>()
  readonly #told = new Map<TransactionId, Outcome>()
  /** What was found while a role was at work: thrown there, the role would take it for trouble of its own, and go on. */
  #failure: unknown
  readonly #lone = new Set<TransactionId>()

  private constructor({ seed = 1, services = { alpha: {}, beta: {} }, retention }: Cast) {
    this.simulation = new Simulation({ seed, trace: { describe: describePayload } })
    this.wire = new Wire(this.simulation)
    this.group = new Group(this.simulation, 'main', 'n', retention)
    for (const [name, options] of Object.entries(services)) {
      const shared = options.shares === undefined ? undefined : this.service(options.shares).database
      this.#services.set(name, new Service(this.simulation, name, options, shared))
    }
    this.client = new Client(this.simulation, 'client', 'teller')
    this.simulation.network.observe((message) => {
      try {
        this.#listen(message)
      } catch (error) {
        this.#failure ??= error
      }
    })
    this.simulation.afterEachStep(() => {
      this.#noteLone()
      if (this.#failure !== undefined) throw this.#failure
    })
  }

  /** Starts all, and returns once a client is connected and every instance serves. */
  static async set(cast: Cast = {}): Promise<Stage> {
    const stage = new Stage(cast)
    for (const replica of stage.group.replicas) replica.start()
    for (const { instances } of stage.#services.values()) for (const instance of instances) instance.start()
    stage.client.process.start()
    await stage.until(
      () => stage.client.connected && stage.#all().every(({ serving, instances }) => serving.size === instances.length),
    )
    return stage
  }

  service(name: string): Service {
    const found = this.#services.get(name)
    if (found === undefined) throw new Error(`There is no service ${name}.`)
    return found
  }

  get alpha(): Service {
    return this.service('alpha')
  }

  get beta(): Service {
    return this.service('beta')
  }

  /** Another client, of the same owner unless another is named. */
  async anotherClient(name: string, owner = 'teller'): Promise<Client> {
    const client = new Client(this.simulation, name, owner)
    client.process.start()
    await this.until(() => client.connected)
    return client
  }

  /** Lets things happen until the condition holds. */
  async until(condition: () => boolean, withinMs: number = longestMs): Promise<void> {
    await this.simulation.runUntil(condition, { withinMs })
  }

  /** Lets things happen for a while. */
  async pass(ms: number): Promise<void> {
    await this.simulation.run({ untilMs: this.simulation.nowMs + ms })
  }

  /** A new leader leads, that is not this one. */
  async newLeader(old: SimulatedProcess): Promise<SimulatedProcess> {
    await this.until(() => this.group.findLeader() !== undefined && this.group.leader !== old)
    return this.group.leader
  }

  /** Starts whatever is dead, ends all partitions, and waits until nothing is open, prepared, locked or unsettled any more. */
  async rest(): Promise<void> {
    this.group.heal()
    for (const { database, instances } of this.#all()) {
      database.restart()
      for (const instance of instances) if (!instance.running) instance.start()
    }
    for (const replica of this.group.replicas) if (!replica.running) replica.start()
    await this.until(() => this.leftovers().length === 0)
    this.#checkEffects()
  }

  /** What is still open, prepared, locked, unsettled or under way. */
  leftovers(): string[] {
    return [
      ...this.#all().flatMap(({ name, database }) => [
        ...database.prepared().map((prepared) => `${name} holds ${prepared.name.id} prepared`),
        ...database.locks().map(({ key }) => `${name} keeps a lock on ${key}`),
      ]),
      ...this.group.running().flatMap((coordinator) => {
        const { replica, unsettled, underway } = coordinator.status()
        return unsettled + underway > 0 ? [`${replica} has ${unsettled} unsettled and ${underway} under way`] : []
      }),
      ...(this.group.running().length < this.group.replicas.length ? ['a replica is down'] : []),
    ]
  }

  /** How much each service has under a key. */
  balances(key = 'a'): Record<string, number> {
    return Object.fromEntries(this.#all().map((service) => [service.name, service.balance(key)]))
  }

  /** The outcome that was told of a transaction, by whoever told it. */
  told(id: TransactionId): Outcome | undefined {
    return this.#told.get(id)
  }

  #all(): Service[] {
    return [...this.#services.values()]
  }

  #listen(message: DepartingMessage): void {
    if (message.from === 'hand') return
    for (const { id, outcome, by } of statementsOf(message)) {
      if (by !== 'group') this.#checkAcknowledged(message.from, id, outcome)
      const before = this.#told.get(id) ?? outcome
      if (before !== outcome) throw new Error(`${message.from} tells ${outcome} of ${id}; ${before} was told before.`)
      this.#told.set(id, outcome)
    }
  }

  /** What is acknowledged, or told of a lone transaction, stands in a row (rules R9, R13). */
  #checkAcknowledged(from: string, id: TransactionId, outcome: Outcome): void {
    const service = this.#all().find(({ instances }) => instances.some(({ name }) => name === from))
    const row = service?.database.rows().find((found) => found.id === id && found.participant === service.name)
    // The floor is as good as a tombstone.
    if (row === undefined && outcome === 'aborted' && service?.isBelowFloor(id) === true) return
    if (row?.state !== outcome) throw new Error(`${from} says ${outcome} of ${id}; its row says ${row?.state}.`)
  }

  /** Whether a participant has decided it by a row of its own, which may be forgotten since. */
  #isLone(id: TransactionId): boolean {
    return this.#lone.has(id)
  }

  #noteLone(): void {
    for (const { database } of this.#all())
      for (const { id, mode } of database.rows()) if (mode === 'lone') this.#lone.add(id)
  }

  /** At rest each branch has its effects once when committed was told, and none otherwise; money is neither made nor lost. */
  #checkEffects(): void {
    for (const { name, database } of this.#all()) {
      const seen = new Set<TransactionId>()
      for (const { name: branch } of database.effects()) {
        if (branch.participant !== name) continue
        if (seen.has(branch.id)) throw new Error(`${name} applied ${branch.id} twice.`)
        // A lone one is committed as soon as its row is there, whether or not anybody could be told.
        const told = this.#told.get(branch.id) ?? (this.#isLone(branch.id) ? 'committed' : undefined)
        if (told !== 'committed') throw new Error(`${name} applied ${branch.id}, which is not committed.`)
        seen.add(branch.id)
      }
    }
    for (const [id, outcome] of this.#told) {
      const record = this.group.record(id)
      if (record !== undefined && this.#isLone(id)) throw new Error(`${id} is lone, and recorded by the group.`)
      if (record !== undefined && record.outcome !== outcome)
        throw new Error(`${outcome} was told of ${id}, ${record.outcome} is recorded.`)
      for (const { participant, vote } of record?.branches ?? []) {
        const { database } = this.service(participant)
        const applied = database.effects().some(({ name }) => name.id === id && name.participant === participant)
        const expected = outcome === 'committed' && vote === 'prepared'
        if (applied !== expected)
          throw new Error(`${participant} has ${applied ? '' : 'not '}applied ${id}, which is ${outcome}.`)
      }
    }
  }
}
