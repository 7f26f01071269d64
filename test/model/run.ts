import {
  advanceResending,
  type Branches,
  beginCall,
  type Conclusion,
  callAnswered,
  calledBranches,
  newBranches,
  newResending,
  openings,
  poison,
  type Resending,
  type ResendTiming,
  readDecided,
  readFound,
} from '@verdict/client/internal'
import {
  type BranchList,
  type CallResult,
  type Decided,
  type Digest,
  digestOf,
  type Looked,
  type Operation,
  operationsHash,
  type ParticipantName,
  parseId,
  sealList,
  type TransactionId,
} from '@verdict/protocol'
import type { Mail, ToRun } from './mail.ts'
import { budgetMs, nonceOf, nothing, refusal } from './names.ts'

/** What a client sets out to do. */
export interface Plan {
  readonly participants: readonly ParticipantName[]
  /** Calls to each participant, one after another; one-shots have none. */
  readonly calls: number
  readonly isOneShot: boolean
  /** Whether it asks for the abort after it asked for the commit. */
  readonly mayAbort: boolean
  /** Whether its time may be over, at any moment. */
  readonly timesOut: boolean
  /** What tells its operations from those of other runs. */
  readonly operation: string
  /** Whether it makes one more call than it waits for, as no client of ours does. */
  readonly isCareless: boolean
}

/** What the caller was told at the end. */
export type Told =
  | 'committed'
  | 'read-only'
  | 'replayed'
  /** By the group, for this id or for this run's list. */
  | 'aborted'
  /** Without a record: it gave up before it asked for the commit. */
  | 'gave up'
  | 'in doubt'

/** One run of a client's transaction. */
export interface Run {
  readonly number: number
  stage: 'new' | 'looking before' | 'calling' | 'committing' | 'looking after' | 'looking at conflict' | 'over'
  branches: Branches
  /** A call met another run of this id. */
  busy: boolean
  sealed: { readonly list: BranchList; readonly digest: Digest } | undefined
  asking: Resending | undefined
  /** Good enough if nothing better comes. */
  partial: Conclusion | undefined
  told: Told | undefined
}

export type RunEvent =
  | { readonly kind: 'received'; readonly mail: ToRun }
  | { readonly kind: 'began' | 'asked to abort' | 'ran out of time' }

// Time stands still until it is over; that the same question is sent again is what the set of messages is for.
const timing: ResendTiming = { resendMs: 1, maxResendMs: 1, unreachableMs: 1, patienceMs: Number.POSITIVE_INFINITY }

export function newRun(number: number): Run {
  return {
    number,
    stage: 'new',
    branches: newBranches(),
    busy: false,
    sealed: undefined,
    asking: undefined,
    partial: undefined,
    told: undefined,
  }
}

/** What a run may do on its own. */
export function runIdles({ stage }: Run, { mayAbort, timesOut }: Plan): readonly RunEvent[] {
  if (stage === 'new') return [{ kind: 'began' }]
  if (stage === 'over') return []
  return [
    ...(mayAbort && stage === 'committing' ? [{ kind: 'asked to abort' } as const] : []),
    ...(timesOut ? [{ kind: 'ran out of time' } as const] : []),
  ]
}

/** Changes the run in place; the product's cores read answers and keep the branches, and the way between them is the client's. */
export function advanceRun(run: Run, event: RunEvent, id: TransactionId, plan: Plan, send: (mail: Mail) => void): void {
  new Desk(run, id, plan, send).happened(event)
}

class Desk {
  readonly #run: Run
  readonly #id: TransactionId
  readonly #plan: Plan
  readonly #send: (mail: Mail) => void

  constructor(run: Run, id: TransactionId, plan: Plan, send: (mail: Mail) => void) {
    this.#run = run
    this.#id = id
    this.#plan = plan
    this.#send = send
  }

  happened(event: RunEvent): void {
    switch (event.kind) {
      case 'began':
        if (this.#isKept) this.#look('looking before')
        else this.#begin()
        return
      case 'received':
        this.#received(event.mail)
        return
      case 'asked to abort':
        this.#ask('abort')
        return
      case 'ran out of time':
        this.#outOfTime()
        return
    }
  }

  #received({ message, participant }: ToRun): void {
    switch (message.type) {
      case 'result':
        if (this.#run.stage === 'calling' && participant !== undefined) this.#result(participant, message)
        return
      case 'decided':
        if (this.#run.stage === 'committing') this.#decided(message)
        return
      case 'looked':
        this.#looked(message)
        return
    }
  }

  #begin(): void {
    const { isOneShot, participants } = this.#plan
    if (isOneShot) {
      const operations = operationsHash([this.#operation])
      this.#seal(sealList(participants.map((participant) => ({ kind: 'oneShot', participant, operations }))))
      return
    }
    this.#run.stage = 'calling'
    for (const participant of participants) this.#call(participant)
  }

  #call(participant: ParticipantName, isSurplus = false): void {
    const { branch, n } = isSurplus ? this.#surplus(participant) : beginCall(this.#run.branches, participant)
    const { opening } = branch
    this.#send({
      to: 'participant',
      participant,
      instance: opening?.instance,
      run: this.#run.number,
      message: {
        type: 'call',
        id: this.#id,
        nonce: nonceOf(this.#run.number),
        n,
        operation: this.#operation.name,
        args: this.#operation.args,
        leftMs: budgetMs,
        ...(opening && { token: opening.token }),
      },
    })
  }

  #surplus(participant: ParticipantName): ReturnType<typeof beginCall> {
    const branch = this.#run.branches.byParticipant.get(participant)
    if (branch === undefined) throw new Error('Broken invariant: one call more to a participant that was never called.')
    return { branch, n: branch.sent + 1 }
  }

  #result(participant: ParticipantName, { n, instance, token, result }: CallResult): void {
    const { branches } = this.#run
    const branch = branches.byParticipant.get(participant)
    if (branch === undefined || n !== branch.sent || branch.answered === branch.sent) return
    switch (result.kind) {
      case 'value': {
        const { opening } = branch
        if (token === undefined || (opening !== undefined && opening.token !== token)) return
        callAnswered(branch, { instance, token })
        if (branch.answered < this.#plan.calls) this.#call(participant)
        else if ([...branches.byParticipant.values()].every(({ answered }) => answered === this.#plan.calls))
          this.#seal(sealList(calledBranches(branches)))
        return
      }
      case 'busy':
        this.#run.busy = true
        poison(branches, refusal)
        this.#giveUp()
        return
      case 'refused':
        poison(branches, result.reason)
        this.#giveUp()
        return
    }
  }

  #seal(list: BranchList): void {
    if (this.#plan.isCareless) for (const participant of this.#plan.participants) this.#call(participant, true)
    this.#run.sealed = { list, digest: digestOf(this.#id, list) }
    this.#run.stage = 'committing'
    this.#run.asking = newResending(budgetMs)
    for (const { kind } of advanceResending(this.#run.asking, { kind: 'begun' }, 0, 0, timing))
      if (kind === 'send') this.#ask('commit')
  }

  #ask(type: 'commit' | 'abort'): void {
    const { sealed, number } = this.#run
    if (sealed === undefined) throw new Error('Broken invariant: a commit without a list.')
    const of = { id: this.#id, ...sealed }
    const operations = this.#plan.isOneShot ? { operations: this.#operations(sealed.list) } : {}
    this.#send({
      to: 'group',
      from: 'run',
      run: number,
      message:
        type === 'abort'
          ? { type, ...of, reason: refusal }
          : { type, ...of, leftMs: budgetMs, wait: 'decided', ...operations },
    })
  }

  #operations(list: BranchList): readonly (readonly Operation[])[] {
    return list.map(() => [this.#operation])
  }

  #decided(decided: Decided): void {
    const { sealed } = this.#run
    if (sealed === undefined) return
    const operations = this.#plan.isOneShot ? this.#operations(sealed.list) : undefined
    const reading = readDecided(decided, { digest: sealed.digest, wait: 'decided', operations })
    if (reading === undefined || reading.kind === 'again') return
    if (reading.kind === 'partial') this.#run.partial = reading.conclusion
    else this.#conclude(reading.conclusion)
  }

  #conclude(conclusion: Conclusion): void {
    switch (conclusion.kind) {
      case 'committed':
        this.#end(conclusion.path === 'read-only' ? 'read-only' : 'committed')
        return
      case 'aborted':
        this.#end('aborted')
        return
      case 'conflict':
        if (this.#isKept) this.#look('looking at conflict')
        else this.#end('aborted')
        return
      case 'hazards':
      case 'expired':
      case 'unusable':
        this.#end('in doubt')
        return
    }
  }

  #look(stage: Extract<Run['stage'], `looking ${string}`>): void {
    this.#run.stage = stage
    const message = { type: 'look', ids: [this.#id] } as const
    this.#send({ to: 'group', from: 'run', run: this.#run.number, message })
  }

  #looked({ found: [found] }: Looked): void {
    const { stage, busy } = this.#run
    if (found === undefined || !stage.startsWith('looking')) return
    const advice = readFound(found)
    switch (advice.kind) {
      case 'replay':
        this.#end('replayed')
        return
      case 'aborted':
        this.#end('aborted')
        return
      case 'hazards':
      case 'expired':
        this.#end('in doubt')
        return
      case 'run':
        if (stage === 'looking before') this.#begin()
        else if (stage === 'looking at conflict') this.#end('in doubt')
        // Another run is under way: look again, or be in doubt when the time is over.
        else if (!busy) this.#end('gave up')
        return
    }
  }

  /** Before the commit was asked for, giving up releases the branches (rule R3); under a kept id another run may have come to something. */
  #giveUp(): void {
    const { branches, number } = this.#run
    branches.sealed = true
    for (const { participant, opening } of openings(branches)) {
      const message = { type: 'release', id: this.#id, token: opening.token } as const
      this.#send({ to: 'participant', participant, instance: opening.instance, run: number, message })
    }
    if (this.#isKept) this.#look('looking after')
    else this.#end('gave up')
  }

  #outOfTime(): void {
    const { stage, asking, partial, branches } = this.#run
    if (stage === 'calling') {
      poison(branches, refusal)
      this.#giveUp()
    } else if (stage === 'committing' && asking !== undefined) {
      const given = advanceResending(asking, { kind: 'woke' }, budgetMs, 0, timing)
      if (given.some(({ kind }) => kind === 'giveUp')) {
        if (partial === undefined) this.#end('in doubt')
        else this.#conclude(partial)
      }
    } else this.#end('in doubt')
  }

  #end(told: Told): void {
    const run = this.#run
    run.stage = 'over'
    run.told = told
  }

  get #operation(): Operation {
    return { name: this.#plan.operation, args: nothing }
  }

  get #isKept(): boolean {
    return parseId(this.#id).mark === 'kept'
  }
}
