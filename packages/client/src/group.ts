import {
  type Answer,
  type Answerer,
  budgetsPerRetention,
  type Epoch,
  type GroupId,
  type GroupName,
  type IdMark,
  makeId,
  maxBudgetMs,
  type OwnerName,
  parseGroupId,
  parseId,
  reasonCodes,
  type Subjects,
  type Token,
  type TransactionId,
  transactionId,
  type Welcome,
} from '@verdict/protocol'
import type { Timer, World } from '@verdict/runtime'
import { type Asked, ask } from './ask.ts'
import type { Crowd } from './crowd.ts'
import { ClientError } from './errors.ts'
import type { Inbox } from './inbox.ts'
import type { ResendTiming } from './resend.ts'
import type { ClientTelemetry } from './telemetry.ts'

/** An epoch older than this, by the client's own clock, is asked for again: ids of old epochs are forgotten first (rule R11). */
const maxEpochAgeMs = 60_000
/** A group that keeps little for long leaves as much of it to a transaction as it may take: this part may be gone when it begins. */
const agesPerRetention = 6
/** How long a transaction waits for the epoch before it begins with the one that is known, and may so expire early. */
const epochPatienceMs = 2_000

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
  private learntAtMs: number
  private retentionMs: number
  private greeting: Promise<unknown> | undefined
  private refresh: Timer | undefined

  /** Learns who the group is: asks until its leader answers. @throws the reason of `signal`, when that ends the waiting. */
  static async meet(line: Line, name: GroupName, signal: AbortSignal | undefined): Promise<Group> {
    const from = (by: Answerer): boolean => by.kind === 'replica' && parseGroupId(by.group).name === name
    const asked = await greet(line, name, from, Infinity, signal)
    if (asked.kind === 'answered') return new Group(line, asked.value)
    throw signal?.reason ?? new Error(`Broken invariant: the search for the group ${name} ended.`)
  }

  private constructor(line: Line, { group, epoch, retentionMs }: Welcome) {
    this.line = line
    this.id = group
    this.epoch = epoch
    this.retentionMs = retentionMs
    this.learntAtMs = line.world.clock.nowMs()
    this.armRefresh()
  }

  /** The longest budget that a transaction may have here (rule R11). */
  get maxBudgetMs(): number {
    return Math.max(1, Math.min(maxBudgetMs, Math.floor(this.retentionMs / budgetsPerRetention)))
  }

  /** Whether a message came from a replica of this group, of this incarnation. */
  readonly isMember = (by: Answerer): boolean => by.kind === 'replica' && by.group === this.id

  /** Learns the epoch from whatever the group answers; it never goes back. A participant may know that it is old. */
  heard(by: Answerer, answer: Answer): void {
    if (
      answer.type === 'result' &&
      answer.result.kind === 'refused' &&
      answer.result.reason.code === reasonCodes.expired
    )
      this.learntAtMs = Number.NEGATIVE_INFINITY
    if (!this.isMember(by) || !('epoch' in answer)) return
    if (answer.type === 'welcome') this.retentionMs = answer.retentionMs
    if (answer.epoch < this.epoch) return
    this.epoch = answer.epoch
    this.learntAtMs = this.line.world.clock.nowMs()
  }

  /** Asks for the epoch first if the known one is too old for a new id. */
  async freshen(): Promise<void> {
    if (this.epochAgeMs > this.maxEpochAgeMs) await this.greet()
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

  private get maxEpochAgeMs(): number {
    return Math.min(maxEpochAgeMs, this.retentionMs / agesPerRetention)
  }

  private get epochAgeMs(): number {
    return this.line.world.clock.nowMs() - this.learntAtMs
  }

  /** An idle client asks in time, so that ids can be made at once. */
  private armRefresh(): void {
    const halfMs = this.maxEpochAgeMs / 2
    this.refresh = this.line.world.clock.after(halfMs, () => {
      this.armRefresh()
      // Too many requests may wait for answers just now: a transaction asks for itself.
      if (this.epochAgeMs >= halfMs) this.greet().catch(() => undefined)
    })
  }

  /** Asks once for all who wait. What is answered is heard as every answer is. */
  private greet(): Promise<unknown> {
    const deadlineMs = this.line.world.clock.nowMs() + epochPatienceMs
    this.greeting ??= greet(this.line, parseGroupId(this.id).name, this.isMember, deadlineMs).finally(() => {
      this.greeting = undefined
    })
    return this.greeting
  }
}

async function greet(
  { world, inbox, subjects, owner }: Line,
  name: GroupName,
  from: (by: Answerer) => boolean,
  deadlineMs: number,
  signal?: AbortSignal,
): Promise<Asked<Welcome>> {
  return await ask(world, inbox, {
    subject: subjects.hello(name, owner),
    message: () => ({ type: 'hello' }),
    from,
    read: (answer) => (answer.type === 'welcome' ? { kind: 'answer', value: answer } : undefined),
    timing: helloTiming,
    deadlineMs,
    signal,
  })
}

function foreign(id: TransactionId, found: string): ClientError {
  return new ClientError(
    'foreign-id',
    `${id} cannot be run here: ${found}. Use an id that this service's newId() made.`,
  )
}
