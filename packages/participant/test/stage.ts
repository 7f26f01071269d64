import { trace } from '@opentelemetry/api'
import {
  type BranchList,
  type Call,
  type CallResult,
  type Control,
  decodePacket,
  digestOf,
  encodePacket,
  groupOf,
  type InboxToken,
  type InstanceId,
  type Message,
  makeToken,
  namespace,
  type Operation,
  type Outcome,
  parseId,
  subjects,
  type Token,
  type TraceContext,
  type TransactionId,
  type Word,
} from '@verdict/protocol'
import type { World } from '@verdict/runtime'
import { type SimulatedProcess, Simulation } from '@verdict/runtime/simulated'
import {
  defineParticipant,
  type ParticipantEvent,
  type ParticipantSettings,
  refuse,
  type Serving,
} from '../src/index.ts'
import { MemoryStore } from './memory-store.ts'
import { group, id, idOf, me, nonceOf, owner, payloadOf } from './names.ts'
import { type Recorded, settled } from './recorded.ts'
import { fields } from './schema.ts'

export const of = subjects(namespace())
export const inbox: string = of.inbox(owner, makeToken<InboxToken>(new Uint8Array(12).fill(3)))

/** Gates that operations wait at, by name. */
class Gates {
  readonly #gates = new Map<string, PromiseWithResolvers<void>>()
  readonly entered: string[] = []
  readonly signals: AbortSignal[] = []

  wait(name: string): Promise<void> {
    this.entered.push(name)
    return this.#gate(name).promise
  }

  open(name: string): void {
    this.#gate(name).resolve()
  }

  #gate(name: string): PromiseWithResolvers<void> {
    const gate = this.#gates.get(name) ?? Promise.withResolvers<void>()
    this.#gates.set(name, gate)
    return gate
  }
}

function define(store: MemoryStore, gates: Gates) {
  return defineParticipant({
    name: me,
    resource: store.resource(),
    operations: {
      write: {
        input: fields({ value: 'string' }),
        run({ value }, { write }) {
          write(value)
          return { wrote: value }
        },
      },
      read: { input: fields({}), run: () => 'nothing' },
      declared: { input: fields({}), readOnly: true, run: () => 'nothing' },
      lying: {
        input: fields({}),
        readOnly: true,
        run(_input, { write }) {
          write('a lie')
          return 'nothing'
        },
      },
      gated: {
        input: fields({ gate: 'string' }),
        async run({ gate }, { write, signal }) {
          gates.signals.push(signal)
          await gates.wait(gate)
          write(gate)
          return gate
        },
      },
      refuse: {
        input: fields({ code: 'string' }),
        run({ code }): string {
          throw refuse(code, { account: 'a' }, { retryable: code === 'again' })
        },
      },
      fail: {
        input: fields({ message: 'string' }),
        run({ message }): string {
          throw new Error(message)
        },
      },
      traced: {
        input: fields({ gate: 'string' }),
        async run({ gate }, { write }) {
          await gates.wait(gate)
          const span = trace.getTracer('user').startSpan('user')
          write(gate)
          span.end()
          return trace.getActiveSpan()?.spanContext().traceId ?? 'none'
        },
      },
      large: { input: fields({ bytes: 'number' }), run: ({ bytes }) => 'x'.repeat(bytes) },
    },
  })
}

export type Payments = ReturnType<typeof define>

export const reading: Operation = { name: 'read', args: payloadOf({}) }
export const declared: Operation = { name: 'declared', args: payloadOf({}) }
export const lying: Operation = { name: 'lying', args: payloadOf({}) }
export const writing = (value: string): Operation => ({ name: 'write', args: payloadOf({ value }) })

/** One or more instances of a participant on a simulated bus, with a client and a group that do what the test says. */
export class Stage {
  readonly simulation: Simulation
  readonly store = new MemoryStore()
  readonly gates = new Gates()
  readonly events: ParticipantEvent[] = []
  /** What the client was answered, in order. */
  readonly answers: { readonly request: number; readonly message: Message }[] = []
  /** What the group was told, in order. */
  readonly words: Word[] = []
  readonly servings: Serving[] = []
  readonly #settings: Partial<ParticipantSettings>
  readonly #outside: World
  readonly #recorded: Recorded | undefined
  #requests = 0

  private constructor(settings: Partial<ParticipantSettings>, recorded?: Recorded) {
    this.simulation = new Simulation({ seed: 1 })
    this.#recorded = recorded
    recorded?.follow(this.simulation)
    this.#settings = settings
    const outside = this.simulation.process('outside')
    outside.start()
    this.#outside = outside.world
    this.#outside.bus.subscribe(
      of.answers(owner, inbox.slice(inbox.lastIndexOf('.') + 1) as InboxToken),
      ({ payload }) => {
        this.answers.push(decodePacket(payload))
      },
    )
    this.#outside.bus.subscribe(of.vote(group, '*'), ({ payload }) => {
      this.words.push(decodePacket(payload).message as Word)
    })
  }

  /** A stage on which `instances` instances serve. */
  static async set(settings: Partial<ParticipantSettings> = {}, instances = 1, recorded?: Recorded): Promise<Stage> {
    const stage = new Stage(settings, recorded)
    for (let n = 1; n <= instances; n += 1) await stage.start(`payments-${n}`)
    return stage
  }

  /** Starts another instance, on the same store, and waits until it serves. */
  async start(name: string): Promise<SimulatedProcess> {
    const before = this.servings.length
    const process = this.simulation.process(name, async (world) => {
      this.servings.push(
        await this.define().serve({ world, settings: this.#settings, onEvent: (event) => this.events.push(event) }),
      )
    })
    process.start()
    await this.simulation.runUntil(() => this.servings.length > before, { withinMs: 1_000 })
    return process
  }

  define(): Payments {
    return define(this.store, this.gates)
  }

  instance(n = 1): InstanceId {
    const serving = this.servings[n - 1]
    if (serving === undefined) throw new Error(`there is no instance ${n}`)
    return serving.instance as InstanceId
  }

  /** Lets things settle. */
  async settle(ms = 20): Promise<void> {
    if (this.#recorded !== undefined) await settled()
    await this.simulation.run({ untilMs: this.simulation.nowMs + ms })
  }

  /** Sends a call, the first one to any instance. */
  call(call: Partial<Call> & { readonly operation: string }, input: unknown, to: InstanceId | 'any' = 'any'): void {
    const message: Call = { type: 'call', id, nonce: nonceOf(1), n: 1, args: payloadOf(input), leftMs: 10_000, ...call }
    const sender = parseId(message.id).owner
    const subject = to === 'any' ? of.firstCall(me, sender) : of.call(me, to, sender)
    this.send(subject, message, inbox)
  }

  /** Opens a branch with one call that writes, and gives its token. */
  async opened(value = 'a', call: Partial<Call> = {}): Promise<Token> {
    const before = this.answers.length
    this.call({ operation: 'write', ...call }, { value })
    await this.settle()
    const answer = this.answers[before]?.message
    if (answer?.type !== 'result' || answer.token === undefined)
      throw new Error(`no branch was opened: ${JSON.stringify(answer)}`)
    return answer.token
  }

  /** Opens as many branches as there is room for, ids 1 and following, and gives their tokens. */
  async filled(): Promise<readonly [Token, ...Token[]]> {
    const tokens: [Token, ...Token[]] = [await this.opened('a', { id: idOf(1) })]
    for (let n = 2; n <= this.store.capacity; n += 1) tokens.push(await this.opened('a', { id: idOf(n) }))
    return tokens
  }

  /** Lets go of a branch at the first instance. */
  release(id: TransactionId, token: Token): void {
    this.send(of.call(me, this.instance(), owner), { type: 'release', id, token })
  }

  /** Sends a message as a client of `owner`, or as whoever the subject says. */
  send(subject: string, message: Message, replyTo?: string): void {
    this.#requests += 1
    const packet = encodePacket({ request: this.#requests, message })
    this.#outside.bus.publish(subject, packet, replyTo === undefined ? {} : { replyTo })
  }

  sendBytes(subject: string, bytes: Uint8Array, replyTo?: string): void {
    this.#outside.bus.publish(subject, bytes, replyTo === undefined ? {} : { replyTo })
  }

  /** Sends a control message of the group that decides the id, or of `from`. */
  control(message: Control, to: InstanceId | 'any' = 'any', from = group): void {
    this.send(to === 'any' ? of.control(from, me) : of.controlInstance(from, me, to), message)
  }

  prepare(
    list: BranchList,
    options: {
      to?: InstanceId | 'any'
      operations?: readonly Operation[]
      id?: TransactionId
      trace?: TraceContext
    } = {},
  ): void {
    const { to = 'any', operations, id: asked = id, trace: from } = options
    const digest = digestOf(asked, list)
    const known = { ...(operations && { operations }), ...(from && { trace: from }) }
    this.control(
      { type: 'prepare', id: asked, list, digest, leftMs: 5_000, term: 1, horizon: 0 as never, ...known },
      to,
      groupOf(asked),
    )
  }

  /** Asks the participant to decide a lone transaction. */
  alone(
    list: BranchList,
    options: { to?: InstanceId | 'any'; operations?: readonly Operation[]; again?: boolean; id?: TransactionId } = {},
  ): void {
    const { to = 'any', operations, again = false, id: asked = id } = options
    const sender = parseId(asked).owner
    const subject = to === 'any' ? of.firstCall(me, sender) : of.call(me, to, sender)
    const digest = digestOf(asked, list)
    this.send(
      subject,
      { type: 'alone', id: asked, list, digest, leftMs: 5_000, again, ...(operations && { operations }) },
      inbox,
    )
  }

  /** What the owner of a lone transaction was told, in order, but for where the time went. */
  get decided(): object[] {
    return this.answers.flatMap(({ message }) => {
      if (message.type !== 'loneDecided') return []
      const { took: _, ...answer } = { took: undefined, ...message.answer }
      return [answer]
    })
  }

  outcome(
    outcome: Outcome,
    list: BranchList,
    token: Token | undefined,
    options: { to?: InstanceId | 'any'; id?: TransactionId; trace?: TraceContext } = {},
  ): void {
    const { to = 'any', id: told = id, trace: from } = options
    const named = { ...(token && { token }), ...(from && { trace: from }) }
    this.control(
      { type: 'outcome', id: told, digest: digestOf(told, list), outcome, horizon: 0 as never, ...named },
      to,
      groupOf(told),
    )
  }

  /** The results of calls that the client got. */
  get results(): CallResult['result'][] {
    return this.answers.flatMap(({ message }) => (message.type === 'result' ? [message.result] : []))
  }

  /** Votes, acknowledgements, hazards or inquiries that the group got. */
  said<K extends Word['type']>(type: K): Extract<Word, { type: K }>[] {
    return this.words.filter((word): word is Extract<Word, { type: K }> => word.type === type)
  }

  count(kind: ParticipantEvent['kind']): number {
    return this.events.filter((event) => event.kind === kind).length
  }
}
