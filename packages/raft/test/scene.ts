import { type SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import {
  type LogStore,
  type RaftEvent,
  type RaftSettings,
  type Replica,
  type ReplicaId,
  type StateMachine,
  startReplica,
} from '../src/index.ts'
import { initSimulatedStore, openSimulatedStore } from '../src/simulated-store.ts'

/** Echoes each command, keeps it under its text, and chokes on `poison`. It cannot read a space in which `later` was applied. */
export const machine: StateMachine<string> = {
  check(space) {
    if (space.get('command/later') !== undefined) throw new Error('a later release wrote it')
  },
  apply(space, _index, command) {
    const text = Buffer.from(command).toString()
    if (text === 'poison') throw new Error('poison')
    space.put(`command/${text}`, command)
    return text
  },
}

/** A group in a calm simulation, with hooks for what a test wants to go wrong. */
export class Scene {
  readonly simulation = new Simulation({ seed: 7 })
  readonly replicas = new Map<string, Replica<string>>()
  readonly events: (RaftEvent & { readonly on: string })[] = []
  readonly members: readonly ReplicaId[]
  readonly #settings: Partial<RaftSettings>
  readonly #wrap: (store: LogStore) => LogStore

  constructor(size: number, settings: Partial<RaftSettings> = {}, wrap = (store: LogStore): LogStore => store) {
    this.members = Array.from({ length: size }, (_, place) => `n${place + 1}` as ReplicaId)
    this.#settings = settings
    this.#wrap = wrap
    for (const id of this.members) this.#begin(id, this.members)
  }

  /** Starts a replica whose store is empty: it waits for somebody to add it. */
  join(id: string): void {
    this.#begin(id as ReplicaId, [])
  }

  #begin(id: ReplicaId, members: readonly ReplicaId[]): void {
    const process = this.simulation.process(id, (world) => this.#live(id, members, world))
    initSimulatedStore({ disk: process.disk, group: 'g', replica: id, members })
    process.start()
  }

  async #live(id: ReplicaId, members: readonly ReplicaId[], world: SimulatedWorld): Promise<void> {
    const replica = await startReplica({
      id,
      store: this.#wrap(openSimulatedStore({ disk: world.disk, group: 'g', replica: id, members })),
      machine,
      world,
      settings: this.#settings,
      subject: (from, to) => `raft.${from}.${to}`,
      onEvent: (event) => this.events.push({ ...event, on: id }),
    })
    this.replicas.set(id, replica)
  }

  async until(condition: () => boolean, withinMs = 3_000): Promise<void> {
    await this.simulation.runUntil(condition, { withinMs })
  }

  /** Whoever is ready to serve, once somebody is, beside the one named. */
  async leader(besides?: string): Promise<{ readonly id: string; readonly replica: Replica<string> }> {
    const ready = (): string | undefined =>
      this.events.findLast(({ kind, on }) => kind === 'becameLeader' && on !== besides)?.on
    await this.until(() => ready() !== undefined)
    const id = ready() ?? ''
    return { id, replica: this.replicas.get(id) as Replica<string> }
  }

  /** What became of promises, once all of them ended. */
  async outcomes(promises: readonly Promise<unknown>[]): Promise<readonly unknown[]> {
    let ended = 0
    const all = promises.map((promise) =>
      promise.then(
        (value) => {
          ended++
          return value
        },
        (error: unknown) => {
          ended++
          return error
        },
      ),
    )
    await this.until(() => ended === promises.length)
    return Promise.all(all)
  }
}

export function command(text: string): Uint8Array {
  return Buffer.from(text)
}
