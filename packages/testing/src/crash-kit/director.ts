import {
  type Ack,
  type BranchList,
  type Call,
  type CallResult,
  type Control,
  type Digest,
  decodePacket,
  digestOf,
  type Epoch,
  encodePacket,
  encodePayload,
  type GroupId,
  groupId,
  groupName,
  type InboxToken,
  type Inquiry,
  type InstanceId,
  type ListedBranch,
  type Message,
  makeId,
  makeIncarnation,
  makeToken,
  type Nonce,
  namespace,
  type Operation,
  type Outcome,
  operationsHash,
  ownerName,
  type ParticipantName,
  participantName,
  sealList,
  subjects,
  type Token,
  type TransactionId,
  type VoteMessage,
} from '@verdict/protocol'
import { type Bus, systemRandom } from '@verdict/runtime'
import { Mailbox } from './mailbox.ts'

const of = subjects(namespace())
const group = groupName('crash-kit')
const incarnation = makeIncarnation(systemRandom.bytes(8))
const decidingGroup: GroupId = groupId(group, incarnation)
const owner = ownerName('crash-kit')
const epoch = 1 as Epoch
const horizon = 0 as Epoch // nothing is forgotten while the kit runs
/** What a leader gives a participant to prepare: no point of the kit ends by it. */
const prepareBudgetMs = 60_000

export interface ScriptedCall {
  readonly operation: string
  readonly input: unknown
}

/** The other side of the protocol, which says what the script says: a client, and the group that decides. */
export class Director {
  readonly #bus: Bus
  readonly #participant: ParticipantName
  readonly #call: ScriptedCall
  readonly #inbox = of.inbox(owner, makeToken<InboxToken>(systemRandom.bytes(12)))
  readonly #answers = new Mailbox<Message>()
  readonly #words = new Mailbox<Message>()

  constructor(bus: Bus, participant: string, call: ScriptedCall) {
    this.#bus = bus
    this.#participant = participantName(participant)
    this.#call = call
    const inbox = this.#inbox.slice(this.#inbox.lastIndexOf('.') + 1) as InboxToken
    bus.subscribe(of.answers(owner, inbox), ({ payload }) => this.#answers.push(decodePacket(payload).message))
    bus.subscribe(of.vote(decidingGroup, '*'), ({ payload }) => this.#words.push(decodePacket(payload).message))
  }

  /** A new transaction of two branches: the tested participant's, and one of another participant that nobody plays. */
  begin(): ScriptedTransaction {
    return new ScriptedTransaction({
      participant: this.#participant,
      operation: {
        name: this.#call.operation,
        args: encodePayload(this.#call.input, `The input of ${this.#participant}.${this.#call.operation}`),
      },
      answers: this.#answers,
      words: this.#words,
      ask: (subject, message) => this.#publish(subject, message, this.#inbox),
      tell: (message, to) => {
        const toAny = of.control(decidingGroup, this.#participant)
        this.#publish(to === undefined ? toAny : of.controlInstance(decidingGroup, this.#participant, to), message)
      },
    })
  }

  #publish(subject: string, message: Message, replyTo?: string): void {
    const packet = encodePacket({ request: 1, message })
    this.#bus.publish(subject, packet, replyTo === undefined ? {} : { replyTo })
  }
}

interface Line {
  readonly participant: ParticipantName
  readonly operation: Operation
  readonly answers: Mailbox<Message>
  readonly words: Mailbox<Message>
  readonly ask: (subject: string, message: Message) => void
  readonly tell: (message: Control, to?: InstanceId) => void
}

/** One transaction, message by message, sent when the script wants it. */
export class ScriptedTransaction {
  readonly #id: TransactionId = makeId({ group, incarnation, epoch, owner, mark: 'once' }, systemRandom.bytes(12))
  readonly #nonce = makeToken<Nonce>(systemRandom.bytes(12))
  readonly #line: Line
  #opening: { readonly instance: InstanceId; readonly token: Token } | undefined
  #list: BranchList | undefined

  constructor(line: Line) {
    this.#line = line
  }

  /** The client calls the operation. */
  call(leftMs: number): void {
    const { participant, operation, ask } = this.#line
    const { name, args } = operation
    const message: Call = { type: 'call', id: this.#id, nonce: this.#nonce, n: 1, operation: name, args, leftMs }
    ask(of.firstCall(participant, owner), message)
  }

  async answer(withinMs: number, signal?: AbortSignal): Promise<CallResult | undefined> {
    const fits = (message: Message): message is CallResult => message.type === 'result' && message.id === this.#id
    const result = await this.#line.answers.take(fits, withinMs, signal)
    if (result?.token !== undefined) this.#opening ??= { instance: result.instance, token: result.token }
    return result
  }

  /** The client gives up before it asks for the commit. */
  release(): void {
    if (this.#opening === undefined) return
    const { instance, token } = this.#opening
    this.#line.ask(of.call(this.#line.participant, instance, owner), { type: 'release', id: this.#id, token })
  }

  /** The group asks for the vote: the instance that holds the branch first, then any. */
  prepare(path: 'called' | 'one-shot', to?: InstanceId): void {
    const { operation, tell } = this.#line
    const { list, digest } = this.#sealed(path)
    const operations = path === 'one-shot' ? { operations: [operation] } : {}
    const message = { type: 'prepare', id: this.#id, list, digest, leftMs: prepareBudgetMs, term: 1, horizon } as const
    tell({ ...message, ...operations }, to)
  }

  vote(withinMs: number, signal?: AbortSignal): Promise<VoteMessage | undefined> {
    const fits = (message: Message): message is VoteMessage => message.type === 'vote' && message.id === this.#id
    return this.#line.words.take(fits, withinMs, signal)
  }

  /** The group tells what was decided. */
  outcome(path: 'called' | 'one-shot', outcome: Outcome, token: Token | undefined): void {
    const { digest } = this.#sealed(path)
    const named = token === undefined ? {} : { token }
    this.#line.tell({ type: 'outcome', id: this.#id, digest, outcome, horizon, ...named })
  }

  acknowledgement(withinMs: number, signal?: AbortSignal): Promise<Ack | undefined> {
    const fits = (message: Message): message is Ack => message.type === 'ack' && message.id === this.#id
    return this.#line.words.take(fits, withinMs, signal)
  }

  /** An instance asks what became of the branch that it found prepared; gives the token that it found. */
  async inquiry(by: InstanceId, withinMs: number): Promise<Token | undefined> {
    const fits = (message: Message): message is Inquiry =>
      message.type === 'inquiry' && message.instance === by && message.branches.some(({ id }) => id === this.#id)
    const inquiry = await this.#line.words.take(fits, withinMs)
    return inquiry?.branches.find(({ id }) => id === this.#id)?.token
  }

  answerInquiry(path: 'called' | 'one-shot', outcome: Outcome, to: InstanceId, token: Token): void {
    const answers = [{ id: this.#id, digest: this.#sealed(path).digest, token, answer: outcome }]
    this.#line.tell({ type: 'inquiryAnswer', answers, horizon }, to)
  }

  #sealed(path: 'called' | 'one-shot'): { readonly list: BranchList; readonly digest: Digest } {
    this.#list ??= sealList(path === 'called' ? this.#calledBranches() : this.#oneShotBranches())
    return { list: this.#list, digest: digestOf(this.#id, this.#list) }
  }

  #calledBranches(): readonly ListedBranch[] {
    const [instance, token] = [makeToken<InstanceId>(systemRandom.bytes(12)), makeToken<Token>(systemRandom.bytes(12))]
    const { participant } = this.#line
    // Where nobody answered there is no opening to name; what an unknown one is told must change nothing.
    const ours = this.#opening ?? { instance, token: makeToken<Token>(systemRandom.bytes(12)) }
    return [
      { kind: 'called', participant, ...ours, calls: 1 },
      { kind: 'called', participant: other(participant), instance, token, calls: 1 },
    ]
  }

  #oneShotBranches(): readonly ListedBranch[] {
    const { participant, operation } = this.#line
    return [
      { kind: 'oneShot', participant, operations: operationsHash([operation]) },
      { kind: 'oneShot', participant: other(participant), operations: operationsHash([]) },
    ]
  }
}

/** A participant beside the tested one: with one branch alone, no group would decide. */
function other(participant: ParticipantName): ParticipantName {
  return participantName(participant === 'crash-kit' ? 'crash-kit-2' : 'crash-kit')
}
