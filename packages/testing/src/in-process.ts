import { type Coordinator, groupIdOf, makeManifest, startCoordinator } from '@verdict/coordinator'
import type { ReplicaId } from '@verdict/raft'
import { systemClock, systemRandom, type World } from '@verdict/runtime'
import { MemoryBus } from './memory-bus.ts'
import { memoryStore } from './memory-store.ts'

export interface InProcessOptions {
  /** Name of the coordinator group. Default `main`, as for `connect`. */
  readonly group?: string
  /** First token of all subjects. Default `verdict`, as for `serve` and `connect`. */
  readonly namespace?: string
}

/** A running Verdict in this process. Disposing of it stops it, as `stop` does. */
export interface InProcess extends AsyncDisposable {
  /** To be given to `participant.serve({ world })` and to `connect({ world, owner })`. */
  readonly world: World
  readonly coordinator: Coordinator
  /** Stops the coordinator and closes the bus. Stop participants and clients first. Idempotent. */
  stop(): Promise<void>
}

// One replica is its own majority: nobody has to be waited for before it leads.
const raft = { heartbeatMs: 5, electionTimeoutMinMs: 10, electionTimeoutMaxMs: 20 }

/**
 * Starts Verdict in this process within some milliseconds: one coordinator, a bus in memory, no servers, nothing on disk. For
 * unit tests of services; the protocol is the real one.
 *
 * ```ts
 * await using verdict = await startInProcess()
 * await using payments = await definePayments(memoryResource()).serve({ world: verdict.world })
 * await using client = await connect({ world: verdict.world, owner: 'checkout' })
 * ```
 */
export async function startInProcess(options: InProcessOptions = {}): Promise<InProcess> {
  const world: World = { clock: systemClock, random: systemRandom, bus: new MemoryBus() }
  const replica = 'only' as ReplicaId
  const manifest = makeManifest(options.group ?? 'main', [replica], systemRandom)
  const coordinator = await startCoordinator({
    manifest,
    replica,
    store: memoryStore({ group: groupIdOf(manifest), replica, members: [replica] }),
    world,
    version: 'in-process',
    raft,
    ...(options.namespace !== undefined && { namespace: options.namespace }),
  })
  const stop = async (): Promise<void> => {
    await coordinator.stop()
    await world.bus.close()
  }
  return { world, coordinator, stop, [Symbol.asyncDispose]: stop }
}
