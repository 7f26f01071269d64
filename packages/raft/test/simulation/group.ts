import { type SimulatedProcess, type SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import { NotLeaderError, OverloadedError } from '../../src/errors.ts'
import type { LogIndex, ReplicaId } from '../../src/message.ts'
import { RunningReplica } from '../../src/running-replica.ts'
import type { RaftSettings } from '../../src/settings.ts'
import { initSimulatedStore, openSimulatedStore } from '../../src/simulated-store.ts'
import type { StateMachine } from '../../src/state-machine.ts'
import { Invariants } from './invariants.ts'

/** How long a run goes wrong, and how long it may take afterwards until a proposal passes. */
const faultsMs = 6_000
const recoveryMs = 10_000

/** Small bounds, so that all of them are reached. */
const settings: Partial<RaftSettings> = {
  maxEntriesPerAppend: 4,
  maxUncommittedEntries: 24,
  entriesInMemory: 8,
  applyFlushMs: 100,
}

export const faults = ['crash', 'powerCut', 'pause', 'partition', 'cutOneWay', 'clockRate', 'slowDisk'] as const

/** What became of the proposals, and which faults struck: a run in which nothing happens proves nothing. */
export interface History {
  readonly acknowledged: Map<string, LogIndex>
  readonly refused: Set<string>
  readonly faults: Map<string, number>
  reads: number
}

/** A group of replicas that proposes, asks and suffers. */
export class Group {
  readonly simulation: Simulation
  readonly invariants: Invariants
  readonly history: History = { acknowledged: new Map(), refused: new Set(), faults: new Map(), reads: 0 }
  readonly #members: readonly ReplicaId[]
  readonly #processes = new Map<ReplicaId, SimulatedProcess>()
  readonly #replicas = new Map<ReplicaId, RunningReplica<string>>()
  #failure: Error | undefined
  #proposed = 0

  constructor(seed: number, size: number) {
    this.simulation = new Simulation({ seed })
    this.#members = Array.from({ length: size }, (_, place) => `n${place + 1}` as ReplicaId)
    for (const id of this.#members) {
      const process = this.simulation.process(id, (world) => this.#live(id, world))
      initSimulatedStore({ disk: process.disk, group: 'g', replica: id, members: this.#members })
      this.#processes.set(id, process)
    }
    this.invariants = new Invariants(new Map([...this.#processes].map(([id, { disk }]) => [id, disk])))
    this.simulation.network.observe((message) => this.invariants.depart(message))
    this.simulation.afterEachStep(() => this.#check())
  }

  /** One whole history: faults for a while, then peace, and everything that was acknowledged is everywhere. */
  async run(): Promise<void> {
    for (const process of this.#processes.values()) process.start()
    const { random, network } = this.simulation
    network.set({
      lossProbability: random.pick([0, 0, 0.02, 0.1]),
      duplicateProbability: random.pick([0, 0.02, 0.1]),
      reorderProbability: random.pick([0, 0.02, 0.2]),
      maxDelayMs: random.pick([1, 5, 40]),
    })
    this.#every(2, 20, () => this.#propose())
    this.#every(10, 60, () => this.#ask())
    this.#every(20, 500, () => this.#harm())
    await this.simulation.run({ untilMs: faultsMs })
    await this.#recover()
  }

  #live(id: ReplicaId, world: SimulatedWorld): void {
    const store = openSimulatedStore({ disk: world.disk, group: 'g', replica: id, members: this.#members })
    const machine: StateMachine<string> = {
      apply: (space, index, command) => {
        this.invariants.apply(id, index, command)
        const text = Buffer.from(command).toString()
        const before = space.get('digest')
        const applied = Number(Buffer.from(before ?? '0').toString()) + 1
        space.put('digest', Buffer.from(String(applied)))
        space.put(`command/${text}`, command)
        if (applied % 3 === 0) space.delete(`command/${text}`)
        return `${index}`
      },
    }
    const replica = new RunningReplica<string>({
      id,
      store,
      machine,
      world,
      settings,
      subject: (from, to) => `raft.${from}.${to}`,
      onEvent: (event) => {
        if (event.kind === 'failed') this.#failure = event.error
      },
    })
    this.#replicas.set(id, replica)
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure
    for (const [id, replica] of this.#running()) this.invariants.look(id, replica.state)
  }

  #running(): readonly (readonly [ReplicaId, RunningReplica<string>])[] {
    return [...this.#replicas].filter(([id]) => this.#processes.get(id)?.running === true)
  }

  #every(minMs: number, maxMs: number, action: () => void): void {
    const { simulation } = this
    simulation.plan(simulation.random.between(minMs, maxMs), () => {
      if (simulation.nowMs >= faultsMs) return
      action()
      this.#every(minMs, maxMs, action)
    })
  }

  /** Whoever thinks that it leads is asked, and sometimes somebody else. */
  #somebody(): RunningReplica<string> | undefined {
    const running = this.#running().map(([, replica]) => replica)
    const leading = running.filter(({ state }) => state.role.kind === 'leader')
    const { random } = this.simulation
    const choices = leading.length > 0 && !random.chance(0.1) ? leading : running
    return choices.length === 0 ? undefined : random.pick(choices)
  }

  #propose(): void {
    const replica = this.#somebody()
    if (replica === undefined) return
    const count = this.simulation.random.pick([1, 1, 1, 3, 30])
    for (let one = 0; one < count; one++) {
      const command = `c${++this.#proposed}`
      replica.propose(Buffer.from(command)).then(
        (index) => this.#acknowledge(command, Number(index)),
        (error: unknown) => {
          if (error instanceof NotLeaderError || error instanceof OverloadedError) this.history.refused.add(command)
        },
      )
    }
  }

  #acknowledge(command: string, index: number): void {
    const applied = this.invariants.appliedAt(index)
    if (applied !== command) this.#failure ??= new Error(`${command} is acknowledged at ${index}, there is ${applied}`)
    this.history.acknowledged.set(command, index as LogIndex)
  }

  /** A leader that is confirmed has applied everything that anybody was told before the question. */
  #ask(): void {
    const replica = this.#somebody()
    if (replica === undefined) return
    const told = Math.max(0, ...this.history.acknowledged.values())
    replica.confirmLeadership().then(
      () => {
        this.history.reads++
        const { appliedIndex } = replica.status()
        if (appliedIndex < told)
          this.#failure ??= new Error(`A read at ${appliedIndex} misses what was told at ${told}`)
      },
      () => {},
    )
  }

  /** What is broken is mended about as often as something breaks, else the group would be dead most of the time. */
  #harm(): void {
    const { random } = this.simulation
    const id = random.pick(this.#members)
    const process = this.#processes.get(id)
    if (process === undefined) return
    if (!process.running) process.start()
    else if (process.paused) process.resume()
    else if (random.chance(0.4)) this.#mend(process)
    else this.#break(id, process)
  }

  #mend(process: SimulatedProcess): void {
    this.simulation.network.heal()
    process.disk.conditions.maxFlushMs = 0.5
  }

  #break(id: ReplicaId, process: SimulatedProcess): void {
    const { random, network } = this.simulation
    const others = this.#members.filter((member) => member !== id)
    const fault = random.pick(faults)
    this.history.faults.set(fault, (this.history.faults.get(fault) ?? 0) + 1)
    switch (fault) {
      case 'crash':
        process.crash()
        break
      case 'powerCut':
        process.powerCut()
        break
      case 'pause':
        process.pause()
        break
      case 'partition':
        network.partition([id], others)
        break
      case 'cutOneWay':
        network.cutOneWay(id, random.pick(others))
        break
      case 'clockRate':
        process.setClockRate(random.between(0.7, 1.4))
        break
      case 'slowDisk':
        process.disk.conditions.maxFlushMs = random.pick([30, 300])
    }
  }

  async #recover(): Promise<void> {
    const { simulation } = this
    simulation.network.heal()
    simulation.network.set({ lossProbability: 0, duplicateProbability: 0, reorderProbability: 0, maxDelayMs: 1 })
    for (const process of this.#processes.values()) {
      process.disk.conditions.maxFlushMs = 1
      if (!process.running) process.start()
      else if (process.paused) process.resume()
    }
    await simulation.run({ untilMs: simulation.nowMs })
    this.#repropose('last')
    const isOver = (): boolean => this.history.acknowledged.has('last') && this.#isLevel()
    await simulation.runUntil(isOver, { withinMs: recoveryMs })
    this.#settle()
  }

  /** Proposes until it is acknowledged: leaders may change under it. */
  #repropose(command: string): void {
    if (this.history.acknowledged.has(command)) return
    for (const [, replica] of this.#running()) {
      if (replica.state.role.kind !== 'leader') continue
      replica.propose(Buffer.from(command)).then(
        (index) => this.#acknowledge(command, Number(index)),
        () => {},
      )
      this.simulation.plan(2_000, () => this.#repropose(command))
      return
    }
    this.simulation.plan(100, () => this.#repropose(command))
  }

  #isLevel(): boolean {
    const indexes = this.#members.map((id) => this.#replicas.get(id)?.status().appliedIndex)
    return new Set(indexes).size === 1
  }

  #settle(): void {
    const history = this.invariants.history()
    const applied = new Set(history)
    for (const command of this.history.acknowledged.keys()) {
      if (!applied.has(command)) throw new Error(`${command} was acknowledged and is lost`)
    }
    for (const command of this.history.refused) {
      if (applied.has(command)) throw new Error(`${command} was refused and is applied`)
    }
    const spaces = this.#members.map((id) => {
      const space = this.#replicas.get(id)?.space
      return JSON.stringify([space?.list('', 10_000).map(([key, value]) => [key, Buffer.from(value).toString()])])
    })
    if (new Set(spaces).size !== 1) throw new Error('The replicas hold different spaces')
  }
}
