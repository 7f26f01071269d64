import {
  type Epoch,
  type GroupId,
  type InquiryAnswer,
  type InstanceId,
  makeToken,
  type Namespace,
  type ParticipantName,
  subjects,
  type TransactionId,
} from '@verdict/protocol'
import type { BusMessage, Subscription, Timer, World } from '@verdict/runtime'
import { Branches } from './branches.ts'
import { Doubts } from './doubts.ts'
import { toldBy } from './ending.ts'
import { Endings } from './endings.ts'
import { type Counters, count, noCounters, type Observer } from './event.ts'
import { Floors } from './floors.ts'
import { type Addressee, type Inbound, readClient, readGroup } from './inbound.ts'
import { Metering } from './metering.ts'
import { Openings } from './openings.ts'
import type { AnyOperation } from './operation.ts'
import { Post } from './post.ts'
import type { Resource } from './resource.ts'
import type { ParticipantSettings } from './settings.ts'
import type { Site } from './site.ts'
import { Tracing } from './tracing.ts'
import { Troubles } from './troubles.ts'
import { Votes } from './votes.ts'

/** Of all instances of a participant one takes each message that is for any of them. */
const queue = 'instances'

export interface InstanceOptions {
  readonly participant: ParticipantName
  readonly operations: Readonly<Record<string, AnyOperation>>
  readonly resource: Resource<object>
  readonly namespace: Namespace
  readonly world: World
  readonly settings: ParticipantSettings
  readonly observer: Observer | undefined
}

/** One process of a participant: the bus on one side, the resource on the other. */
export class Instance {
  readonly id: InstanceId
  readonly counters: Counters
  readonly #options: InstanceOptions
  readonly #site: Site
  readonly #branches: Branches
  readonly #endings: Endings
  readonly #doubts: Doubts
  readonly #floors: Floors
  /** Subscriptions for messages to any instance, and those to this one. */
  readonly #shared: Subscription[]
  readonly #own: Subscription[]
  #isDraining = false
  #whenIdle: (() => void) | undefined
  #stopped: Promise<void> | undefined

  /** Starts the resource, then listens; resolves when messages can arrive. */
  static async start(options: InstanceOptions): Promise<Instance> {
    const { resource, participant, world } = options
    const facts = await resource.start({ participant })
    const floors = await resource.floors().catch(async (error: unknown) => {
      await resource.stop()
      throw error
    })
    const instance = new Instance(options, facts, floors)
    try {
      await world.bus.flush()
    } catch (error) {
      instance.#site.metering.stop()
      await resource.stop()
      throw error
    }
    await instance.#doubts.sweep()
    return instance
  }

  private constructor(options: InstanceOptions, facts: Site['facts'], floors: ReadonlyMap<GroupId, Epoch>) {
    const { participant, operations, resource, namespace, world, settings, observer } = options
    const of = subjects(namespace)
    this.id = makeToken<InstanceId>(world.random.bytes(12))
    this.counters = noCounters()
    this.#options = options
    const emit: Site['emit'] = (event) => {
      count(this.counters, event)
      observer?.(event)
    }
    const post = new Post(world.bus, of, { participant, instance: this.id, durability: facts.durability }, emit)
    this.#site = {
      participant,
      operations,
      resource,
      facts,
      world,
      settings,
      emit,
      post,
      troubles: new Troubles({ world, settings, post, emit }),
      tracing: new Tracing({ participant, instance: this.id, operations }),
      metering: new Metering(participant, operations),
      dropped: (limit) => {
        this.counters.dropped += 1
        this.#site.metering.refused(limit)
      },
      isDraining: () => this.#isDraining,
      changed: () => this.#checkIdle(),
    }
    this.#doubts = new Doubts(this.#site)
    this.#floors = new Floors(this.#site, floors)
    const openings = new Openings(settings.maxNotes)
    const votes = new Votes(this.#site, this.#doubts)
    this.#branches = new Branches(this.#site, openings, votes, this.#doubts, this.#floors)
    this.#endings = new Endings(this.#site, this.#branches, openings, this.#doubts)
    this.#site.metering.observe({
      branches: () => this.#branches.census,
      inDoubt: () => ({ count: this.#doubts.count, oldestMs: this.#doubts.oldestMs }),
      troubles: (kind) => this.#site.troubles.count(kind),
    })
    const { bus } = world
    const me: Addressee = { namespace, participant, instance: this.id }
    const clientsTo = (place: 'any' | 'own') => (message: BusMessage) =>
      this.#take(message, readClient(me, message, place))
    const groups = (message: BusMessage): void => this.#take(message, readGroup(me, message))
    this.#own = [
      bus.subscribe(of.call(participant, this.id, '*'), clientsTo('own')),
      bus.subscribe(of.controlInstance('*', participant, this.id), groups),
      bus.subscribe(of.news('*'), groups),
    ]
    this.#shared = [
      bus.subscribe(of.firstCall(participant, '*'), clientsTo('any'), { queue }),
      bus.subscribe(of.control('*', participant), groups, { queue }),
    ]
  }

  /**
   * Stops: takes nothing new, gives open and prepared branches a bounded time to end, and leaves what is still prepared then to
   * other instances, or to the next start. Idempotent.
   */
  stop(): Promise<void> {
    this.#stopped ??= this.#drainAndStop()
    return this.#stopped
  }

  async #drainAndStop(): Promise<void> {
    this.#isDraining = true
    for (const subscription of this.#shared) subscription.unsubscribe()
    this.#branches.drain()
    await this.#idle(this.#options.settings.drainMs)
    await this.#branches.stop()
    this.#endings.stop()
    this.#doubts.stop()
    this.#site.troubles.stop()
    this.#floors.stop()
    this.#site.metering.stop()
    for (const subscription of this.#own) subscription.unsubscribe()
    await this.#options.resource.stop()
  }

  async #idle(withinMs: number): Promise<void> {
    let timer: Timer | undefined
    await new Promise<void>((resolve) => {
      this.#whenIdle = resolve
      timer = this.#options.world.clock.after(withinMs, resolve)
      this.#checkIdle()
    })
    timer?.cancel()
  }

  #checkIdle(): void {
    if (this.#branches.isIdle && this.#endings.isIdle) this.#whenIdle?.()
  }

  #take(message: BusMessage, inbound: Inbound): void {
    if ('group' in inbound) this.#floors.heard(inbound.group, inbound.message.horizon)
    switch (inbound.kind) {
      case 'call':
        this.#contain(inbound.message.id, () => this.#branches.call(inbound))
        return
      case 'release':
        this.#contain(inbound.message.id, () => this.#branches.release(inbound.message))
        return
      case 'alone':
        this.#contain(inbound.message.id, () => this.#branches.alone(inbound))
        return
      case 'prepare':
        this.#contain(inbound.message.id, () => this.#branches.prepare(inbound))
        return
      case 'outcome': {
        const { id, outcome, digest, token, trace } = inbound.message
        this.#contain(id, () => this.#endings.tell(id, { kind: outcome, digest, token }, { trace, awaited: true }))
        return
      }
      case 'inquiry-answer':
        for (const answer of inbound.message.answers) this.#contain(answer.id, () => this.#answered(answer))
        return
      case 'sweep-answer':
        this.#floors.answered(inbound.group, inbound.message.answers)
        return
      case 'announce':
        this.#doubts.announced(inbound.group, inbound.message.term)
        return
      case 'rejected':
        this.#site.emit({ kind: 'rejected', subject: message.subject, why: inbound.why })
        if (inbound.asker !== undefined) this.#site.post.failure(inbound.asker, inbound.code, inbound.why)
        return
    }
  }

  /** What throws for one transaction stops no other, and is shown. */
  #contain(id: TransactionId, work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#site.troubles.poisoned(id, error)
    }
  }

  #answered(answer: InquiryAnswer['answers'][number]): void {
    const { id, trace } = answer
    const told = toldBy(answer)
    if (told !== undefined) this.#endings.tell(id, told, { trace: this.#doubts.traceOf(id) ?? trace, awaited: false })
  }
}
