import { StoreError } from './errors.ts'
import type { ReplicaId } from './message.ts'
import type { LogStore } from './store.ts'

/** Goes with every message: how often the sender was started, and the highest count that it has heard from the receiver. */
export interface Starts {
  readonly own: number
  readonly heard: number
}

/** Others whose starts are remembered: far more than a group has replicas, and whoever may publish can make up names. */
const maxRemembered = 64

/**
 * Finds stores that are older than their promises: each start has a higher number, on disk with whatever is first promised in it, and
 * others remember it. Whoever comes with a lower one runs on a copy of its store from before, and has forgotten votes and entries. Not
 * found so is a copy made during the last start or the one before: it was, or will have been, started as often as others know.
 */
export class PeerStarts {
  private readonly own: number
  private readonly place: ReplicaId
  private readonly heard: Map<ReplicaId, number>
  private readonly refused = new Set<ReplicaId>()
  private hasNews = false

  constructor({ starts, peerStarts }: Pick<LogStore, 'starts' | 'peerStarts'>, id: ReplicaId) {
    this.own = starts
    this.place = id
    this.heard = new Map(peerStarts)
  }

  /** What goes with a message. */
  forPeer(to: ReplicaId): Starts {
    return { own: this.own, heard: this.heard.get(to) ?? 0 }
  }

  /**
   * Whether a message may be heard: not from before its sender's last start, nor from an outdated store.
   * @throws StoreError `outdated` when its sender knows a later start of this replica than this one.
   */
  admits(from: ReplicaId, { own, heard }: Starts): boolean {
    if (heard > this.own) throw outdated(this.place, this.own, from, heard)
    const known = this.heard.get(from) ?? 0
    if (own <= known) return own === known
    if (this.heard.size < maxRemembered || known > 0) {
      this.heard.set(from, own)
      this.hasNews = true
    }
    return true
  }

  /** Whether it is the first message of this replica's that is refused. */
  isFirstRefused(from: ReplicaId): boolean {
    if (this.refused.has(from) || this.refused.size >= maxRemembered) return false
    this.refused.add(from)
    return true
  }

  /** What the next write shall remember, if it is new. */
  takeNews(): ReadonlyMap<ReplicaId, number> | undefined {
    if (!this.hasNews) return undefined
    this.hasNews = false
    return new Map(this.heard)
  }
}

function outdated(id: ReplicaId, own: number, from: ReplicaId, heard: number): StoreError {
  return new StoreError(
    'outdated',
    `The store of ${id} says that this is its start number ${own}; ${from} has heard of number ${heard}: the store is older than ` +
      `its promises, as after a restored backup. Do not start it again: add an empty replica under a new id, and remove ${id}.`,
  )
}
