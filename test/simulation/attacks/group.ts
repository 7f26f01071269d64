import {
  type Coordinator,
  type CoordinatorOptions,
  groupIdOf,
  type Manifest,
  makeManifest,
  startCoordinator,
} from '@verdict/coordinator'
import type { Release } from '@verdict/coordinator/internal'
import type { DecisionRecord, GroupId, TransactionId } from '@verdict/protocol'
import type { RaftSettings, ReplicaId, StoreIdentity } from '@verdict/raft'
import { initSimulatedStore, openSimulatedStore } from '@verdict/raft/internal'
import type { SimulatedProcess, SimulatedWorld, Simulation } from '@verdict/runtime/simulated'

/** So slow a clock does not notice within a script that a majority has fallen silent. */
const slowClock = 0.01

/** How long a group keeps what is settled: as long as groups do, unless said. */
export interface Retention {
  readonly keptEpochs: number
  readonly epochMs: number
}

/** Three replicas that a script may kill, part from one another, and look into. */
export class Group {
  readonly manifest: Manifest
  readonly replicas: readonly SimulatedProcess[]
  /** The release that a replica of this name runs from its next start on, where it is not this one. */
  readonly releases = new Map<string, Release>()
  /** Why a replica of this name has stopped by itself, or has not started. */
  readonly failures = new Map<string, Error>()
  /** From the next start of each on. */
  raft: Partial<RaftSettings> = {}
  readonly #simulation: Simulation
  readonly #retention: Retention | undefined
  readonly #coordinators = new Map<string, Coordinator>()
  /** Those that lead, as each believes, with their terms. */
  readonly #leading = new Map<string, number>()

  /** `prefix` begins the names of the replicas' processes. */
  constructor(simulation: Simulation, name: string, prefix: string, retention?: Retention) {
    this.#simulation = simulation
    this.#retention = retention
    const names = [1, 2, 3].map((number) => `${prefix}${number}`)
    const random = simulation.random.fork(`manifest of ${prefix}`)
    this.manifest = makeManifest(name, names, random, retention?.keptEpochs)
    this.replicas = names.map((replica) => simulation.process(replica, (world) => this.#coordinate(world)))
    for (const { name: replica, disk } of this.replicas) initSimulatedStore({ disk, ...this.#identity(replica) })
  }

  get id(): GroupId {
    return groupIdOf(this.manifest)
  }

  /** Running replicas that have started. */
  running(): Coordinator[] {
    return this.replicas.flatMap(({ name, running }) => {
      const coordinator = this.#coordinators.get(name)
      return running && coordinator !== undefined ? [coordinator] : []
    })
  }

  /** The newest one that leads and hears the group's subjects, if there is one. */
  findLeader(): SimulatedProcess | undefined {
    return this.replicas
      .filter(({ name, running }) => running && this.#leading.has(name))
      .toSorted((one, other) => this.#term(other) - this.#term(one))[0]
  }

  get leader(): SimulatedProcess {
    const leader = this.findLeader()
    if (leader === undefined) throw new Error('The group has no leader just now.')
    return leader
  }

  status(replica: SimulatedProcess = this.leader): ReturnType<Coordinator['status']> {
    const coordinator = this.#coordinators.get(replica.name)
    if (coordinator === undefined) throw new Error(`${replica.name} has not started.`)
    return coordinator.status()
  }

  /** What is recorded, as the leader has applied it; no running replica may have anything else. */
  record(id: TransactionId): DecisionRecord | undefined {
    const recorded = this.running().flatMap((coordinator) => coordinator.record(id) ?? [])
    const outcomes = new Set(recorded.map(({ outcome, digest }) => `${outcome} ${digest}`))
    if (outcomes.size > 1) throw new Error(`Replicas have different records of ${id}.`)
    const leader = this.findLeader()
    return (leader && this.#coordinators.get(leader.name)?.record(id)) ?? recorded[0]
  }

  /**
   * Parts the leader from the other replicas, not from anybody else. Its clock goes so slowly that it leads on, as it believes.
   * Returns it.
   */
  isolateLeader(): SimulatedProcess {
    const { leader } = this
    leader.setClockRate(slowClock)
    const others = this.replicas.filter((replica) => replica !== leader)
    this.#simulation.network.partition(
      [leader.name],
      others.map(({ name }) => name),
    )
    return leader
  }

  /** The replicas are together again, with the right time. */
  heal(): void {
    this.#simulation.network.heal()
    for (const replica of this.replicas) replica.setClockRate(1)
  }

  /** Kills the leader. Returns it. */
  crashLeader(): SimulatedProcess {
    const { leader } = this
    leader.crash()
    return leader
  }

  async #coordinate(world: SimulatedWorld): Promise<void> {
    this.#coordinators.delete(world.name)
    this.#leading.delete(world.name)
    this.failures.delete(world.name)
    const store = openSimulatedStore({ disk: world.disk, ...this.#identity(world.name) })
    const replica = world.name as ReplicaId
    const { manifest } = this
    const options: CoordinatorOptions = {
      manifest,
      replica,
      store,
      world,
      version: 'simulated',
      ...(this.#retention && { settings: { epochMs: this.#retention.epochMs } }),
      raft: this.raft,
      onEvent: (event) => {
        if (event.kind === 'leading') this.#leading.set(world.name, event.term)
        if (event.kind === 'steppedDown') this.#leading.delete(world.name)
        if (event.kind === 'raft' && event.event.kind === 'failed') this.failures.set(world.name, event.event.error)
      },
    }
    await startCoordinator(options, this.releases.get(world.name)).then(
      (coordinator) => this.#coordinators.set(world.name, coordinator),
      (error: Error) => this.failures.set(world.name, error),
    )
  }

  #term({ name }: SimulatedProcess): number {
    return this.#leading.get(name) ?? 0
  }

  #identity(replica: string): StoreIdentity {
    return { group: this.id, replica: replica as ReplicaId, members: this.manifest.replicas }
  }
}
