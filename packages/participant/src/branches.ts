import {
  type Call,
  makeToken,
  type Operation,
  type Payload,
  type Prepare,
  type Reason,
  type Release,
  type Token,
  type TransactionId,
} from '@verdict/protocol'
import { refusedBallot, unknownBranch } from './ballot.ts'
import { advanceBranch, newBranch, newOneShot } from './branch.ts'
import { consult } from './branch-prepare.ts'
import { type Asker, type BranchEffect, type BranchEvent, isNote, isOpen, type SealedList } from './branch-state.ts'
import type { Doubts } from './doubts.ts'
import type { Inbound } from './inbound.ts'
import { Notes } from './notes.ts'
import { Opening } from './opening.ts'
import { abortedMeanwhile, draining, overloaded } from './reason.ts'
import type { Row } from './resource.ts'
import { Room } from './room.ts'
import type { Site } from './site.ts'
import type { Votes } from './votes.ts'
import { Wakes } from './wakes.ts'

type Arrived<K extends Inbound['kind']> = Extract<Inbound, { kind: K }>

/** All branches of one instance: hands each what concerns it, and does what it asks for. */
export class Branches {
  readonly #site: Site
  readonly #votes: Votes
  readonly #doubts: Doubts
  readonly #wakes: Wakes
  /** What holds something in the resource, or is about to. */
  readonly #live = new Map<TransactionId, Opening>()
  readonly #notes: Notes<Opening>
  /** Ids that have an outcome here: nothing of theirs runs again. */
  readonly #ended: Notes<true>
  readonly #room: Room<Opening>
  readonly #rollbacks = new Set<Promise<void>>()

  constructor(site: Site, votes: Votes, doubts: Doubts) {
    this.#site = site
    this.#votes = votes
    this.#doubts = doubts
    this.#wakes = new Wakes(site, (opening) => this.#apply(opening, { kind: 'woke' }))
    this.#room = new Room(site)
    this.#notes = new Notes(site.settings.maxNotes)
    this.#ended = new Notes(site.settings.maxNotes)
  }

  /** Whether nothing is waiting, open, prepared, or being rolled back. */
  get isIdle(): boolean {
    return this.#live.size === 0 && this.#room.isEmpty
  }

  call({ message, asker }: Arrived<'call'>): void {
    const { id, n, token, leftMs } = message
    if (token === undefined) {
      this.#firstCall(message, asker)
      return
    }
    const opening = this.#find(id)
    if (opening === undefined) {
      this.#site.post.result(asker, { id, n }, undefined, { kind: 'refused', reason: unknownBranch })
      return
    }
    this.#apply(opening, { kind: 'called', token, call: { n, operation: operationOf(message), leftMs, asker } })
  }

  release({ id, token }: Release): void {
    const opening = this.#live.get(id)
    if (opening !== undefined) this.#apply(opening, { kind: 'released', token })
  }

  prepare({ message, listed, named }: Arrived<'prepare'>): void {
    const { id, list, digest, operations } = message
    const sealed = { list, digest }
    const known = this.#find(id)
    const isAnew = known === undefined || (known.branch.stage === 'over' && known.branch.sealed?.digest !== digest)
    if (listed.kind === 'oneShot' && operations !== undefined && isAnew && this.#ended.get(id) === undefined) {
      this.#oneShot(message, operations)
    } else if (known !== undefined) {
      this.#apply(known, { kind: 'prepare-asked', sealed, listed, named })
    } else {
      const { otherwise } = consult(sealed, listed, named)
      void this.#votes.consult(id, sealed, otherwise)
    }
  }

  /** What this instance knows of the row without looking; undefined when it has to look. */
  row(id: TransactionId): Row | undefined {
    const branch = this.#live.get(id)?.branch
    if (branch?.stage === 'preparing') return { state: 'underway' }
    if (branch?.stage !== 'prepared' || branch.sealed === undefined) return undefined
    return { state: 'prepared', digest: branch.sealed.digest, token: branch.token, history: 'same' }
  }

  /** Values of a one-shot that this instance prepared. */
  results(id: TransactionId): readonly Payload[] | undefined {
    const ballot = this.#live.get(id)?.branch.ballot
    return ballot?.kind === 'prepared' ? ballot.results : undefined
  }

  /** Drops what is open: the transaction was aborted (rule R8). */
  drop(id: TransactionId): void {
    const opening = this.#live.get(id)
    if (opening !== undefined) this.#apply(opening, { kind: 'dropped', reason: abortedMeanwhile })
  }

  /** The id has an outcome that is final here. */
  ended(id: TransactionId): void {
    this.drop(id)
    this.notPrepared(id)
    this.#notes.delete(id)
    this.#ended.set(id, true)
  }

  /** The resource has no prepared branch (any more), whatever this instance remembers. An open one is not touched. */
  notPrepared(id: TransactionId): void {
    this.#doubts.ended(id)
    const opening = this.#live.get(id)
    if (opening === undefined) return
    this.#apply(opening, { kind: 'ended' })
    if (opening.branch.stage === 'gone') this.#free(opening)
  }

  /** Refuses what waits for room: another instance takes it. */
  drain(): void {
    for (const opening of this.#room.waiting) this.#apply(opening, { kind: 'dropped', reason: draining })
  }

  /** Rolls back what is open; prepared branches stay for others, or a restart. */
  async stop(): Promise<void> {
    for (const opening of [...this.#live.values()]) {
      if (isOpen(opening.branch)) this.#apply(opening, { kind: 'dropped', reason: draining })
    }
    await Promise.all(this.#rollbacks)
    this.#wakes.stop()
  }

  #firstCall(message: Call, asker: Asker): void {
    const { id, n, nonce, leftMs, trace } = message
    const { post, world, settings } = this.#site
    const known = this.#find(id)
    const call = { n, operation: operationOf(message), leftMs, asker }
    if (this.#ended.get(id) !== undefined) {
      post.result(asker, message, undefined, { kind: 'busy' })
      return
    }
    // Another run of the same id may open a branch once the one before it is over (rule R17).
    if (known !== undefined && (known.branch.stage !== 'over' || known.branch.nonce === nonce)) {
      this.#apply(known, { kind: 'first-called', nonce, call })
      return
    }
    const reason = this.#noRoom()
    if (reason !== undefined) {
      post.result(asker, message, undefined, { kind: 'refused', reason })
      return
    }
    this.#begin(newBranch({ id, token: this.#newToken(), nonce, trace }, call, world.clock.nowMs(), settings))
  }

  #oneShot(message: Prepare, operations: readonly Operation[]): void {
    const { id, list, digest, leftMs, trace } = message
    const sealed: SealedList = { list, digest }
    const reason = this.#noRoom()
    // Its first copy may be prepared already, by another instance: only an id that is not here is refused.
    if (reason !== undefined) void this.#votes.consult(id, sealed, refusedBallot(reason))
    else {
      const nowMs = this.#site.world.clock.nowMs()
      this.#begin(newOneShot({ id, token: this.#newToken(), trace }, sealed, operations, leftMs, nowMs))
    }
  }

  #noRoom(): Reason | undefined {
    if (this.#site.isDraining()) return draining
    return this.#room.isFull ? overloaded : undefined
  }

  #newToken(): Token {
    return makeToken<Token>(this.#site.world.random.bytes(12))
  }

  #begin({ branch, effects }: ReturnType<typeof newBranch>): void {
    const opening = new Opening(this.#site, branch)
    this.#notes.delete(branch.id)
    this.#live.set(branch.id, opening)
    for (const effect of effects) this.#perform(opening, effect)
    this.#wakes.set(opening)
  }

  #find(id: TransactionId): Opening | undefined {
    return this.#live.get(id) ?? this.#notes.get(id)
  }

  #apply(opening: Opening, event: BranchEvent): void {
    const { branch } = opening
    const before = branch.stage
    const effects = advanceBranch(branch, event, this.#site.world.clock.nowMs(), this.#site.settings)
    if (branch.stage !== before) this.#report(opening)
    // Before the effects: what they set off finds the branch where it now belongs.
    if (isNote(branch)) this.#retire(opening)
    for (const effect of effects) this.#perform(opening, effect)
    this.#wakes.set(opening)
  }

  #perform(opening: Opening, effect: BranchEffect): void {
    const { id, token, trace } = opening.branch
    const { post, emit } = this.#site
    const next = (event: BranchEvent): void => this.#apply(opening, event)
    switch (effect.kind) {
      case 'open':
        void this.#open(opening, effect).then((event) => {
          if (event.kind !== 'opened') this.#free(opening)
          next(event)
        })
        return
      case 'run':
        void opening.run(effect).then(next)
        return
      case 'prepare':
        void opening.prepare(effect.sealed, effect.results).then((result) => {
          if (result.kind !== 'prepared' && result.kind !== 'busy') this.#free(opening)
          next({ kind: 'prepare-ended', result })
        })
        return
      case 'rollback':
        this.#rollback(opening)
        return
      case 'answer':
        post.result(effect.asker, { id, n: effect.n }, effect.result.kind === 'busy' ? undefined : token, effect.result)
        return
      case 'vote':
        post.vote(id, effect.digest, effect.ballot)
        return
      case 'consult':
        void this.#votes.consult(id, effect.sealed, effect.otherwise)
        return
      case 'look':
        void this.#votes.look(id).then((row) => {
          next({ kind: 'looked', row })
          if (opening.branch.stage === 'gone') this.#free(opening)
        })
        return
      case 'held': {
        const { list, digest } = effect.sealed
        emit({ kind: 'prepared', id, digest, token })
        this.#doubts.held({ id, digest, token, list, ...(trace === undefined ? {} : { trace }) })
        return
      }
    }
  }

  async #open(opening: Opening, effect: Extract<BranchEffect, { kind: 'open' }>): Promise<BranchEvent> {
    const entered = await this.#room.enter(opening, effect.endsAtMs - this.#site.world.clock.nowMs())
    return entered ? opening.open(effect) : { kind: 'not-opened', reason: overloaded }
  }

  #rollback(opening: Opening): void {
    const rollback = opening.rollback().then(() => {
      this.#rollbacks.delete(rollback)
      this.#free(opening)
    })
    this.#rollbacks.add(rollback)
  }

  #retire(opening: Opening): void {
    if (this.#live.get(opening.id) !== opening) return
    this.#live.delete(opening.id)
    this.#room.giveUp(opening)
    if (opening.branch.stage !== 'gone') this.#notes.set(opening.id, opening)
    this.#site.changed()
  }

  #free(opening: Opening): void {
    this.#room.leave(opening)
    this.#site.changed()
  }

  #report({ branch }: Opening): void {
    const { id, token, stage, reason } = branch
    if (stage === 'open') this.#site.emit({ kind: 'opened', id, token })
    else if (stage === 'read-only') this.#site.emit({ kind: 'read-only', id })
    else if (stage === 'over') this.#site.emit({ kind: 'refused', id, reason: reason ?? unknownBranch })
  }
}

function operationOf({ operation, args }: Call): Operation {
  return { name: operation, args }
}
