import { context } from '@opentelemetry/api'
import {
  type Alone,
  type Call,
  makeToken,
  type Operation,
  type Prepare,
  type Reason,
  type Release,
  type Token,
  type TransactionId,
} from '@verdict/protocol'
import { spanEvents } from '@verdict/protocol/telemetry'
import { refusedBallot, unknownBranch } from './ballot.ts'
import { advanceBranch, newBranch, newOneShot } from './branch.ts'
import { arrivedCall } from './branch-call.ts'
import { consult } from './branch-prepare.ts'
import {
  type Asker,
  type BranchEffect,
  type BranchEvent,
  isNote,
  isOpen,
  type LoneRequest,
  mayBeOpenedAnew,
  mayRunAnew,
} from './branch-state.ts'
import { Callers } from './callers.ts'
import type { Doubts } from './doubts.ts'
import type { Floors } from './floors.ts'
import type { Inbound } from './inbound.ts'
import { Lone } from './lone.ts'
import type { Census } from './metering.ts'
import { Opening, whyNotOpened } from './opening.ts'
import type { Openings } from './openings.ts'
import { areReadOnly } from './operation.ts'
import { abortedMeanwhile, draining, expired, overloaded, poisoned } from './reason.ts'
import { Room } from './room.ts'
import type { Site } from './site.ts'
import type { Asked, Work } from './tracing.ts'
import type { Votes } from './votes.ts'
import { Wakes } from './wakes.ts'

type Effect<K extends BranchEffect['kind']> = Extract<BranchEffect, { kind: K }>
type Arrived<K extends Inbound['kind']> = Extract<Inbound, { kind: K }>

/** All branches of one instance: hands each what concerns it, and does what it asks for. */
export class Branches {
  readonly #site: Site
  readonly #votes: Votes
  readonly #doubts: Doubts
  readonly #floors: Floors
  readonly #callers: Callers
  readonly #lone: Lone
  readonly #wakes: Wakes
  readonly #openings: Openings
  readonly #room: Room<Opening>
  readonly #rollbacks = new Set<Promise<void>>()

  constructor(site: Site, openings: Openings, votes: Votes, doubts: Doubts, floors: Floors) {
    this.#site = site
    this.#openings = openings
    this.#votes = votes
    this.#doubts = doubts
    this.#floors = floors
    this.#callers = new Callers(site)
    this.#lone = new Lone(site, (id) => this.ended(id))
    this.#wakes = new Wakes(site, (opening) => this.#apply(opening, { kind: 'woke' }))
    this.#room = new Room(site)
  }

  /** Whether nothing is waiting, open, prepared, or being rolled back. */
  get isIdle(): boolean {
    return this.#openings.isEmpty && this.#room.isEmpty && this.#lone.isIdle
  }

  /** How many branches there are of each kind. */
  get census(): Census {
    return this.#openings.census(this.#room.waiting.length)
  }

  call({ message, asker }: Arrived<'call'>): void {
    context.with(this.#callers.arrived(message, asker), () => this.#call(message, asker))
  }

  release({ id, token }: Release): void {
    const opening = this.#openings.live(id)
    if (opening !== undefined) this.#apply(opening, { kind: 'released', token })
  }

  prepare(arrived: Arrived<'prepare'>): void {
    const { id, trace } = arrived.message
    const asked = this.#asked(this.#site.tracing.prepare(id, trace, this.#openings.traceOf(id)))
    context.with(asked.context, () => this.#prepare(arrived, asked))
  }

  alone(arrived: Arrived<'alone'>): void {
    const { id, trace } = arrived.message
    const asked = this.#asked(this.#site.tracing.alone(id, trace))
    context.with(asked.context, () => this.#alone(arrived, asked))
  }

  /** Drops what is open: the transaction was aborted (rule R8). */
  drop(id: TransactionId): void {
    const opening = this.#openings.live(id)
    if (opening !== undefined) this.#apply(opening, { kind: 'dropped', reason: abortedMeanwhile })
  }

  /** The id has an outcome that is final here. */
  ended(id: TransactionId): void {
    this.drop(id)
    this.notPrepared(id)
    this.#openings.ended(id)
  }

  /** The resource has no prepared branch (any more), whatever this instance remembers. An open one is not touched. */
  notPrepared(id: TransactionId): void {
    this.#doubts.ended(id)
    const opening = this.#openings.live(id)
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
    for (const opening of this.#openings.all) {
      if (isOpen(opening.branch)) this.#apply(opening, { kind: 'dropped', reason: draining })
    }
    await Promise.all(this.#rollbacks)
    this.#wakes.stop()
  }

  #call(message: Call, asker: Asker): void {
    const { id, token } = message
    const opening = token === undefined ? undefined : this.#openings.find(id)
    if (token === undefined) this.#firstCall(message, asker)
    else if (opening === undefined) {
      this.#callers.answer(asker, message, undefined, { kind: 'refused', reason: unknownBranch })
    } else this.#applyCall(opening, { kind: 'called', token, call: arrivedCall(message, asker) })
  }

  #applyCall(opening: Opening, event: Extract<BranchEvent, { kind: 'first-called' | 'called' }>): void {
    const { n, asker } = event.call
    const before = opening.askerOf(n)
    this.#apply(opening, event)
    if (opening.askerOf(n) !== asker) this.#callers.unanswered(asker)
    else if (before !== undefined) this.#callers.joined(before, asker)
  }

  #firstCall(message: Call, asker: Asker): void {
    const { id, nonce, trace } = message
    const { world, settings } = this.#site
    const known = this.#openings.find(id)
    const call = arrivedCall(message, asker)
    if (this.#openings.hasEnded(id)) {
      this.#callers.answer(asker, message, undefined, { kind: 'busy' })
      return
    }
    if (known !== undefined && !mayBeOpenedAnew(known.branch, nonce)) {
      this.#applyCall(known, { kind: 'first-called', nonce, call })
      return
    }
    const reason = this.#hindrance(id)
    if (reason !== undefined) this.#callers.answer(asker, message, undefined, { kind: 'refused', reason })
    else this.#begin(newBranch({ id, token: this.#newToken(), nonce, trace }, call, world.clock.nowMs(), settings))
  }

  #prepare({ message, listed, named }: Arrived<'prepare'>, asked: Asked): void {
    const { id, list, digest, operations } = message
    const sealed = { list, digest }
    const known = this.#openings.find(id)
    const isAnew = known === undefined || mayRunAnew(known.branch, digest)
    if (listed.kind === 'oneShot' && operations !== undefined && isAnew && !this.#openings.hasEnded(id)) {
      this.#oneShot(message, operations, asked)
    } else if (known !== undefined) {
      this.#apply(known, { kind: 'prepare-asked', sealed, listed, named }, asked)
    } else {
      const { otherwise } = consult(sealed, listed, named)
      void this.#votes.consult(id, sealed, otherwise, asked)
    }
  }

  #alone({ message, listed, named, asker }: Arrived<'alone'>, asked: Asked): void {
    const { id, list, digest, operations, again } = message
    const known = this.#openings.find(id)
    const question = { id, digest, asker, asked }
    const request = { asker, again }
    if (known !== undefined) {
      this.#apply(known, { kind: 'alone-asked', sealed: { list, digest }, listed, named, request }, asked)
    } else if (operations === undefined || this.#openings.hasEnded(id)) {
      void this.#lone.settle(question, unknownBranch)
    } else {
      const reason = this.#hindrance(id)
      if (reason !== undefined) void this.#lone.settle(question, reason)
      else this.#beginOneShot(message, operations, asked, request)
    }
  }

  #oneShot(message: Prepare, operations: readonly Operation[], asked: Asked): void {
    const { id, list, digest } = message
    const reason = this.#hindrance(id)
    // Its first copy may be prepared already, by another instance: only an id that is not here is refused.
    if (reason !== undefined) void this.#votes.consult(id, { list, digest }, refusedBallot(reason), asked)
    else this.#beginOneShot(message, operations, asked, undefined)
  }

  #beginOneShot(
    message: Prepare | Alone,
    operations: readonly Operation[],
    asked: Asked,
    lone: LoneRequest | undefined,
  ): void {
    const { id, list, digest, leftMs, ageMs, trace } = message
    const readOnly = areReadOnly(this.#site.operations, operations)
    // A lone branch keeps its locks to its end in any case.
    const serializable = message.type === 'prepare' && message.isolation === 'serializable'
    const opening = { id, token: this.#newToken(), trace, readOnly, lone, ageMs, serializable }
    this.#begin(newOneShot(opening, { list, digest }, operations, leftMs, this.#site.world.clock.nowMs()), asked)
  }

  #asked(work: Work): Asked {
    return { ...work, arrivedAtMs: this.#site.world.clock.nowMs() }
  }

  /** Why no branch of this id is opened. */
  #hindrance(id: TransactionId): Reason | undefined {
    if (this.#floors.isExpired(id)) return expired
    return this.#site.isDraining() ? draining : this.#room.refusal()
  }

  #newToken(): Token {
    return makeToken<Token>(this.#site.world.random.bytes(12))
  }

  #begin({ branch, effects }: ReturnType<typeof newBranch>, asked?: Asked): void {
    const opening = new Opening(this.#site, branch)
    opening.asked = asked
    this.#openings.add(opening)
    for (const effect of effects) this.#perform(opening, effect)
    this.#wakes.set(opening)
  }

  /** `asked` is the question for a vote that the event is. What throws for one branch stops no other. */
  #apply(opening: Opening, event: BranchEvent, asked?: Asked): void {
    try {
      this.#advance(opening, event, asked)
    } catch (error) {
      this.#poisoned(opening, error)
    }
  }

  /** Whatever is not prepared shall keep nobody waiting; what is stays, and the resource shows it to the sweeper. */
  #poisoned(opening: Opening, error: unknown): void {
    this.#site.troubles.poisoned(opening.id, error)
    if (!isOpen(opening.branch)) return
    try {
      this.#advance(opening, { kind: 'dropped', reason: poisoned })
    } catch {
      // What throws again is that it is told to be over; that it is over is what matters.
      this.#retire(opening)
      this.#rollback(opening)
    }
  }

  #advance(opening: Opening, event: BranchEvent, asked?: Asked): void {
    const { branch } = opening
    const before = branch.stage
    const effects = advanceBranch(branch, event, this.#site.world.clock.nowMs(), this.#site.settings)
    if (branch.stage !== before) opening.report()
    // Before the effects: what they set off finds the branch where it now belongs.
    if (isNote(branch)) this.#retire(opening)
    for (const effect of effects) this.#perform(opening, effect, asked)
    this.#wakes.set(opening)
    if (asked === undefined || effects.length > 0) return
    // The vote is on its way, and answers this question too.
    opening.asked?.span.addEvent(spanEvents.repeated)
    asked.span.end()
  }

  #perform(opening: Opening, effect: BranchEffect, asked?: Asked): void {
    const { id } = opening
    const next = (event: BranchEvent): void => this.#apply(opening, event)
    switch (effect.kind) {
      case 'open':
        void this.#site.tracing
          .open(() => this.#open(opening, effect), whyNotOpened)
          .then((event) => {
            if (event.kind !== 'opened') this.#free(opening)
            next(event)
          })
        return
      case 'run':
        context.with(this.#callers.contextOf(opening.askerOf(effect.n)), () => void opening.run(effect).then(next))
        return
      case 'prepare':
        opening.asked ??= asked
        this.#prepareBranch(opening, effect)
        return
      case 'commit':
        opening.asked ??= asked
        void opening.commit(effect).then((result) => {
          this.#free(opening)
          next({ kind: 'commit-ended', result })
        })
        return
      case 'tell':
        this.#tell(opening, effect, asked ?? opening.takeAsked())
        return
      case 'settle':
        void this.#lone.settle({ id, ...effect, asked: asked ?? opening.takeAsked() }, effect.reason)
        return
      case 'rollback':
        this.#rollback(opening)
        return
      case 'answer':
        this.#answer(opening, effect)
        return
      case 'vote':
        this.#votes.cast(id, effect.digest, effect.ballot, asked ?? opening.takeAsked())
        return
      case 'consult':
        this.#consult(opening, effect, asked ?? opening.takeAsked())
        return
      case 'look':
        void this.#votes.look(id).then((row) => {
          next({ kind: 'looked', row })
          if (opening.branch.stage === 'gone') this.#free(opening)
        })
        return
      case 'held':
        this.#hold(opening, effect)
        return
    }
  }

  #answer({ id, branch }: Opening, { asker, n, result }: Effect<'answer'>): void {
    this.#callers.answer(asker, { id, n }, result.kind === 'busy' ? undefined : branch.token, result)
  }

  #tell({ id, took }: Opening, { asker, digest, answer }: Effect<'tell'>, asked: Asked | undefined): void {
    const isFirst = took !== undefined && (answer.kind === 'committed' || answer.kind === 'read-only')
    this.#lone.tell({ id, digest, asker, asked }, isFirst ? { ...answer, took } : answer)
    if (answer.kind !== 'committed') return
    this.#site.emit({ kind: 'finished', id, outcome: 'committed' })
    this.ended(id)
  }

  #consult({ id }: Opening, { sealed, otherwise }: Effect<'consult'>, asked: Work | undefined): void {
    const within = asked?.context ?? context.active()
    void context.with(within, () => this.#votes.consult(id, sealed, otherwise, asked))
  }

  #prepareBranch(opening: Opening, { sealed, results }: Effect<'prepare'>): void {
    void opening.prepare(sealed, results).then((result) => {
      if (result.kind !== 'prepared' && result.kind !== 'busy') this.#free(opening)
      this.#apply(opening, { kind: 'prepare-ended', result })
    })
  }

  #hold({ id, branch }: Opening, { sealed }: Effect<'held'>): void {
    const { token, trace } = branch
    const { list, digest } = sealed
    this.#site.emit({ kind: 'prepared', id, digest, token })
    this.#doubts.held({ id, digest, token, list, ...(trace === undefined ? {} : { trace }) })
  }

  async #open(opening: Opening, effect: Effect<'open'>): Promise<BranchEvent> {
    const entered = await this.#room.enter(opening, effect.endsAtMs - this.#site.world.clock.nowMs())
    if (entered) return opening.open(effect)
    if (opening.branch.stage === 'opening') this.#site.metering.refused('capacity')
    return { kind: 'not-opened', reason: overloaded }
  }

  #rollback(opening: Opening): void {
    const rollback = opening.rollback().then(() => {
      this.#rollbacks.delete(rollback)
      this.#free(opening)
    })
    this.#rollbacks.add(rollback)
  }

  #retire(opening: Opening): void {
    if (!this.#openings.retire(opening)) return
    this.#room.giveUp(opening)
    this.#site.changed()
  }

  #free(opening: Opening): void {
    this.#room.leave(opening)
    this.#site.changed()
  }
}
