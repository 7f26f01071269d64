import {
  type Answer,
  type Answerer,
  type Found,
  forbidNested,
  groupName,
  maxBudgetMs,
  namespace,
  ownerName,
  type ParticipantContract,
  subjects,
  type TransactionId,
  transactionId,
} from '@verdict/protocol'
import { connectNats, systemClock, systemRandom, type World } from '@verdict/runtime'
import { Crowd } from './crowd.ts'
import { ClientError, type Doubt } from './errors.ts'
import { Group, type Line } from './group.ts'
import { type AnswerCounters, type AnswerListeners, Inbox } from './inbox.ts'
import type { Transaction } from './interactive.ts'
import { look } from './look.ts'
import {
  checkOptions,
  type KeptTransactionOptions,
  type Plan,
  type SubmitOptions,
  type TransactionOptions,
} from './options.ts'
import { findOutcome, type Outcome } from './outcome.ts'
import { attempt } from './retry.ts'
import { type PlannedCall, type PlannedCalls, planCall, type Submitted, submitCalls, type ValuesOf } from './submit.ts'
import { ClientTelemetry } from './telemetry.ts'
import { type Executed, type Replayed, runTransaction } from './transaction.ts'

/** Transactions of one client at a time. Each may hold locks at its participants: more would wait for one another. */
const maxTransactions = 4_096

/** What a caller wants, checked before anything is done for it. */
type Checked = Omit<Plan, 'id' | 'kept'> & { readonly keptId: TransactionId | undefined }

/** Where to connect, and as whom. */
export interface ConnectOptions {
  /** Addresses of NATS servers, such as `nats://10.0.0.1:4222`. */
  readonly servers?: string | readonly string[]
  /** A world of one's own instead of a connection to `servers`: the simulated one, or one in this process. It is not closed. */
  readonly world?: World
  /** Who begins the transactions: the service's name. */
  readonly owner: string
  /** The coordinator group that decides them: `main` unless said. */
  readonly group?: string
  /** First token of all subjects: `verdict` unless said. */
  readonly namespace?: string
  /** Ends the waiting for the group. */
  readonly signal?: AbortSignal
}

/** Connects, and waits until the group's leader answers. @throws ProtocolError, ClientError for options that cannot be used. */
export async function connect(options: ConnectOptions): Promise<Verdict> {
  const { servers, world: given, signal } = options
  const owner = ownerName(options.owner)
  const name = groupName(options.group ?? 'main')
  const under = subjects(namespace(options.namespace))
  if ((servers === undefined) === (given === undefined)) {
    throw new ClientError(
      'bad-option',
      'Expected either servers (addresses of NATS) or a world, not both and not none.',
    )
  }
  const world: World = given ?? {
    clock: systemClock,
    random: systemRandom,
    bus: await connectNats({ servers: servers ?? [], name: owner }),
  }
  const held: Line['held'] = new Set()
  let group: Group | undefined
  const listeners: AnswerListeners = {
    heard: (by, answer) => group?.heard(by, answer),
    late: (by, answer) => releaseStray(line, by, answer),
  }
  const telemetry = new ClientTelemetry(world.clock)
  const inbox = new Inbox(world, under, owner, listeners, telemetry.metering)
  const line: Line = { world, inbox, subjects: under, owner, held, crowd: new Crowd(world.clock), telemetry }
  const hangUp = async (): Promise<void> => {
    inbox.stop()
    if (given === undefined) await world.bus.close()
  }
  try {
    group = await Group.meet(line, name, signal)
    return new Verdict(line, group, hangUp)
  } catch (error) {
    await hangUp()
    throw error
  }
}

/** A first call that was sent twice may have opened two branches; the one that nobody holds is let go. */
function releaseStray({ inbox, subjects, owner, held }: Line, by: Answerer, answer: Answer): void {
  if (by.kind !== 'participant' || answer.type !== 'result' || answer.token === undefined || held.has(answer.token))
    return
  const { id, instance, token } = answer
  inbox.tell(subjects.call(by.participant, instance, owner), { type: 'release', id, token })
}

/** A connected client: begins transactions, and learns what became of them. Disposing of it closes it. */
export class Verdict implements AsyncDisposable {
  private readonly line: Line
  private readonly group: Group
  private readonly hangUp: () => Promise<void>
  private readonly running = new Set<Promise<unknown>>()
  private closing: Promise<void> | undefined

  /** Use `connect`. */
  constructor(line: Line, group: Group, hangUp: () => Promise<void>) {
    this.line = line
    this.group = group
    this.hangUp = hangUp
  }

  /** Answers that could not be used, since the client was connected. */
  get counters(): Readonly<AnswerCounters> {
    return this.line.inbox.counters
  }

  /**
   * Makes an id to be kept with the request before a transaction is run under it: `transaction(work, { id })`. It counts for as long
   * as the group keeps what is settled: an hour, unless it was set up otherwise.
   */
  newId(): TransactionId {
    return this.group.newId('kept')
  }

  /**
   * Runs a function whose calls all take effect, or none. It resolves when the transaction is committed.
   * @throws TransactionAborted when nothing took effect, InDoubt when that is not known, CommittedWithHazards
   */
  transaction<T>(
    work: (tx: Transaction) => Promise<T> | T,
    options: KeptTransactionOptions,
  ): Promise<Executed<T> | Replayed>
  transaction<T>(
    work: (tx: Transaction) => Promise<T> | T,
    options?: TransactionOptions & { id?: never },
  ): Promise<Executed<T>>
  async transaction<T>(
    work: (tx: Transaction) => Promise<T> | T,
    options: TransactionOptions & { readonly id?: string } = {},
  ): Promise<Executed<T> | Replayed> {
    const checked = this.check(options)
    return await this.track(async () =>
      this.attempt(await this.plan(checked), (each) => runTransaction(this.line, this.group, work, each)),
    )
  }

  /** Plans an operation for `submit`: `verdict.call<Payments>('payments').debit({ … })`. Nothing is sent. */
  call<P extends ParticipantContract>(participant: P['name']): PlannedCalls<P> {
    return planCall<P>(this.line, participant)
  }

  /**
   * Runs planned calls that all take effect, or none: one round trip to their participants. Those to the same one run in order.
   * @throws TransactionAborted when nothing took effect, InDoubt when that is not known, CommittedWithHazards
   */
  async submit<const C extends readonly PlannedCall[]>(
    calls: C,
    options: SubmitOptions & (KeptTransactionOptions | (TransactionOptions & { readonly id?: never })) = {},
  ): Promise<Submitted<ValuesOf<C>>> {
    const checked = this.check(options)
    return await this.track(async () =>
      this.attempt(await this.plan(checked), (each) => submitCalls(this.line, this.group, calls, each)),
    )
  }

  /**
   * What is recorded of a transaction, of any owner. It changes nothing; `none` and `expired` mean that nothing is recorded, not
   * that it was aborted.
   * @throws InDoubt when its group did not answer within the budget
   */
  async look(id: string, options: Pick<TransactionOptions, 'budgetMs' | 'signal'> = {}): Promise<Found> {
    const { budgetMs, signal } = checkOptions(options, maxBudgetMs)
    const deadlineMs = this.line.world.clock.nowMs() + budgetMs
    const asked = { id: transactionId(id), kept: false, deadlineMs, signal }
    return await this.track(() => look(this.line, asked))
  }

  /**
   * Asks again what became of a transaction that ended with `InDoubt`: `verdict.outcome(error.doubt)`. The answer is final. A lone
   * transaction that its participant has not committed by then never will be.
   * @throws InDoubt when it is still not known; CommittedWithHazards; ClientError for a doubt that is not this owner's
   */
  async outcome(doubt: Doubt, options: Omit<TransactionOptions, 'wait'> = {}): Promise<Outcome> {
    const { budgetMs, signal } = checkOptions(options, maxBudgetMs)
    const deadlineMs = this.line.world.clock.nowMs() + budgetMs
    const mine = { ...doubt, id: this.group.ofOwner(doubt.id) }
    return await this.track(() => findOutcome(this.line, this.group, mine, { deadlineMs, signal }))
  }

  /** Takes no new transactions, waits for those that run, and disconnects. Idempotent. */
  close(): Promise<void> {
    this.closing ??= this.drain()
    return this.closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private check(options: TransactionOptions & SubmitOptions & { readonly id?: string }): Checked {
    forbidNested('A transaction')
    const keptId = options.id === undefined ? undefined : this.group.ownId(options.id)
    const checked = checkOptions(options, this.group.maxBudgetMs)
    if (keptId !== undefined && checked.retry !== 'never') {
      throw new ClientError(
        'bad-option',
        `retry is ${checked.retry}: expected 'never' with an id of your own, which names one attempt. Keep a new id for another one.`,
      )
    }
    return { ...checked, keptId, begunAtMs: this.line.world.clock.nowMs() }
  }

  private async plan({ keptId, ...checked }: Checked): Promise<Plan> {
    if (keptId !== undefined) return { ...checked, id: keptId, kept: true }
    await this.group.freshen()
    return { ...checked, id: this.group.newId('once'), kept: false }
  }

  /** Runs it, and where its policy says so runs it anew: each time under a new id, with what is left of the budget. */
  private attempt<T>(plan: Plan, run: (plan: Plan) => Promise<T>): Promise<T> {
    const { retry: policy, begunAtMs, budgetMs, signal } = plan
    return attempt(this.line.world, { policy, endsAtMs: begunAtMs + budgetMs, signal }, async (made) => {
      if (made === 0) return await run(plan)
      await this.group.freshen()
      return await run({ ...plan, id: this.group.newId('once') })
    })
  }

  private async track<T>(begin: () => Promise<T>): Promise<T> {
    try {
      return await this.run(begin)
    } catch (error) {
      this.line.telemetry.metering.refused(error)
      throw error
    }
  }

  private async run<T>(begin: () => Promise<T>): Promise<T> {
    if (this.closing !== undefined) throw new ClientError('closed', 'This client is closed: connect() again.')
    if (this.running.size >= maxTransactions) {
      throw new ClientError(
        'overloaded',
        `${maxTransactions} transactions of this client run already: try again later.`,
        'maxTransactions',
      )
    }
    const running = begin()
    this.running.add(running)
    try {
      return await running
    } finally {
      this.running.delete(running)
    }
  }

  private async drain(): Promise<void> {
    await Promise.allSettled(this.running)
    this.group.stop()
    await this.hangUp()
  }
}
