import { connect, type Verdict } from '@verdict/client'
import {
  type Abort,
  type Alone,
  type Answer,
  type Answerer,
  answerSubject,
  type Call,
  type CallResult,
  type Commit,
  type Decided,
  decodePacket,
  type Epoch,
  encodePacket,
  encodePayload,
  type Found,
  type GroupId,
  groupId,
  groupName,
  type InstanceId,
  type LoneDecided,
  type Message,
  makeIncarnation,
  makeToken,
  namespace,
  type Payload,
  participantName,
  type Release,
  subjects,
  type Token,
} from '@verdict/protocol'
import type { BusMessage } from '@verdict/runtime'
import { type SimulatedWorld, Simulation } from '@verdict/runtime/simulated'
import { expect } from 'vitest'

const names = subjects(namespace())
export const group: GroupId = groupId(groupName('main'), makeIncarnation(new Uint8Array(8).fill(7)))
/** Long enough for every budget of these tests. */
const withinMs = 600_000

type Say<T> = T | 'silence'

/** A scripted group and scripted participants around a real client, in virtual time. */
export class Stage {
  readonly simulation: Simulation = new Simulation({ seed: 11 })
  /** What the group was asked, in order. */
  readonly asked: Message[] = []
  readonly calls: { readonly participant: string; readonly subject: string; readonly call: Call }[] = []
  readonly alones: { readonly participant: string; readonly subject: string; readonly alone: Alone }[] = []
  /** Every opening that a participant told of. */
  readonly opened = new Set<Token>()
  readonly releases: { readonly participant: string; readonly release: Release }[] = []
  epoch: Epoch = 5 as Epoch
  retentionMs = 3_600_000

  // The script: each may be replaced by a test.
  onHello: (nth: number) => boolean = () => true
  onCommit: (commit: Commit, nth: number) => Say<Decided['answer']> = () => ({
    kind: 'committed',
    applied: false,
    hazards: [],
  })
  onAlone: (alone: Alone, nth: number) => Say<LoneDecided['answer']> = () => ({ kind: 'committed' })
  onLook: (
    id: string,
    nth: number,
  ) => Say<Omit<Extract<Found, { kind: 'recorded' }>, 'id'> | { kind: 'none' | 'expired' }> = () => ({
    kind: 'none',
  })

  readonly groupProcess = this.simulation.process('group', (world) => {
    const listen = (subject: string): void => {
      world.bus.subscribe(subject, (message) => this.ask(world, message))
    }
    listen(names.hello(groupName('main'), '*'))
    listen(names.group(group, '*'))
    listen(names.look(group, '*'))
  })
  private readonly client = this.simulation.process('client')

  constructor() {
    this.groupProcess.start()
  }

  get commits(): Commit[] {
    return this.asked.filter((message) => message.type === 'commit')
  }

  get aborts(): Abort[] {
    return this.asked.filter((message) => message.type === 'abort')
  }

  /** Adds an instance of a participant that answers calls as `script` says: a value, a result, or nothing. */
  participant(
    name: string,
    script: (call: Call, nth: number) => Say<CallResult['result'] | { value: unknown }> = () => ({ value: 'done' }),
    instanceName: string = name,
  ): { readonly instance: InstanceId; readonly crash: () => void } {
    const participant = participantName(name)
    const branches = new Map<string, Token>()
    let instance: InstanceId | undefined
    let received = 0
    const process = this.simulation.process(instanceName, (world) => {
      const own = makeToken<InstanceId>(world.random.bytes(12))
      instance = own
      const handle = ({ subject, payload, replyTo }: BusMessage): void => {
        const { request, message } = decodePacket(payload)
        if (message.type === 'release') this.releases.push({ participant: name, release: message })
        if (message.type === 'alone') {
          this.lastAlone = { inbox: replyTo ?? '', request }
          const nth = this.alones.push({ participant: name, subject, alone: message }) - 1
          const answer = this.onAlone(message, nth)
          if (answer === 'silence') return
          const { id, digest } = message
          const decided: Answer = { type: 'loneDecided', id, digest, instance: own, answer }
          const from = answerSubject(replyTo ?? '', { kind: 'participant', participant })
          world.bus.publish(from, encodePacket({ request, message: decided }))
        }
        if (message.type !== 'call') return
        this.lastCall = { inbox: replyTo ?? '', request }
        this.calls.push({ participant: name, subject, call: message })
        const said = script(message, received++)
        if (said === 'silence') return
        const token = branches.get(message.id) ?? makeToken<Token>(world.random.bytes(12))
        branches.set(message.id, token)
        this.opened.add(token)
        const result = 'kind' in said ? said : { kind: 'value' as const, value: encodePayload(said.value, 'it') }
        const answer: Answer = { type: 'result', id: message.id, n: message.n, instance: own, token, result }
        const to = answerSubject(replyTo ?? '', { kind: 'participant', participant })
        world.bus.publish(to, encodePacket({ request, message: answer }))
      }
      world.bus.subscribe(names.firstCall(participant, '*'), handle, { queue: 'instances' })
      world.bus.subscribe(names.call(participant, own, '*'), handle)
    })
    process.start()
    return {
      get instance(): InstanceId {
        if (instance === undefined) throw new Error(`${name} has not started`)
        return instance
      },
      crash: () => process.crash(),
    }
  }

  /** Connects a client and lets it act, until what it does has an end. Rejects with what `act` rejects with. */
  async play<T>(act: (verdict: Verdict, world: SimulatedWorld) => Promise<T> | T): Promise<T> {
    this.client.start()
    let ended: { readonly value: T } | { readonly error: unknown } | undefined
    const begun = async (): Promise<void> => {
      const { world } = this.client
      const verdict = await connect({ world, owner: 'checkout' })
      ended = { value: await act(verdict, world) }
    }
    begun().catch((error: unknown) => {
      ended = { error }
    })
    await this.simulation.runUntil(() => ended !== undefined, { withinMs })
    if (ended === undefined) throw new Error('the play did not end')
    if ('error' in ended) throw ended.error
    return ended.value
  }

  /** As `play`, and returns what it rejects with. */
  async fail(act: (verdict: Verdict, world: SimulatedWorld) => Promise<unknown>): Promise<unknown> {
    try {
      await this.play(act)
    } catch (error) {
      return error
    }
    return expect.fail('it was expected to fail')
  }

  /** Where the last request to commit alone is to be answered. */
  lastAlone: { readonly inbox: string; readonly request: number } = { inbox: '', request: 0 }
  /** Where the last call is to be answered. */
  lastCall: { readonly inbox: string; readonly request: number } = { inbox: '', request: 0 }
  /** The reply subject of the client's inbox, as its last message to anybody named it. */
  lastInbox = ''
  /** The number of the last request to the group. */
  lastRequest = 0

  private ask(world: SimulatedWorld, { payload, replyTo = '' }: BusMessage): void {
    const { request, message } = decodePacket(payload)
    const nth = this.asked.filter(({ type }) => type === message.type).length
    this.asked.push(message)
    this.lastInbox = replyTo
    this.lastRequest = request
    const answer = this.answer(message, nth)
    if (answer !== undefined) this.reply(world, answer, request, replyTo)
  }

  /** Says something as whoever one wants to be. */
  say(world: SimulatedWorld, message: Answer, as: Answerer): void {
    world.bus.publish(answerSubject(this.lastInbox, as), encodePacket({ request: this.lastRequest, message }))
  }

  /** Says something as a replica. */
  reply(
    world: SimulatedWorld,
    message: Answer,
    request: number = this.lastRequest,
    inbox: string = this.lastInbox,
    as: GroupId = group,
  ): void {
    const to = answerSubject(inbox, { kind: 'replica', group: as, replica: 'n1' })
    world.bus.publish(to, encodePacket({ request, message }))
  }

  private answer(message: Message, nth: number): Answer | undefined {
    const { epoch, retentionMs } = this
    switch (message.type) {
      case 'hello':
        return this.onHello(nth)
          ? { type: 'welcome', group, replicas: ['n1'], epoch, horizon: 0 as Epoch, retentionMs }
          : undefined
      case 'commit': {
        const answer = this.onCommit(message, nth)
        return answer === 'silence'
          ? undefined
          : { type: 'decided', id: message.id, digest: message.digest, epoch, answer }
      }
      case 'look': {
        const [id] = message.ids
        if (id === undefined) return undefined
        const found = this.onLook(id, nth)
        return found === 'silence' ? undefined : { type: 'looked', epoch, found: [{ ...found, id } as Found] }
      }
      default:
        return undefined
    }
  }
}

/** What a look finds of a transaction that was decided. */
export function recorded(
  outcome: 'committed' | 'aborted',
  more: Partial<Extract<Found, { kind: 'recorded' }>> = {},
): Omit<Extract<Found, { kind: 'recorded' }>, 'id'> {
  return {
    kind: 'recorded',
    outcome,
    digest: 'a'.repeat(26) as never,
    branches: [{ participant: participantName('payments'), vote: 'prepared' }],
    actor: { kind: 'owner' },
    settled: true,
    hazards: [],
    decidedAtMs: 1,
    ...more,
  }
}

export function value(of: unknown): Payload {
  return encodePayload(of, 'it')
}

/** Contracts of the participants, as their services would export them. */
export interface Payments {
  readonly name: 'payments'
  readonly operations: {
    readonly debit: {
      readonly '~types'?: { readonly input: { account: string; cents: number }; readonly output: string }
    }
    readonly audit: { readonly '~types'?: { readonly input: undefined; readonly output: number } }
  }
}
export interface Inventory {
  readonly name: 'inventory'
  readonly operations: {
    readonly reserve: { readonly '~types'?: { readonly input: { sku: string }; readonly output: string } }
  }
}
