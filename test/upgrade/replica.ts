import { type Applied, type Command, decisions, encodeCommand } from '@verdict/coordinator/internal'
import { openLmdbStore, type Replica, startReplica } from '@verdict/raft'
import { systemClock, systemRandom } from '@verdict/runtime'
import { MemoryBus } from '../../packages/testing/src/memory-bus.ts'
import { replica as id } from './samples.ts'

/** A group of one on its store, with its decisions, and nobody around it. */
export class LoneReplica implements AsyncDisposable {
  readonly #replica: Replica<Applied>
  readonly #bus: MemoryBus

  private constructor(replica: Replica<Applied>, bus: MemoryBus) {
    this.#replica = replica
    this.#bus = bus
  }

  /** Returns once it leads. */
  static async start(path: string, group: string, retainedEntries: number): Promise<LoneReplica> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const bus = new MemoryBus()
    const replica = await startReplica({
      id,
      store: await openLmdbStore({ path, group, replica: id, members: [id] }),
      machine: decisions,
      world: { clock: systemClock, random: systemRandom, bus },
      subject: (from, to) => `raft.${from}.${to}`,
      settings: { retainedEntries },
      onEvent: (event) => {
        if (event.kind === 'becameLeader') resolve()
        if (event.kind === 'failed') reject(event.error)
      },
    })
    await promise
    return new LoneReplica(replica, bus)
  }

  get space(): Replica<Applied>['space'] {
    return this.#replica.space
  }

  propose(command: Command): Promise<Applied> {
    return this.#replica.propose(encodeCommand(command))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#replica.stop()
    await this.#bus.close()
  }
}
