import {
  cutReason,
  encodePayload,
  forbidNested,
  type InputOf,
  makeToken,
  maxLabelLength,
  type Nonce,
  type Operation,
  type OutputOf,
  type ParticipantContract,
  type ParticipantName,
  participantName,
  type Reason,
  reasonCodes,
  type TransactionId,
} from '@verdict/protocol'
import type { Timer } from '@verdict/runtime'
import { type Branches, beginCall, callAnswered, newBranches, type Opening, openings, poison } from './branches.ts'
import { callOperation, otherRun } from './call.ts'
import type { Tally } from './cost.ts'
import { ClientError, TransactionAborted } from './errors.ts'
import type { Line } from './group.ts'

/** The operations of a participant, as functions of their input. */
export type Calls<P extends ParticipantContract> = {
  readonly [O in keyof P['operations']]: (
    ...input: Arguments<InputOf<P['operations'][O]>>
  ) => Promise<OutputOf<P['operations'][O]>>
}

/** An operation whose input may be undefined is called without. */
export type Arguments<Input> = undefined extends Input ? [input?: Input] : [input: Input]

/** A transaction under way, for the function that makes its calls. */
export interface Transaction {
  readonly id: TransactionId
  /**
   * The operations of a participant: `tx.on<Payments>('payments').debit({ … })`. Calls to one participant run one after another in
   * the order in which they were made, calls to different ones at the same time. A call that fails, or is not answered, ends the
   * transaction: it can only abort then, even if its error is caught.
   */
  on<P extends ParticipantContract>(participant: P['name']): Calls<P>
  /** Aborts the transaction, by throwing what ends its function. */
  abort(message?: string): never
}

/** The interactive part of a transaction: from its first call until its list is sealed, or until it gives up. */
export class Interactive implements Transaction {
  readonly id: TransactionId
  readonly branches: Branches = newBranches()
  /** A call met another run of this id. */
  busy = false
  private readonly line: Line
  private readonly nonce: Nonce
  private readonly begunAtMs: number
  private readonly endsAtMs: number
  private readonly signal: AbortSignal | undefined
  private readonly tally: Tally
  private readonly ending = new AbortController()
  private readonly interrupted = Promise.withResolvers<never>()
  /** The last call of each participant, settled or not; never rejects. */
  private readonly tails = new Map<ParticipantName, Promise<unknown>>()
  private made = 0

  constructor(
    line: Line,
    plan: {
      readonly id: TransactionId
      readonly begunAtMs: number
      readonly endsAtMs: number
      readonly signal: AbortSignal | undefined
      readonly tally: Tally
    },
  ) {
    this.line = line
    this.id = plan.id
    this.begunAtMs = plan.begunAtMs
    this.endsAtMs = plan.endsAtMs
    this.signal = plan.signal
    this.tally = plan.tally
    this.nonce = makeToken(line.world.random.bytes(12))
    this.interrupted.promise.catch(() => undefined)
  }

  /**
   * Runs the function and waits for every call that it made.
   * @throws TransactionAborted when anything failed; branches are released then.
   */
  async run<T>(work: (tx: Transaction) => Promise<T> | T): Promise<T> {
    const { clock } = this.line.world
    const budget: Timer = clock.after(this.endsAtMs - clock.nowMs(), () => this.interrupt(budgetSpent))
    const cancel = (): void => this.interrupt(cancelled)
    this.signal?.addEventListener('abort', cancel)
    try {
      if (this.signal?.aborted) cancel()
      const value = await Promise.race([this.attempt(work), this.interrupted.promise])
      if (this.branches.poison !== undefined) throw this.aborted(this.branches.poison)
      return value
    } catch (error) {
      throw this.giveUp(error)
    } finally {
      budget.cancel()
      this.signal?.removeEventListener('abort', cancel)
    }
  }

  on<P extends ParticipantContract>(participant: P['name']): Calls<P> {
    const name = participantName(participant)
    return callsTo<Calls<P>>((operation, input) => this.call(name, operation, input))
  }

  abort(message = 'The caller asked for the abort.'): never {
    const reason = cutReason({ code: reasonCodes.clientAborted, message, retryable: false })
    poison(this.branches, reason)
    throw this.aborted(this.branches.poison ?? reason)
  }

  /** The openings are not ours any more: they were released, or the group has them. */
  forget(): void {
    for (const { opening } of openings(this.branches)) this.line.held.delete(opening.token)
  }

  private async attempt<T>(work: (tx: Transaction) => Promise<T> | T): Promise<T> {
    if (this.branches.poison !== undefined) throw this.aborted(this.branches.poison)
    const value = await work(this)
    // A call that was answered may lead to another one, of a promise that the function did not await.
    for (let made = -1; made !== this.made; ) {
      made = this.made
      await Promise.all(this.tails.values())
    }
    this.branches.sealed = true
    return value
  }

  private call(participant: ParticipantName, name: string, input: unknown): Promise<unknown> {
    this.made += 1
    const called = this.callInTurn(participant, name, input, this.tails.get(participant))
    // Its failure is told by the transaction as well: one that nobody awaits must not stop the process.
    this.tails.set(
      participant,
      called.catch(() => undefined),
    )
    return called
  }

  private async callInTurn(
    participant: ParticipantName,
    name: string,
    input: unknown,
    before: Promise<unknown> | undefined,
  ): Promise<unknown> {
    try {
      const operation = plannedOperation(participant, name, input)
      await before
      if (this.branches.poison !== undefined) throw this.aborted(this.branches.poison)
      return await this.callNow(participant, operation)
    } catch (error) {
      this.line.telemetry.metering.refused(error)
      poison(this.branches, reasonOf(error))
      throw error
    }
  }

  private async callNow(participant: ParticipantName, operation: Operation): Promise<unknown> {
    const { id, nonce, begunAtMs, endsAtMs, tally } = this
    const { branch, n } = beginCall(this.branches, participant)
    const signal = this.ending.signal
    const onOpening = (opening: Opening): void => {
      callAnswered(branch, opening)
      this.line.held.add(opening.token)
    }
    const called = await callOperation(this.line, {
      id,
      nonce,
      branch,
      n,
      operation,
      begunAtMs,
      endsAtMs,
      signal,
      tally,
      onOpening,
    })
    switch (called.kind) {
      case 'value':
        return called.value
      case 'busy':
        this.busy = true
        poison(this.branches, { ...otherRun, participant })
        break
      case 'failed':
        poison(this.branches, called.reason)
    }
    throw this.aborted(this.branches.poison ?? otherRun)
  }

  private interrupt(reason: Reason): void {
    poison(this.branches, reason)
    this.ending.abort()
    this.interrupted.reject(this.aborted(reason))
  }

  /** Before commit was asked for, giving up releases the branches and logs nothing (rule R3). */
  giveUp(error: unknown): TransactionAborted {
    const thrown = error instanceof TransactionAborted && error.id === this.id ? error : undefined
    poison(this.branches, thrown?.reason ?? reasonOf(error))
    this.branches.sealed = true
    this.ending.abort()
    const { inbox, subjects, owner } = this.line
    for (const { participant, opening } of openings(this.branches)) {
      inbox.tell(subjects.call(participant, opening.instance, owner), {
        type: 'release',
        id: this.id,
        token: opening.token,
      })
    }
    this.forget()
    return thrown ?? this.aborted(this.branches.poison ?? reasonOf(error), error)
  }

  private aborted(reason: Reason, cause?: unknown): TransactionAborted {
    return new TransactionAborted(this.id, reason, false, cause === undefined ? undefined : { cause })
  }
}

/** An object on which every operation's name is a function. */
export function callsTo<C>(call: (operation: string, input: unknown) => unknown): C {
  const get = (_: object, name: string | symbol): unknown =>
    // Awaiting the object must not look like calling an operation.
    typeof name === 'symbol' || name === 'then' ? undefined : (input?: unknown) => call(name, input)
  return new Proxy({}, { get }) as C
}

/** @throws ProtocolError when the input cannot travel, ClientError `bad-option`, NestedCallError */
export function plannedOperation(participant: ParticipantName, name: string, input: unknown): Operation {
  const what = `${participant}.${name}`
  forbidNested(`A call of ${what}`)
  if (name.length > maxLabelLength) {
    throw new ClientError(
      'bad-option',
      `${what} is no operation: expected a name of at most ${maxLabelLength} characters.`,
      'maxLabelLength',
    )
  }
  return { name, args: encodePayload(input, `The arguments of ${what}`) }
}

function reasonOf(error: unknown): Reason {
  const message = `The transaction's function threw: ${error instanceof Error ? error.message : String(error)}`
  const retryable = error instanceof ClientError && error.retryable
  return cutReason({ code: reasonCodes.clientAborted, message, retryable })
}

const budgetSpent: Reason = {
  code: reasonCodes.budgetSpent,
  message: 'The budget was spent before the commit was asked for.',
  retryable: true,
}
const cancelled: Reason = {
  code: reasonCodes.clientAborted,
  message: "The caller's signal was aborted before the commit was asked for.",
  retryable: true,
}
