import {
  type Coordinator,
  type CoordinatorEvent,
  groupIdOf,
  type Manifest,
  makeManifest,
  startCoordinator,
} from '@verdict/coordinator'
import type { ReplicaId, StoreIdentity } from '@verdict/raft'
import { initSimulatedStore, openSimulatedStore } from '@verdict/raft/internal'
import type { SimulatedProcess, SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import { Bank } from './bank.ts'
import { Client, type KeptTransfers, type Plan } from './clients.ts'
import { Losses } from './losses.ts'
import { Operator } from './operator.ts'
import type { Pace } from './pace.ts'

export interface Size {
  readonly replicas: number
  readonly banks: number
  readonly instances: number
  readonly clients: number
  /** Orders of an operator for each second; 0 when there is none. */
  readonly ordersPerSecond: number
}

const bankNames = ['alpha', 'beta', 'gamma', 'delta', 'epsilon'] as const

/** The whole of Verdict in one simulation: a group of replicas, banks with databases and instances, and clients. */
export class System {
  readonly simulation: Simulation
  readonly manifest: Manifest
  readonly replicas: readonly SimulatedProcess[]
  readonly banks: readonly Bank[]
  readonly clients: readonly Client[]
  readonly operator: Operator
  /** Running coordinators by the name of their process. */
  readonly coordinators = new Map<string, Coordinator>()
  /** What stores lost, so far. */
  readonly losses = new Losses()
  readonly #pace: Pace
  readonly #kept: KeptTransfers = new Map()
  readonly #listeners: ((replica: string, event: CoordinatorEvent) => void)[] = []

  constructor(simulation: Simulation, size: Size, plan: Plan, pace: Pace) {
    this.simulation = simulation
    this.#pace = pace
    const names = Array.from({ length: size.replicas }, (_, place) => `n${place + 1}`)
    this.manifest = makeManifest('main', names, simulation.random.fork('manifest'), pace.keptEpochs)
    this.replicas = names.map((name) => simulation.process(name, (world) => this.#coordinate(world)))
    for (const { name, disk } of this.replicas) initSimulatedStore({ disk, ...this.#identity(name) })
    this.banks = bankNames
      .slice(0, size.banks)
      .map((name) => new Bank(simulation, name, size.instances, pace.participant))
    this.clients = Array.from(
      { length: size.clients },
      (_, place) => new Client(simulation, `client-${place + 1}`, this.banks, plan, this.#kept),
    )
    const participants = this.banks.map(({ name }) => name)
    this.operator = new Operator(simulation, groupIdOf(this.manifest), participants, size.ordersPerSecond)
  }

  start(): void {
    for (const process of this.processes()) process.start()
  }

  onEvent(listener: (replica: string, event: CoordinatorEvent) => void): void {
    this.#listeners.push(listener)
  }

  processes(): SimulatedProcess[] {
    return [
      ...this.replicas,
      ...this.banks.flatMap(({ instances }) => instances),
      ...this.clients.map((client) => client.process),
      this.operator.process,
    ]
  }

  bank(name: string): Bank {
    const found = this.banks.find((bank) => bank.name === name)
    if (found === undefined) throw new Error(`There is no bank ${name}.`)
    return found
  }

  /** Starts whatever is dead, and resumes whatever is paused. */
  revive(): void {
    for (const { database } of this.banks) database.restart()
    for (const process of this.processes()) {
      if (!process.running) process.start()
      else if (process.paused) process.resume()
    }
  }

  /** Running replicas, with what each has applied. */
  running(): Coordinator[] {
    return this.replicas.flatMap(({ name, running }) => {
      const coordinator = this.coordinators.get(name)
      return running && coordinator !== undefined ? [coordinator] : []
    })
  }

  async #coordinate(world: SimulatedWorld): Promise<void> {
    const { manifest } = this
    this.coordinators.delete(world.name)
    const store = openSimulatedStore({ disk: world.disk, ...this.#identity(world.name) })
    const replica = world.name as ReplicaId
    const coordinator = await startCoordinator({
      manifest,
      replica,
      store,
      world,
      version: 'simulated',
      settings: this.#pace.coordinator,
      onEvent: (event) => {
        for (const listener of this.#listeners) listener(world.name, event)
      },
    })
    this.coordinators.set(world.name, coordinator)
  }

  #identity(replica: string): StoreIdentity {
    const { manifest } = this
    return { group: groupIdOf(manifest), replica: replica as ReplicaId, members: manifest.replicas }
  }
}
