import type { PrepareResult, Row } from '@verdict/participant'
import {
  advanceBranch,
  type Ballot,
  type Branch,
  type BranchEffect,
  type BranchEvent,
  ballotFor,
  branchWakeAtMs,
  consult,
  type Doubt,
  endingFor,
  isEnough,
  isNote,
  isOpen,
  mayBeOpenedAnew,
  mayRunAnew,
  newBranch,
  newOneShot,
  refusedBallot,
  rowOf,
  type SealedList,
  type Told,
  toldBy,
  unknownBranch,
} from '@verdict/participant/internal'
import {
  branchOf,
  type Call,
  type Digest,
  type Outcome,
  type Prepare,
  parseId,
  type Reason,
  type ReportedHazard,
  type TransactionId,
} from '@verdict/protocol'
import type { Choose } from './choice.ts'
import { noDoubts, recover } from './doubts.ts'
import { limits } from './limits.ts'
import type { Mail, ToParticipant, Word } from './mail.ts'
import { nothing, refusal, tokenOf } from './names.ts'
import {
  type Nature,
  newInstance,
  type Participant,
  type ParticipantEvent,
  type Surroundings,
} from './participant-state.ts'
import { finishIn, lookAt, prepareIn, tombstoneIn } from './resource.ts'

/** Changes the participant in place; the product's cores decide, and what they ask for is done as an instance does it. */
export function advanceParticipant(
  participant: Participant,
  event: ParticipantEvent,
  id: TransactionId,
  nature: Nature,
  send: (mail: Mail) => void,
  choose: Choose,
): void {
  if (event.kind === 'lost') {
    participant.resource.row = { state: 'nothing' }
    return
  }
  const instance = participant.instances[event.instance]
  if (instance === undefined) throw new Error('Broken invariant: an event at an instance that is not there.')
  if (event.kind === 'crashed') {
    instance.isAlive = false
    instance.branch = undefined
    instance.ended = false
    instance.doubts = noDoubts()
    participant.instances.push(newInstance(participant.name, participant.instances.length))
    return
  }
  new Desk({ participant, instance, id, nature, send, choose }).happened(event)
}

class Desk {
  readonly #at: Surroundings

  constructor(at: Surroundings) {
    this.#at = at
  }

  happened(event: Exclude<ParticipantEvent, { kind: 'crashed' | 'lost' }>): void {
    switch (event.kind) {
      case 'received':
        this.#received(event.mail)
        return
      case 'inquired':
        this.#inquire()
        return
      case 'swept':
        this.#sweep()
        return
      case 'ranOut': {
        const { branch } = this.#at.instance
        if (branch !== undefined) this.#apply(branch, { kind: 'woke' }, branchWakeAtMs(branch, limits))
        return
      }
      case 'worked':
        this.#work()
        return
    }
  }

  #received({ message, run }: ToParticipant): void {
    switch (message.type) {
      case 'call':
        this.#call(message, run ?? 0)
        return
      case 'release': {
        const { branch } = this.#at.instance
        if (branch !== undefined && !isNote(branch)) this.#apply(branch, { kind: 'released', token: message.token })
        return
      }
      case 'prepare':
        this.#prepare(message)
        return
      case 'outcome':
        this.#end({ kind: message.outcome, digest: message.digest, token: message.token })
        return
      case 'inquiryAnswer':
        for (const answer of message.answers) {
          const told = toldBy(answer)
          if (told !== undefined) this.#end(told)
        }
        return
    }
  }

  #call({ n, token, nonce, operation, args, leftMs }: Call, run: number): void {
    const { branch, ended } = this.#at.instance
    const call = { n, operation: { name: operation, args }, leftMs, asker: { inbox: String(run), request: n } }
    const refuse = (result: { kind: 'busy' } | { kind: 'refused'; reason: Reason }): void =>
      this.#answer(run, n, undefined, result)
    if (token !== undefined) {
      if (branch === undefined) refuse({ kind: 'refused', reason: unknownBranch })
      else this.#apply(branch, { kind: 'called', token, call })
    } else if (ended) refuse({ kind: 'busy' })
    else if (branch !== undefined && !mayBeOpenedAnew(branch, nonce))
      this.#apply(branch, { kind: 'first-called', nonce, call })
    else if (this.#mayOpen)
      this.#begin(newBranch({ id: this.#at.id, token: this.#newToken(), nonce, trace: undefined }, call, 0, limits))
  }

  #prepare({ list, digest, operations, leftMs }: Prepare): void {
    const { participant, instance, id } = this.#at
    const { branch } = instance
    const listed = branchOf(list, participant.name)
    if (listed === undefined) return
    const sealed: SealedList = { list, digest }
    const named = listed.kind === 'called' && listed.instance === instance.name
    const isAnew = branch === undefined || mayRunAnew(branch, digest)
    if (listed.kind === 'oneShot' && operations !== undefined && isAnew && !instance.ended) {
      // As where there is no room: its first copy may be prepared already.
      if (!this.#mayOpen) {
        this.#consult({ kind: 'consult', sealed, otherwise: refusedBallot(refusal) })
        return
      }
      const opening = { id, token: this.#newToken(), trace: undefined, readOnly: false, lone: undefined }
      this.#begin(newOneShot(opening, sealed, operations, leftMs, 0))
    } else if (branch !== undefined) this.#apply(branch, { kind: 'prepare-asked', sealed, listed, named })
    else this.#consult(consult(sealed, listed, named))
  }

  #begin({ branch, effects }: ReturnType<typeof newBranch>): void {
    this.#at.instance.branch = branch
    for (const effect of effects) this.#perform(branch, effect)
  }

  #apply(branch: Branch, event: BranchEvent, nowMs = 0): void {
    const effects = advanceBranch(branch, event, nowMs, limits)
    const { instance } = this.#at
    if (branch.stage === 'gone' && instance.branch === branch) instance.branch = undefined
    for (const effect of effects) this.#perform(branch, effect)
  }

  #perform(branch: Branch, effect: BranchEffect): void {
    switch (effect.kind) {
      case 'open':
      case 'run':
      case 'prepare':
        if (!this.#at.nature.isSlow) this.#work()
        return
      case 'rollback':
        return
      case 'answer':
        this.#answer(Number(effect.asker.inbox), effect.n, branch, effect.result)
        return
      case 'vote':
        this.#vote(effect.digest, effect.ballot)
        return
      case 'consult':
        this.#consult(effect)
        return
      case 'look':
        this.#apply(branch, { kind: 'looked', row: this.#look() })
        return
      case 'held': {
        const { list, digest } = effect.sealed
        this.#recover({ kind: 'held', doubt: { id: this.#at.id, digest, token: branch.token, list } })
        return
      }
      case 'commit':
      case 'tell':
      case 'settle':
        throw new Error('The search asks no branch to decide alone.')
    }
  }

  /** The resource has done what the branch waits for. */
  #work(): void {
    const { branch } = this.#at.instance
    if (branch === undefined) return
    if (branch.stage === 'opening') this.#apply(branch, this.#opened(branch))
    else if (branch.stage === 'preparing')
      this.#apply(branch, { kind: 'prepare-ended', result: this.#prepared(branch) })
    else if (branch.running) this.#apply(branch, this.#ran(branch))
  }

  /** Under an id of the caller's, another run may have prepared it here (rule R17). */
  #opened(branch: Branch): BranchEvent {
    const isRerun = branch.nonce !== undefined && parseId(branch.id).mark === 'kept'
    return isRerun && this.#look().state !== 'nothing' ? { kind: 'met-row' } : { kind: 'opened' }
  }

  #ran({ started: n }: Branch): BranchEvent {
    const came = this.#at.nature.callsFail ? this.#at.choose('the call succeeds', 'the call fails') : undefined
    return came === 'the call fails'
      ? { kind: 'ran', n, result: { kind: 'refused', reason: refusal } }
      : { kind: 'ran', n, result: { kind: 'value', value: nothing } }
  }

  #prepared({ sealed, token, started }: Branch): PrepareResult {
    if (sealed === undefined) throw new Error('Broken invariant: a branch prepares without a list.')
    const { participant, nature, choose } = this.#at
    const write = (): PrepareResult => prepareIn(participant.resource, { digest: sealed.digest, token, calls: started })
    const [only, ...others] = nature.prepares
    switch (others.length === 0 ? only : choose(...nature.prepares)) {
      case 'read-only':
        return { kind: 'read-only' }
      case 'refused':
        return { kind: 'refused', reason: refusal }
      case 'uncertain':
        write()
        return { kind: 'busy' }
      case 'uncertain, not prepared':
        return { kind: 'busy' }
      default:
        return write()
    }
  }

  #consult({ sealed, otherwise }: Extract<BranchEffect, { kind: 'consult' }>): void {
    const { list, digest } = sealed
    const row = this.#look()
    if (row.state === 'prepared' && row.digest === digest)
      this.#found({ id: this.#at.id, digest, token: row.token, list })
    this.#vote(digest, ballotFor(row, digest, otherwise))
  }

  /** The table of rule R8; what comes to `later` is tried again when the outcome, which stays on its way, comes again. */
  #end(told: Told): void {
    const { participant, instance } = this.#at
    const known = instance.branch && rowOf(instance.branch)
    const row = known !== undefined && isEnough(known, told) ? known : this.#look()
    const ending = endingFor(row, told)
    switch (ending.kind) {
      case 'finish': {
        const finished = finishIn(participant.resource, ending.branch, ending.ending)
        if (finished === 'absent') {
          this.#notPrepared()
          this.#end(told)
        } else if (ending.ending === 'discarded') this.#notPrepared()
        else this.#acknowledge(told, ending.ending)
        return
      }
      case 'acknowledge':
        this.#acknowledge(told, ending.applied)
        return
      case 'tombstone': {
        this.#drop()
        if (tombstoneIn(participant.resource, this.#isUnderway) === 'done') this.#acknowledge(told, 'aborted')
        return
      }
      case 'hazard':
        this.#hazard(told.digest, ending.hazard)
        this.#watch(row)
        return
      case 'ignore':
        this.#watch(row)
        return
      case 'quarantine':
      case 'later':
        return
    }
  }

  #acknowledge(told: Told, applied: Outcome): void {
    const { instance, id } = this.#at
    this.#drop()
    this.#notPrepared()
    instance.branch = instance.branch && isNote(instance.branch) ? undefined : instance.branch
    instance.ended = true
    this.#say({ type: 'ack', id, digest: told.digest, instance: instance.name, applied })
  }

  #hazard(digest: Digest, kind: ReportedHazard): void {
    this.#say({ type: 'hazard', id: this.#at.id, digest, kind, note: '' })
  }

  #watch(row: Row): void {
    if (row.state === 'prepared') this.#found({ id: this.#at.id, digest: row.digest, token: row.token })
    else this.#notPrepared()
  }

  #drop(): void {
    const { branch } = this.#at.instance
    if (branch !== undefined && isOpen(branch)) this.#apply(branch, { kind: 'dropped', reason: refusal })
  }

  #notPrepared(): void {
    const { branch } = this.#at.instance
    this.#recover({ kind: 'ended', id: this.#at.id })
    if (branch !== undefined && !isNote(branch)) this.#apply(branch, { kind: 'ended' })
  }

  #sweep(): void {
    const row = this.#look()
    if (row.state === 'prepared') this.#found({ id: this.#at.id, digest: row.digest, token: row.token })
  }

  #found(doubt: Doubt): void {
    this.#recover({ kind: 'found', doubt, old: true, fraction: 0 })
  }

  #inquire(): void {
    const { instance } = this.#at
    for (const { branches } of this.#recover({ kind: 'woke', fraction: 0 }))
      this.#say({ type: 'inquiry', instance: instance.name, branches })
    // As a new leader's announcement does: how often it has asked is forgotten, so that asking again is nothing new.
    for (const { group } of instance.doubts.watched.values())
      this.#recover({ kind: 'announced', group, term: 0, fraction: 0 })
  }

  #recover(event: Parameters<typeof recover>[1]): ReturnType<typeof recover>['inquiries'] {
    const { instance } = this.#at
    const { doubts, inquiries } = recover(instance.doubts, event)
    instance.doubts = doubts
    return inquiries
  }

  #look(): Row {
    return lookAt(this.#at.participant.resource, this.#isUnderway)
  }

  get #isUnderway(): boolean {
    return this.#at.participant.instances.some(({ branch }) => branch?.stage === 'preparing')
  }

  get #mayOpen(): boolean {
    return this.#at.participant.openings < this.#at.nature.openings
  }

  #newToken(): ReturnType<typeof tokenOf> {
    const { participant } = this.#at
    participant.openings += 1
    return tokenOf(participant.name, participant.openings)
  }

  #vote(digest: Digest, ballot: Ballot): void {
    const { instance, id } = this.#at
    const durability = ballot.kind === 'prepared' ? { durability: 'full' as const } : {}
    this.#say({ type: 'vote', id, digest, vote: { ...ballot, ...durability, instance: instance.name } as never })
  }

  #answer(
    run: number,
    n: number,
    branch: Branch | undefined,
    result: Extract<BranchEffect, { kind: 'answer' }>['result'],
  ): void {
    const { id, instance, participant } = this.#at
    const token = branch === undefined || result.kind === 'busy' ? {} : { token: branch.token }
    const message = { type: 'result', id, n, instance: instance.name, ...token, result } as const
    this.#at.send({ to: 'run', run, participant: participant.name, message })
  }

  #say(message: Word['message']): void {
    this.#at.send({ to: 'group', from: 'participant', participant: this.#at.participant.name, message })
  }
}
