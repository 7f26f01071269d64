import {
  type Answerer,
  type Epoch,
  type GroupId,
  type GroupName,
  type IdMark,
  makeId,
  type OwnerName,
  parseGroupId,
  parseId,
  type Subjects,
  type Token,
  type TransactionId,
  transactionId,
  type Welcome,
} from '@verdict/protocol'
import type { Timer, World } from '@verdict/runtime'
import { ask } from './ask.ts'
import type { Crowd } from './crowd.ts'
import { ClientError } from './errors.ts'
import type { Inbox } from './inbox.ts'
import type { ResendTiming } from './resend.ts'
import type { ClientTelemetry } from './telemetry.ts'

/** An idle client's epoch grows old, and ids of old epochs are forgotten first (rule R11). */
const refreshMs = 60_000

/** A group that is just electing its leader is there a moment later; one that is not set up yet is waited for. */
const helloTiming: ResendTiming = { resendMs: 200, maxResendMs: 2_000, unreachableMs: 50, patienceMs: Infinity }

/** What a client uses to speak. */
export interface Line {
  readonly world: World
  readonly inbox: Inbox
  readonly subjects: Subjects
  readonly owner: OwnerName
  /** Openings that running transactions hold. An answer that tells of another one came too late: it is released. */
  readonly held: Set<Token>
  /** Those that wait for an answer of a participant. */
  readonly crowd: Crowd
  readonly telemetry: ClientTelemetry
}

/** The group that decides a client's transactions: its incarnation, learnt once, and its epoch, learnt again and again. */
export class Group {
  readonly id: GroupId
  private readonly line: Line
  private epoch: Epoch
  private refresh: Timer | undefined

  /** Learns who the group is: asks until its leader answers. @throws the reason of `signal`, when that ends the waiting. */
  static async meet(line: Line, name: GroupName, signal: AbortSignal | undefined): Promise<Group> {
    const asked = await ask(line.world, line.inbox, {
      subject: line.subjects.hello(name, line.owner),
      message: () => ({ type: 'hello' }),
      from: (by) => by.kind === 'replica' && parseGroupId(by.group).name === name,
      read: (answer) => (answer.type === 'welcome' ? { kind: 'answer', value: answer } : undefined),
      timing: helloTiming,
      deadlineMs: Infinity,
      signal,
    })
    if (asked.kind === 'answered') return new Group(line, asked.value)
    throw signal?.reason ?? new Error(`Broken invariant: the search for the group ${name} ended.`)
  }

  private constructor(line: Line, { group, epoch }: Welcome) {
    this.line = line
    this.id = group
    this.epoch = epoch
    this.armRefresh()
  }

  /** Whether a message came from a replica of this group, of this incarnation. */
  readonly isMember = (by: Answerer): boolean => by.kind === 'replica' && by.group === this.id

  /** Notes an epoch that the group told. It never goes back. */
  learn(epoch: Epoch): void {
    if (epoch > this.epoch) this.epoch = epoch
  }

  newId(mark: IdMark): TransactionId {
    const { name, incarnation } = parseGroupId(this.id)
    const { owner, world } = this.line
    return makeId({ group: name, incarnation, epoch: this.epoch, owner, mark }, world.random.bytes(12))
  }

  /**
   * Reads an id that the caller kept.
   * @throws ClientError `foreign-id` when `newId()` of this owner and group did not make it.
   */
  ownId(text: string): TransactionId {
    const id = this.ofOwner(text)
    if (parseId(id).mark !== 'kept') throw foreign(id, 'it was made for one run only')
    return id
  }

  /** Reads the id of a transaction that this owner began in this group. @throws ClientError `foreign-id` */
  ofOwner(text: string): TransactionId {
    const id = transactionId(text)
    const { group, incarnation, owner } = parseId(id)
    if (`${group}_${incarnation}` !== this.id)
      throw foreign(id, `it is of group ${group}_${incarnation}, not of ${this.id}`)
    if (owner !== this.line.owner) throw foreign(id, `it belongs to ${owner}, not to ${this.line.owner}`)
    return id
  }

  stop(): void {
    this.refresh?.cancel()
  }

  private armRefresh(): void {
    const { world } = this.line
    this.refresh = world.clock.after(refreshMs, () => {
      this.armRefresh()
      void this.greet()
    })
  }

  private async greet(): Promise<void> {
    const { world, inbox, subjects, owner } = this.line
    const asked = await ask(world, inbox, {
      subject: subjects.hello(parseGroupId(this.id).name, owner),
      message: () => ({ type: 'hello' }),
      from: this.isMember,
      read: (answer) => (answer.type === 'welcome' ? { kind: 'answer', value: answer.epoch } : undefined),
      timing: helloTiming,
      deadlineMs: world.clock.nowMs() + refreshMs / 2,
    })
    if (asked.kind === 'answered') this.learn(asked.value)
  }
}

function foreign(id: TransactionId, found: string): ClientError {
  return new ClientError(
    'foreign-id',
    `${id} cannot be run here: ${found}. Use an id that this service's newId() made.`,
  )
}
