import { type BranchList, type DecisionRecord, type Digest, parseId, type TransactionId } from '@verdict/protocol'
import type { DepartingMessage } from '@verdict/runtime/simulated'
import { accounts, openingBalance } from './bank.ts'
import { handName } from './echoes.ts'
import { Effects } from './effects.ts'
import { Floors } from './floors.ts'
import { Hazards, type Mishap } from './hazards.ts'
import { InvariantError } from './invariant-error.ts'
import { Memory } from './memory.ts'
import type { System } from './system.ts'
import { clocksOf, messageOf, statementsOf } from './told.ts'

/** Names one branch at a store. */
type BranchName = ReturnType<Effects['fresh']>[number]['effect']['name']

/**
 * What must hold in every history (docs/protocol.md, "What is promised"): one outcome for all who are ever told, only committed
 * if every branch voted so (or the one branch of a lone transaction has committed) and its effects are durable, effects at most once
 * and never after an abort, and nothing left behind. What a store lost, or what was done to it by hand, is excused, transaction by
 * transaction and participant by participant, and must be known as a hazard.
 */
export class Invariants {
  readonly #system: System
  /** The first statement about each id: all later ones must be the same. */
  readonly #told = new Map<
    TransactionId,
    { readonly outcome: string; readonly digest: string | undefined; readonly atMs: number }
  >()
  /** The newest epoch and term that each replica told. */
  readonly #clocks = new Map<string, number>()
  /** The lists that clients have asked a commit for. */
  readonly #lists = new Map<Digest, BranchList>()
  /** Operators' aborts that name no branch: they are told of each list that is asked about. */
  readonly #ofEveryList = new Set<TransactionId>()
  readonly #effects: Effects
  readonly #hazards: Hazards
  /** What was found while a role was at work: whatever is thrown there, the role takes for trouble of its own, and goes on. */
  #failure: unknown
  /** The record of each id when its outcome was told first; it may be forgotten since. */
  readonly #records = new Map<TransactionId, DecisionRecord>()
  /** Who committed a lone transaction by a row of its own, which may be deleted since. */
  readonly #lone = new Map<TransactionId, string>()
  readonly #memory: Memory
  readonly #floors: Floors
  readonly #counts = { committed: 0, aborted: 0, lone: 0 }

  constructor(system: System) {
    this.#system = system
    this.#effects = new Effects(system)
    this.#hazards = new Hazards(system, this.#effects)
    this.#memory = new Memory(system)
    this.#floors = new Floors(system)
    system.simulation.network.observe((message) => this.#keep(() => this.#departed(message)))
    system.onEvent((replica, event) => {
      this.#keep(() => {
        if (event.kind === 'hazard') this.#hazards.recorded(replica, event.id, event.hazard)
        if (event.kind === 'poisoned')
          throw new InvariantError(`${replica} cannot deal with ${event.id}`, { cause: event.error })
        if (event.kind === 'malformedDecision')
          throw new InvariantError(`${replica} proposed a decision of ${event.id} that breaks a rule: ${event.found}`)
      })
    })
    for (const bank of system.banks) {
      bank.onEvent((instance, event) => {
        this.#keep(() => {
          if (event.kind === 'quarantined') this.#hazards.quarantined(bank, event.id)
          if (event.kind === 'discarded') this.#hazards.discarded(bank, event.id)
          if (event.kind === 'trouble' && event.trouble === 'poisoned')
            throw new InvariantError(`${instance.name} cannot deal with ${event.id}: ${event.note}`)
        })
      })
    }
  }

  /** Outcomes that were told, and what became of them. */
  get counts(): { readonly [what in 'committed' | 'aborted' | 'lone' | 'expired' | 'forgotten']: number } {
    return { ...this.#counts, ...this.#memory.counts }
  }

  #keep(check: () => void): void {
    try {
      check()
    } catch (error) {
      this.#failure ??= error
    }
  }

  /** Checks what a message says, at the moment when it leaves. */
  #departed(message: DepartingMessage): void {
    // An echo says again what somebody else has said.
    if (message.from === handName) return
    this.#epochsNeverGoDown(message)
    this.#hazards.departed(message)
    this.#memory.departed(message)
    this.#floors.departed(message)
    const said = messageOf(message)
    if (said?.type === 'commit' || said?.type === 'alone') this.#lists.set(said.digest, said.list)
    for (const { id, outcome, digest, by } of statementsOf(message)) {
      if (by === 'lone participant') this.#checkLone(id, outcome, digest, message.from)
      const first = this.#told.get(id)
      if (first === undefined) {
        if (by === 'participant')
          throw new InvariantError(`${message.from} acknowledged ${outcome} of ${id}, which nobody told it`)
        this.#told.set(id, { outcome, digest, atMs: this.#system.simulation.nowMs })
        this.#counts[outcome] += 1
        if (by === 'group') {
          this.#memory.told(id, outcome, message.from)
          this.#checkRecord(id, outcome, message.from)
        }
      } else if (by === 'lone participant' && this.#system.losses.isUndecided(id)) {
        // Its row was the decision, and is gone.
      } else if (first.outcome !== outcome || (first.digest !== digest && !this.#ofEveryList.has(id))) {
        throw new InvariantError(
          `${message.from} tells ${outcome} of ${id} (list ${digest}); ${first.outcome} was told before (list ${first.digest})`,
        )
      }
    }
  }

  /** No replica tells an epoch, or a term, that is older than one that it told before, in any of its lives. */
  #epochsNeverGoDown(message: DepartingMessage): void {
    for (const [what, value] of Object.entries(clocksOf(message))) {
      const key = `${message.from} ${what}`
      const before = this.#clocks.get(key) ?? 0
      if (value < before) throw new InvariantError(`${message.from} tells ${what} ${value}, it told ${before} before`)
      this.#clocks.set(key, value)
    }
  }

  /** Committed effects exist at most once, only of decided transactions, and never after an abort. Called after each step, which throws what was found in it. */
  step(): void {
    if (this.#failure !== undefined) throw this.#failure
    this.#hazards.step()
    this.#floors.step()
    for (const { bank, effect } of this.#effects.fresh()) {
      const { id, digest } = effect.name
      // The row of a lone one is the decision, whether or not anybody could be told: from now on no other outcome may be.
      if (this.#isLoneRow(id) && (!this.#told.has(id) || this.#system.losses.isUndecided(id))) {
        if (!this.#lone.has(id)) {
          this.#counts.committed += 1
          this.#counts.lone += 1
        }
        this.#lone.set(id, bank)
        this.#memory.decidedAlone(id)
        this.#told.set(id, { outcome: 'committed', digest, atMs: this.#system.simulation.nowMs })
      }
      if (this.#system.losses.wasEndedByHand(bank, id)) continue
      const told = this.#told.get(id)
      if (told?.outcome !== 'committed')
        throw new InvariantError(`${bank} applied ${id}, which was told ${told?.outcome ?? 'nothing'}`)
      if (told.digest !== digest) throw new InvariantError(`${bank} applied ${id} under another list`)
      this.#checkOpening(bank, effect.name)
    }
  }

  /** Effects are those of the opening that the client's list names, and whose vote was counted (rule R5). */
  #checkOpening(bank: string, { id, digest, token }: BranchName): void {
    const listed = this.#lists.get(digest)?.find(({ participant }) => participant === bank)
    if (listed === undefined || (listed.kind === 'called' && listed.token !== token))
      throw new InvariantError(`${bank} applied ${id} by a branch that its client's list does not name`)
    const counted = this.#recordsOf(id)[0]?.branches.find(({ participant }) => participant === bank)
    if (counted?.token !== undefined && counted.token !== token)
      throw new InvariantError(`${bank} applied ${id} by another branch than the one whose vote was counted`)
  }

  /** What must hold once faults have stopped and everything has come to rest. */
  atRest(): void {
    this.#recordsAgree()
    for (const [id, { outcome }] of this.#told) this.#checkEffects(id, outcome)
    this.#effects.atRest()
    this.#clientsWereToldTheTruth()
  }

  /** The record of each transaction of which an outcome was told, as it is or, where it is forgotten, was. */
  records(): DecisionRecord[] {
    return [...this.#records].map(([id, first]) => this.#recordsOf(id)[0] ?? first)
  }

  /** What must hold once a person has dealt with all that stores have lost, so that nothing more will be told of it. */
  mended(): void {
    this.#hazards.atRest(this.records())
  }

  /** What a person has to deal with: it is left over, and only because a store lost something. */
  mishaps(): readonly Mishap[] {
    return this.#hazards.mishaps()
  }

  /** Whether anything is still open, prepared, locked or unsettled, and not because a store lost something. */
  /** Whether all that was ever decided lies behind the horizon, and nothing of it is kept any more. */
  isForgotten(): boolean {
    return this.#memory.isAllBehind() && this.#memory.leftovers().length === 0
  }

  /** What is kept behind the horizon. */
  kept(): string[] {
    return this.#memory.leftovers()
  }

  leftovers(): string[] {
    const { banks, losses } = this.#system
    return [
      ...banks.flatMap(({ name, database }) => [
        ...database
          .prepared()
          .filter((prepared) => !losses.mayStay(name, prepared.name.id))
          .map((prepared) => `${name} holds ${prepared.name.id} prepared`),
        ...database
          .locks()
          .filter(({ branch }) => branch === undefined || !losses.mayStay(name, branch.id))
          .map(({ key }) => `${name} keeps a lock on ${key}`),
      ]),
      ...this.#system.running().flatMap((coordinator) => {
        const { replica, unsettled, hazardous, underway } = coordinator.status()
        return unsettled + underway > hazardous
          ? [`${replica} has ${unsettled} unsettled, ${hazardous} of them hazardous, and ${underway} under way`]
          : []
      }),
    ]
  }

  /** A lone outcome is told only when it stands in a durable row, and the group knows nothing of it (rule R9). */
  #checkLone(id: TransactionId, outcome: string, digest: string | undefined, from: string): void {
    const bank = this.#system.banks.find(({ instances }) => instances.some(({ name }) => name === from))
    const row = bank?.database.rows().find((found) => found.id === id)
    // It may be deleted by now, behind a floor that was raised since.
    if (row === undefined && this.#memory.isBehind(id) && this.#lone.has(id) === (outcome === 'committed')) return
    if (row?.state !== outcome)
      throw new InvariantError(`${from} tells ${outcome} of ${id}, its row says ${row?.state}`)
    if (outcome === 'committed' && (row.mode !== 'lone' || row.digest !== digest))
      throw new InvariantError(
        `${from} tells that ${id} is committed alone, its row is ${row.mode} under ${row.digest}`,
      )
    if (this.#recordsOf(id).length > 0) throw new InvariantError(`${from} decides ${id}, which the group has decided`)
  }

  /** Whether a participant has committed it by a row of its own. */
  #isLoneRow(id: TransactionId): boolean {
    return this.#system.banks.some(({ database }) =>
      database.rows().some((row) => row.id === id && row.mode === 'lone' && row.state === 'committed'),
    )
  }

  #checkRecord(id: TransactionId, outcome: string, by: string): void {
    const records = this.#recordsOf(id)
    if (records.length === 0)
      throw new InvariantError(`${by} tells ${outcome} of ${id}, and no running replica has applied a record`)
    for (const record of records) {
      this.#records.set(id, record)
      if (record.branches.length === 0) this.#ofEveryList.add(id)
      if (record.outcome !== outcome)
        throw new InvariantError(`${by} tells ${outcome} of ${id}, the record says ${record.outcome}`)
      if (record.outcome === 'committed') this.#checkPrepared(record)
    }
  }

  /** When `committed` is told, each prepared branch is durable, under that digest and token, and nobody else may end it. */
  #checkPrepared({ id, digest, branches }: DecisionRecord): void {
    for (const { participant, vote, token } of branches) {
      if (vote !== 'prepared') continue
      const bank = this.#system.banks.find(({ name }) => name === participant)
      const prepared = bank?.database
        .prepared()
        .some(({ name }) => name.id === id && name.digest === digest && name.token === token)
      const row = bank?.database.rows().find((found) => found.id === id)
      if (!prepared && row?.state !== 'committed' && !this.#system.losses.has(participant, id))
        throw new InvariantError(`${id} is committed, but ${participant} has not prepared it`)
    }
  }

  #checkEffects(id: TransactionId, outcome: string): void {
    const record = this.#records.get(id)
    const lone = this.#lone.get(id)
    if (record !== undefined && lone !== undefined) throw new InvariantError(`${id} is lone, and recorded by the group`)
    for (const { name } of this.#system.banks) {
      if (this.#system.losses.has(name, id)) continue
      const applied = this.#effects.has(name, id)
      const expected =
        outcome === 'committed' &&
        (lone === name || record?.branches.some((branch) => branch.participant === name && branch.vote === 'prepared'))
      if (applied !== (expected ?? false))
        throw new InvariantError(`${name} has ${applied ? '' : 'not '}applied ${id}, which was told ${outcome}`)
    }
  }

  /** Whether all replicas have come to the same state. */
  replicasAgree(): boolean {
    const { replicas } = this.#system
    const states = this.#system.running().map((coordinator) => JSON.stringify(withoutName(coordinator.status())))
    return states.length === replicas.length && new Set(states).size === 1
  }

  #recordsAgree(): void {
    for (const id of this.#told.keys()) {
      if (new Set(this.#recordsOf(id).map((record) => JSON.stringify(record))).size > 1) {
        throw new InvariantError(`replicas have different records of ${id}`)
      }
    }
  }

  #clientsWereToldTheTruth(): void {
    const everything = this.#system.banks.length * accounts.length * openingBalance
    const byId = new Map<TransactionId, string>()
    for (const { told } of this.#system.clients) {
      for (const { client, id, outcome, total, startedAtMs, atMs } of told) {
        const isWhole = total === undefined || outcome === 'aborted' || atMs >= this.#system.losses.firstAtMs
        if (!isWhole && total !== everything) {
          throw new InvariantError(`${client} read ${total} in all banks under locks, ${everything} were put in`)
        }
        // Another run under a kept id may commit, or have committed: a refusal is this run's own.
        if (outcome === 'refused' && parseId(id).mark === 'kept') {
          if ((this.#told.get(id)?.atMs ?? startedAtMs) < startedAtMs)
            throw new InvariantError(
              `${client} was told that its run of ${id} was refused; it was decided before that run began`,
            )
          continue
        }
        if (this.#system.losses.isUndecided(id)) continue
        const before = byId.get(id)
        if (before !== undefined && before !== outcome)
          throw new InvariantError(`${client} was told ${outcome} of ${id}, ${before} was told before`)
        byId.set(id, outcome)
        const isCommitted = this.#records.get(id)?.outcome === 'committed' || this.#lone.has(id)
        if (outcome === 'committed' && !isCommitted)
          throw new InvariantError(`${client} was told that ${id} is committed; no record and no row says so`)
        if (outcome !== 'committed' && isCommitted)
          throw new InvariantError(`${client} was told ${outcome} of ${id}, which is committed`)
      }
    }
  }

  #recordsOf(id: TransactionId): DecisionRecord[] {
    return this.#system.running().flatMap((coordinator) => {
      const record = coordinator.record(id)
      return record === undefined ? [] : [record]
    })
  }
}

/** What every replica must say alike once they are at rest. */
function withoutName(status: ReturnType<ReturnType<System['running']>[number]['status']>): object {
  const { term, lastIndex, commitIndex, appliedIndex, epoch, unsettled, hazardous } = status
  return { term, lastIndex, commitIndex, appliedIndex, epoch, unsettled, hazardous }
}
