import type { Bus, BusMessage, Clock, Timer } from '@verdict/runtime'
import type { Disk, SimulatedDisk } from '@verdict/runtime/simulated'
import { type RaftEvent, type RaftSettings, type Replica, type ReplicaId, startReplica } from '../src/index.ts'
import { initSimulatedStore, openSimulatedStore } from '../src/simulated-store.ts'
import { machine } from './scene.ts'

/** Turns of the event loop in which something that a test waits for comes about, time standing still. */
const maxTurns = 100
/** Replicas take a jump of the clock for a sleep of their own: time passes in steps of a tick. */
const stepMs = 25
/** Time that passes until an election is over, at most. */
const electionMs = 3_000

/** Time that moves when the test says so. */
class ManualClock implements Clock {
  private time = 0
  private timers: { readonly atMs: number; readonly callback: () => void }[] = []

  nowMs(): number {
    return this.time
  }

  wallMs(): number {
    return this.time
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.time + delayMs, callback }
    this.timers.push(timer)
    return {
      cancel: () => {
        this.timers = this.timers.filter((other) => other !== timer)
      },
    }
  }

  pass(ms: number): void {
    this.time += ms
    const due = this.timers.filter(({ atMs }) => atMs <= this.time)
    this.timers = this.timers.filter(({ atMs }) => atMs > this.time)
    for (const { callback } of due) callback()
  }
}

/** A write that waits for the test. */
export interface Held {
  readonly end: (error?: Error) => void
}

/** A disk in memory, which is as fast as the test says. */
class HeldDisk implements Disk, Pick<SimulatedDisk, 'name' | 'snapshot' | 'restore'> {
  readonly name = 'memory'
  /** While it is set, writes end when the test says so. */
  held: Held[] | undefined
  private contents: ReadonlyMap<string, Uint8Array> = new Map()

  get(key: string): Uint8Array | undefined {
    return this.contents.get(key)
  }

  list(prefix = ''): readonly (readonly [key: string, value: Uint8Array])[] {
    const found = [...this.contents].filter(([key]) => key.startsWith(prefix))
    return found.toSorted(([one], [other]) => (one < other ? -1 : 1))
  }

  async commit(changes: ReadonlyMap<string, Uint8Array | undefined>): Promise<void> {
    const { held } = this
    if (held !== undefined) {
      await new Promise<void>((resolve, reject) => {
        held.push({ end: (error) => (error === undefined ? resolve() : reject(error)) })
      })
    }
    const contents = new Map(this.contents)
    for (const [key, value] of changes) {
      if (value === undefined) contents.delete(key)
      else contents.set(key, value)
    }
    this.contents = contents
  }

  snapshot(): ReadonlyMap<string, Uint8Array> {
    return this.contents
  }

  restore(contents: ReadonlyMap<string, Uint8Array>): void {
    this.contents = contents
  }
}

/** A group in this process: real promises and turns of the event loop, and a clock, disks and a bus that the test holds. */
export class Group {
  readonly clock = new ManualClock()
  readonly disks = new Map<string, HeldDisk>()
  readonly replicas = new Map<string, Replica<string>>()
  readonly events: (RaftEvent & { readonly on: string })[] = []
  readonly members: readonly ReplicaId[]
  /** Replicas that hear nobody and are heard by nobody. */
  readonly cut = new Set<string>()
  private readonly handlers = new Map<string, (message: BusMessage) => void>()

  private constructor(size: number) {
    this.members = Array.from({ length: size }, (_, place) => `n${place + 1}` as ReplicaId)
  }

  static async start(size: number, settings: Partial<RaftSettings> = {}): Promise<Group> {
    const group = new Group(size)
    for (const [place, id] of group.members.entries()) {
      const disk = new HeldDisk()
      const identity = { group: 'g', replica: id, members: group.members }
      initSimulatedStore({ ...identity, disk })
      group.disks.set(id, disk)
      const replica = await startReplica({
        id,
        store: openSimulatedStore({ ...identity, disk }),
        machine,
        world: {
          clock: group.clock,
          random: { bytes: (length) => new Uint8Array(length), fraction: () => place / size },
          bus: group.bus(),
        },
        settings,
        subject: (from, to) => `raft.${from}.${to}`,
        onEvent: (event) => group.events.push({ ...event, on: id }),
      })
      group.replicas.set(id, replica)
    }
    return group
  }

  /** Whoever is ready to serve, once somebody is, beside the one named. */
  async leader(besides?: string): Promise<{ id: ReplicaId; replica: Replica<string>; disk: HeldDisk }> {
    const ready = (): string | undefined =>
      this.events.findLast(({ kind, on }) => kind === 'becameLeader' && on !== besides)?.on
    for (let passedMs = 0; passedMs < electionMs && ready() === undefined; passedMs += stepMs) await this.pass(stepMs)
    const id = ready() as ReplicaId
    const [replica, disk] = [this.replicas.get(id), this.disks.get(id)]
    if (replica === undefined || disk === undefined) throw new Error('No replica was elected.')
    await this.settled()
    return { id, replica, disk }
  }

  async pass(ms: number): Promise<void> {
    for (let passedMs = 0; passedMs < ms; passedMs += stepMs) {
      this.clock.pass(Math.min(stepMs, ms - passedMs))
      await this.settled()
    }
  }

  /** What can happen without the passing of time has happened. */
  async settled(): Promise<void> {
    for (let turn = 0; turn < maxTurns; turn += 1) await new Promise((resolve) => setImmediate(resolve))
  }

  async stop(): Promise<void> {
    const stopped = [...this.replicas.values()].map((replica) => replica.stop())
    this.clock.pass(electionMs)
    await Promise.all(stopped)
  }

  /** The bus as a replica sees it: it subscribes to everything that ends in its own id. */
  private bus(): Bus {
    return {
      maxPayloadBytes: 1024 * 1024,
      publish: (subject, payload) => {
        const [, from = '', to = ''] = subject.split('.')
        if (this.cut.has(from) || this.cut.has(to)) return
        setImmediate(() => this.handlers.get(to)?.({ subject, payload, replyTo: undefined }))
      },
      subscribe: (subject, handler) => {
        const to = subject.split('.').at(-1) ?? ''
        this.handlers.set(to, handler)
        return { unsubscribe: () => this.handlers.delete(to) }
      },
      flush: () => Promise.resolve(),
      close: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }
  }
}

/** What became of promises, errors as values. */
export function outcomes(...promises: readonly Promise<unknown>[]): Promise<unknown[]> {
  return Promise.all(promises.map((promise) => promise.catch((error: unknown) => error)))
}
