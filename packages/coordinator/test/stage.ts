import {
  type Answer,
  type Decision,
  decodePacket,
  encodePacket,
  type Message,
  namespace,
  type Order,
  type OwnerName,
  type ParticipantName,
  subjects,
  type TransactionId,
} from '@verdict/protocol'
import type { LogIndex, Replica, ReplicaId } from '@verdict/raft'
import {
  type Bus,
  type BusMessage,
  type Clock,
  PayloadTooLargeError,
  type PublishOptions,
  type Subscription,
  type Timer,
  type World,
} from '@verdict/runtime'
import { type Command, decodeCommand, encodeCommand } from '../src/command.ts'
import { type Applied, decisions } from '../src/decisions.ts'
import type { CoordinatorEvent } from '../src/event.ts'
import { Leader } from '../src/leader.ts'
import { defaultKeptEpochs } from '../src/manifest.ts'
import { CoordinatorMetering } from '../src/metering.ts'
import { Post } from '../src/post.ts'
import { thisRelease } from '../src/release.ts'
import { type CoordinatorSettings, defaultSettings } from '../src/settings.ts'
import { MemorySpace } from './memory-space.ts'
import { group, inboxToken, owner } from './samples.ts'

const verdict = namespace()
export const on: ReturnType<typeof subjects> = subjects(verdict)
export const replicaId: ReplicaId = 'r1' as ReplicaId

/** Time that moves when the test says so. */
export class ManualClock implements Clock {
  private time = 1_000
  private timers: { readonly atMs: number; readonly callback: () => void }[] = []

  nowMs(): number {
    return this.time
  }

  wallMs(): number {
    return 1_700_000_000_000.5 + this.time
  }

  after(delayMs: number, callback: () => void): Timer {
    const timer = { atMs: this.time + delayMs, callback }
    this.timers.push(timer)
    return {
      cancel: () => this.timers.splice(0, this.timers.length, ...this.timers.filter((other) => other !== timer)),
    }
  }

  get pending(): number {
    return this.timers.length
  }

  /** Lets time pass, with every timer on its way; promises settle in between. */
  async pass(ms: number): Promise<void> {
    const untilMs = this.time + ms
    for (;;) {
      const [next] = this.timers.toSorted((a, b) => a.atMs - b.atMs)
      if (next === undefined || next.atMs > untilMs) break
      this.timers = this.timers.filter((other) => other !== next)
      this.time = Math.max(this.time, next.atMs)
      next.callback()
      await settled()
    }
    this.time = untilMs
  }
}

/** Every promise that could settle has settled. */
export function settled(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

export interface Sent {
  readonly subject: string
  readonly request: number
  readonly message: Message
  readonly options: PublishOptions | undefined
}

/** A bus whose only other end is the test. */
export class TestBus implements Bus {
  maxPayloadBytes = 1024 * 1024
  /** What was published, read back as a receiver would read it. */
  readonly sent: Sent[] = []
  private readonly handlers = new Map<string, Set<(message: BusMessage) => void>>()

  publish(subject: string, payload: Uint8Array, options?: PublishOptions): void {
    if (payload.length > this.maxPayloadBytes)
      throw new PayloadTooLargeError(subject, payload.length, this.maxPayloadBytes)
    this.sent.push({ subject, ...decodePacket(payload), options })
  }

  subscribe(subject: string, handler: (message: BusMessage) => void): Subscription {
    const handlers = this.handlers.get(subject) ?? new Set()
    this.handlers.set(subject, handlers.add(handler))
    return { unsubscribe: () => handlers.delete(handler) }
  }

  /** Brings a message to whoever subscribed, and says how many that were. */
  bring(message: BusMessage): number {
    const tokens = message.subject.split('.')
    const matches = (filter: string): boolean => {
      const wanted = filter.split('.')
      return wanted.length === tokens.length && wanted.every((token, place) => token === '*' || token === tokens[place])
    }
    const handlers = [...this.handlers].flatMap(([filter, of]) => (matches(filter) ? [...of] : []))
    for (const handle of handlers) handle(message)
    return handlers.length
  }

  flush(): Promise<void> {
    return Promise.resolve()
  }

  close(): Promise<void> {
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A log of one: what is proposed is applied at once, unless the test holds it, loses it or puts something before it. */
export class ScriptedReplica implements Pick<Replica<Applied>, 'propose' | 'confirmLeadership' | 'space'> {
  readonly space: MemorySpace
  readonly proposed: Command[] = []
  /** Whether proposals wait for `release`. */
  held = false
  /** Whether proposals are applied at once, but their proposer hears of it by `release` only. */
  slow = false
  /** What proposals are rejected with, instead of being applied. */
  refusal: Error | undefined
  /** Whether confirmations of leadership wait for `confirm`. */
  unconfirmed = false
  private readonly log: { index: number }
  private waiting: (() => void)[] = []
  private confirmations: { readonly resolve: () => void; readonly reject: (why: Error) => void }[] = []

  /** Another replica of the same log, where one is given: both apply to one space. */
  constructor(other?: ScriptedReplica) {
    this.space = other?.space ?? new MemorySpace()
    this.log = other?.log ?? { index: 0 }
  }

  propose(bytes: Uint8Array): Promise<Applied> {
    this.proposed.push(decodeCommand(bytes))
    if (this.refusal !== undefined) return Promise.reject(this.refusal)
    if (this.slow) {
      const applied = this.apply(bytes)
      return new Promise((resolve) => this.waiting.push(() => resolve(applied)))
    }
    if (!this.held) return Promise.resolve(this.apply(bytes))
    return new Promise((resolve, reject) =>
      this.waiting.push(() => (this.refusal === undefined ? resolve(this.apply(bytes)) : reject(this.refusal))),
    )
  }

  confirmLeadership(): Promise<void> {
    if (!this.unconfirmed) return Promise.resolve()
    return new Promise((resolve, reject) => this.confirmations.push({ resolve, reject }))
  }

  /** Applies a command of somebody else's, an earlier leader for example. */
  apply(command: Uint8Array): Applied {
    this.log.index += 1
    return decisions.apply(this.space, this.log.index as LogIndex, command)
  }

  record(decision: Decision): void {
    this.apply(encodeCommand({ kind: 'decide', decision }))
  }

  release(): void {
    for (const go of this.waiting.splice(0)) go()
  }

  confirm(): void {
    for (const { resolve } of this.confirmations.splice(0)) resolve()
  }

  depose(): void {
    for (const { reject } of this.confirmations.splice(0)) reject(new Error('Leadership is lost.'))
  }
}

/** A leader's settings, and what its group's manifest says. */
export type StageSettings = Partial<CoordinatorSettings> & { readonly keptEpochs?: number }

/** A leader with the test all around it. */
export class Stage {
  readonly clock = new ManualClock()
  readonly bus = new TestBus()
  readonly replica: ScriptedReplica
  readonly events: CoordinatorEvent[] = []
  readonly leader: Leader
  private requests = 0

  constructor(
    { keptEpochs = defaultKeptEpochs, ...settings }: StageSettings = {},
    scripted: ScriptedReplica = new ScriptedReplica(),
  ) {
    this.replica = scripted
    const { bus, clock, replica } = this
    const world: World = { bus, clock, random: { bytes: (length) => new Uint8Array(length), fraction: () => 0 } }
    const observe = (event: CoordinatorEvent): void => void this.events.push(event)
    const tooLarge = (subject: string, why: string): void => observe({ kind: 'unsendableMessage', subject, why })
    this.leader = new Leader({
      world,
      namespace: verdict,
      subjects: on,
      group,
      replicas: [replicaId],
      keptEpochs,
      replica,
      post: new Post({ bus, subjects: on, group, replica: replicaId, tooLarge }),
      term: 3,
      release: thisRelease,
      settings: { ...defaultSettings, ...settings },
      metering: new CoordinatorMetering(replicaId),
      observe,
    })
  }

  /** A leader that has just begun, with nothing said but its announcement. */
  static leading(
    settings: StageSettings = {},
    before: (stage: Stage) => void = () => {},
    scripted?: ScriptedReplica,
  ): Stage {
    const stage = new Stage(settings, scripted)
    before(stage)
    stage.leader.start()
    return stage
  }

  /** A client asks on a subject of the group's; returns the number of its request. */
  ask(
    message: Message,
    { subject = on.group(group, owner), inbox = on.inbox(owner, inboxToken(1)), request = 0 } = {},
  ): number {
    const number = request || ++this.requests
    this.bus.bring({ subject, payload: encodePacket({ request: number, message }), replyTo: inbox || undefined })
    return number
  }

  look(ids: readonly TransactionId[], as: OwnerName = owner): number {
    return this.ask({ type: 'look', ids }, { subject: on.look(group, as), inbox: on.inbox(as, inboxToken(1)) })
  }

  /** An operator orders something. */
  order(of: TransactionId, order: Order, as: OwnerName = owner): number {
    const message = { type: 'operate', id: of, order } as const
    return this.ask(message, { subject: on.operate(group, as), inbox: on.inbox(as, inboxToken(1)) })
  }

  /** A participant speaks. */
  speak(participant: ParticipantName, message: Message): void {
    const payload = encodePacket({ request: 0, message })
    this.bus.bring({ subject: on.vote(group, participant), payload, replyTo: undefined })
  }

  /** What was sent since the last time, of some type. */
  take<T extends Message['type']>(type: T): (Omit<Sent, 'message'> & { message: Extract<Message, { type: T }> })[] {
    const taken = this.bus.sent.filter(({ message }) => message.type === type)
    const rest = this.bus.sent.filter(({ message }) => message.type !== type)
    this.bus.sent.splice(0, this.bus.sent.length, ...rest)
    return taken as (Omit<Sent, 'message'> & { message: Extract<Message, { type: T }> })[]
  }

  /** The answers to a request. */
  answers(request: number): Answer[] {
    return this.bus.sent
      .filter((sent) => sent.request === request && sent.subject.includes('.ans.'))
      .map(({ message }) => message as Answer)
  }

  /** What the answers to a commit or abort say, but for what it cost. */
  decided(request: number): unknown[] {
    return this.answers(request).map((message) => {
      if (message.type !== 'decided') return message
      const { took: _, ...answer } = { took: undefined, ...message.answer }
      return answer
    })
  }

  proposals<K extends Command['kind']>(kind: K): Extract<Command, { kind: K }>[] {
    return this.replica.proposed.filter((command) => command.kind === kind) as Extract<Command, { kind: K }>[]
  }
}
