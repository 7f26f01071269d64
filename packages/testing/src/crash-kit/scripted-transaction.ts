import {
  type Ack,
  type BranchList,
  type Call,
  type CallResult,
  type Control,
  type Digest,
  digestOf,
  type Epoch,
  type IdParts,
  type Inquiry,
  type InstanceId,
  type ListedBranch,
  type LoneDecided,
  type Message,
  makeId,
  makeToken,
  type Nonce,
  type Operation,
  type Outcome,
  operationsHash,
  type ParticipantName,
  participantName,
  type Subjects,
  sealList,
  type Token,
  type TransactionId,
  type VoteMessage,
} from '@verdict/protocol'
import { systemRandom } from '@verdict/runtime'
import type { Mailbox } from './mailbox.ts'
import type { Path } from './point.ts'

const nothingForgotten = 0 as Epoch
/** What a participant is given to prepare or to decide: no point of the kit ends by it. */
const plentyMs = 60_000

/** Whose transaction it is, and who decides it. */
export type ScriptNames = Pick<IdParts, 'owner' | 'group' | 'incarnation' | 'epoch'>

/** How a transaction of the script speaks, and what it hears. */
export interface Line {
  readonly names: ScriptNames
  readonly subjects: Subjects
  readonly participant: ParticipantName
  readonly operation: Operation
  readonly answers: Mailbox<Message>
  readonly words: Mailbox<Message>
  readonly ask: (subject: string, message: Message) => void
  readonly tell: (message: Control, to?: InstanceId) => void
}

/** One transaction, message by message, sent when the script wants it. */
export class ScriptedTransaction {
  readonly #id: TransactionId
  readonly #nonce = makeToken<Nonce>(systemRandom.bytes(12))
  readonly #line: Line
  readonly #isLone: boolean
  #opening: { readonly instance: InstanceId; readonly token: Token } | undefined
  #list: BranchList | undefined

  /** Of two branches, the tested participant's and one of a participant that nobody plays; a lone one has the first alone. */
  constructor(line: Line, isLone: boolean) {
    this.#line = line
    this.#isLone = isLone
    const { owner, group, incarnation, epoch } = line.names
    this.#id = makeId({ owner, group, incarnation, epoch, mark: 'once' }, systemRandom.bytes(12))
  }

  /** The client calls the operation. */
  call(leftMs: number): void {
    const { participant, operation, ask, subjects, names } = this.#line
    const { name, args } = operation
    const message: Call = { type: 'call', id: this.#id, nonce: this.#nonce, n: 1, operation: name, args, leftMs }
    ask(subjects.firstCall(participant, names.owner), message)
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
    this.#line.ask(this.#subjectOf(instance), { type: 'release', id: this.#id, token })
  }

  /** The client asks the participant to decide it alone: the instance that holds the branch first, then any. */
  alone(path: Path, again: boolean, to?: InstanceId): void {
    const { operation, participant, ask, subjects, names } = this.#line
    const { list, digest } = this.#sealed(path)
    const operations = path === 'one-shot' ? { operations: [operation] } : {}
    const subject = to === undefined ? subjects.firstCall(participant, names.owner) : this.#subjectOf(to)
    ask(subject, { type: 'alone', id: this.#id, list, digest, leftMs: plentyMs, again, ...operations })
  }

  decision(withinMs: number, signal?: AbortSignal): Promise<LoneDecided | undefined> {
    const fits = (message: Message): message is LoneDecided => message.type === 'loneDecided' && message.id === this.#id
    return this.#line.answers.take(fits, withinMs, signal)
  }

  /** The group asks for the vote: the instance that holds the branch first, then any. */
  prepare(path: Path, to?: InstanceId): void {
    const { operation, tell } = this.#line
    const { list, digest } = this.#sealed(path)
    const operations = path === 'one-shot' ? { operations: [operation] } : {}
    const message = {
      type: 'prepare',
      id: this.#id,
      list,
      digest,
      leftMs: plentyMs,
      term: 1,
      horizon: nothingForgotten,
    } as const
    tell({ ...message, ...operations }, to)
  }

  vote(withinMs: number, signal?: AbortSignal): Promise<VoteMessage | undefined> {
    const fits = (message: Message): message is VoteMessage => message.type === 'vote' && message.id === this.#id
    return this.#line.words.take(fits, withinMs, signal)
  }

  /** The group tells what was decided. */
  outcome(path: Path, outcome: Outcome, token: Token | undefined): void {
    const { digest } = this.#sealed(path)
    const named = token === undefined ? {} : { token }
    this.#line.tell({ type: 'outcome', id: this.#id, digest, outcome, horizon: nothingForgotten, ...named })
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

  answerInquiry(path: Path, outcome: Outcome, to: InstanceId, token: Token): void {
    const answers = [{ id: this.#id, digest: this.#sealed(path).digest, token, answer: outcome }]
    this.#line.tell({ type: 'inquiryAnswer', answers, horizon: nothingForgotten }, to)
  }

  #subjectOf(instance: InstanceId): string {
    const { subjects, participant, names } = this.#line
    return subjects.call(participant, instance, names.owner)
  }

  #sealed(path: Path): { readonly list: BranchList; readonly digest: Digest } {
    this.#list ??= sealList(
      (path === 'called' ? this.#calledBranches() : this.#oneShotBranches()).slice(0, this.#isLone ? 1 : 2),
    )
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
