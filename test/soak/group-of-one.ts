import { statSync } from 'node:fs'
import { join } from 'node:path'
import { groupIdOf, type Manifest, makeManifest } from '@verdict/coordinator'
import { type Applied, type Command, decisions, encodeCommand } from '@verdict/coordinator/internal'
import {
  initLmdbStore,
  openLmdbStore,
  type RaftSettings,
  type Replica,
  type ReplicaId,
  startReplica,
} from '@verdict/raft'
import { type Bus, systemClock, systemRandom } from '@verdict/runtime'

const replicaId = 'n1' as ReplicaId

/** A group of one replica, with a real log and a real store, which is fed by hand: nobody else speaks. */
export class GroupOfOne implements AsyncDisposable {
  readonly manifest: Manifest
  readonly #folder: string
  readonly #replica: Replica<Applied>
  /** The clock's timers keep no process alive, and nobody else is there to. */
  readonly #alive: NodeJS.Timeout

  private constructor(manifest: Manifest, folder: string, replica: Replica<Applied>, alive: NodeJS.Timeout) {
    this.manifest = manifest
    this.#folder = folder
    this.#replica = replica
    this.#alive = alive
  }

  /** Makes it anew in an empty folder, and resolves once it leads itself. */
  static async start(folder: string, settings: Partial<RaftSettings> = {}): Promise<GroupOfOne> {
    const alive = setInterval(() => undefined, 60_000)
    const manifest = makeManifest('main', [replicaId], systemRandom)
    const identity = { path: folder, group: groupIdOf(manifest), replica: replicaId, members: manifest.replicas }
    await initLmdbStore(identity)
    const elected = Promise.withResolvers<void>()
    const replica = await startReplica<Applied>({
      id: replicaId,
      store: await openLmdbStore(identity),
      machine: decisions,
      world: { clock: systemClock, random: systemRandom, bus: silentBus },
      subject: (from, to) => `raft.${from}.${to}`,
      settings,
      onEvent: (event) => {
        if (event.kind === 'becameLeader') elected.resolve()
        if (event.kind === 'failed') elected.reject(event.error)
      },
    })
    await elected.promise
    return new GroupOfOne(manifest, folder, replica, alive)
  }

  get space(): Replica<Applied>['space'] {
    return this.#replica.space
  }

  /** Resolves with what the log made of it, once it is on disk. */
  propose(command: Command): Promise<Applied> {
    return this.#replica.propose(encodeCommand(command))
  }

  /** Bytes of the file that holds log and records. */
  fileBytes(): number {
    return statSync(join(this.#folder, 'data.mdb')).size
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#replica.stop()
    clearInterval(this.#alive)
  }
}

const silentBus: Bus = {
  maxPayloadBytes: 1024 * 1024,
  publish: () => undefined,
  subscribe: () => ({ unsubscribe: () => undefined }),
  flush: () => Promise.resolve(),
  close: () => Promise.resolve(),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}
