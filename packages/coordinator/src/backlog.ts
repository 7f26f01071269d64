import type { ParticipantName } from '@verdict/protocol'
import type { LogIndex } from '@verdict/raft'

/** Outcomes that wait for the same participants: the indexes of their records, first come, first served. */
interface Lane {
  readonly waitingFor: readonly ParticipantName[]
  indexes: LogIndex[]
  /** Place of the first one that still waits. */
  first: number
}

/** An outcome that waited, and whom it waits for. */
export interface Waiting {
  readonly index: LogIndex
  readonly waitingFor: readonly ParticipantName[]
}

/** Places of a lane that lie empty before it is packed: packing costs one pass over all. */
const maxEmpty = 4_096

/**
 * What participants have not acknowledged. Each may have a window of outcomes on their way to it; the others wait in the store, and
 * the leader keeps one number of each. So a participant that is down for hours costs a few bytes an outcome, and is sent no more
 * than a window at a time when it is back (rule R6).
 */
export class Backlog {
  private readonly window: number
  private readonly lanes = new Map<string, Lane>()
  private readonly lanesOf = new Map<ParticipantName, Set<Lane>>()
  private readonly onTheirWay = new Map<ParticipantName, number>()
  private readonly waiting = new Map<ParticipantName, number>()
  /** Those with room for one that waits for them. */
  private readonly ready = new Set<ParticipantName>()
  private count = 0

  constructor(window: number) {
    this.window = window
  }

  /** How many outcomes wait in the store. */
  get size(): number {
    return this.count
  }

  /** Whether `take` would give one. */
  get isReady(): boolean {
    return this.ready.size > 0
  }

  /** Whether one more may be on its way to it. */
  hasRoom(participant: ParticipantName): boolean {
    return (this.onTheirWay.get(participant) ?? 0) < this.window
  }

  /** Whether it has more to acknowledge than may be on the way to it. */
  isCrowded(participant: ParticipantName): boolean {
    return (this.onTheirWay.get(participant) ?? 0) + (this.waiting.get(participant) ?? 0) > this.window
  }

  /** An outcome was told for the first time. */
  told(participant: ParticipantName): void {
    this.change(this.onTheirWay, participant, 1)
  }

  /** One that was told is acknowledged, or goes back into the store. */
  untold(participant: ParticipantName): void {
    this.change(this.onTheirWay, participant, -1)
  }

  /** Puts an outcome at the end of the line. */
  add(index: LogIndex, waitingFor: readonly ParticipantName[]): void {
    this.laneOf(waitingFor).indexes.push(index)
    this.count += 1
    for (const participant of waitingFor) this.change(this.waiting, participant, 1)
  }

  /** Takes one out that waits for a participant with room; those with room take turns. */
  take(): Waiting | undefined {
    for (const participant of this.ready) {
      this.ready.delete(participant)
      const taken = this.takeFor(participant)
      this.note(participant)
      return taken
    }
    return undefined
  }

  private takeFor(participant: ParticipantName): Waiting | undefined {
    const lanes = this.lanesOf.get(participant)
    for (const lane of lanes ?? []) {
      const index = lane.indexes[lane.first]
      if (index === undefined) throw new Error('Broken invariant: nothing waits in a lane that was kept.')
      lane.first += 1
      this.count -= 1
      const { waitingFor } = lane
      for (const each of waitingFor) this.change(this.waiting, each, -1)
      this.tidy(lane)
      return { index, waitingFor }
    }
    return undefined
  }

  private laneOf(waitingFor: readonly ParticipantName[]): Lane {
    const key = waitingFor.join(' ')
    const known = this.lanes.get(key)
    if (known !== undefined) return known
    const lane: Lane = { waitingFor, indexes: [], first: 0 }
    this.lanes.set(key, lane)
    for (const participant of waitingFor) {
      const lanes = this.lanesOf.get(participant) ?? new Set()
      this.lanesOf.set(participant, lanes.add(lane))
    }
    return lane
  }

  /** Lanes take turns; an empty one is forgotten. */
  private tidy(lane: Lane): void {
    const isEmpty = lane.first === lane.indexes.length
    if (isEmpty) this.lanes.delete(lane.waitingFor.join(' '))
    for (const participant of lane.waitingFor) {
      const lanes = this.lanesOf.get(participant)
      lanes?.delete(lane)
      if (!isEmpty) lanes?.add(lane)
      else if (lanes?.size === 0) this.lanesOf.delete(participant)
    }
    if (lane.first < maxEmpty || lane.first * 2 < lane.indexes.length) return
    lane.indexes = lane.indexes.slice(lane.first)
    lane.first = 0
  }

  private change(counts: Map<ParticipantName, number>, participant: ParticipantName, by: 1 | -1): void {
    const count = (counts.get(participant) ?? 0) + by
    if (count === 0) counts.delete(participant)
    else counts.set(participant, count)
    this.note(participant)
  }

  private note(participant: ParticipantName): void {
    if (this.waiting.has(participant) && this.hasRoom(participant)) this.ready.add(participant)
    else this.ready.delete(participant)
  }
}
