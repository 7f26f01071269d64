import type { DecisionRecord, TransactionId } from '@verdict/protocol'
import type { DepartingMessage } from '@verdict/runtime/simulated'
import { accounts, openingBalance } from './bank.ts'
import { Floors } from './floors.ts'
import { InvariantError } from './invariant-error.ts'
import { Memory } from './memory.ts'
import type { System } from './system.ts'
import { clocksOf, statementsOf } from './told.ts'

/**
 * What must hold in every history (docs/protocol.md, "What is promised"): one outcome for all who are ever told, only committed
 * if every branch voted so (or the one branch of a lone transaction has committed) and its effects are durable, effects at most once
 * and never after an abort, and nothing left behind.
 */
export class Invariants {
  readonly #system: System
  /** The first statement about each id: all later ones must be the same. */
  readonly #told = new Map<TransactionId, { readonly outcome: string; readonly digest: string | undefined }>()
  /** The record of each id when its outcome was told first; it may be forgotten since. */
  readonly #records = new Map<TransactionId, DecisionRecord>()
  readonly #memory: Memory
  readonly #floors: Floors
  /** The newest epoch and term that each replica told. */
  readonly #clocks = new Map<string, number>()
  readonly #effectsSeen = new Map<string, number>()
  readonly #branches = new Map<string, Set<TransactionId>>()
  /** Who committed a lone transaction by a row of its own, which may be deleted since. */
  readonly #lone = new Map<TransactionId, string>()
  readonly #counts = { committed: 0, aborted: 0, lone: 0 }

  constructor(system: System) {
    this.#system = system
    this.#memory = new Memory(system)
    this.#floors = new Floors(system.banks)
  }

  /** Outcomes that were told, and what became of them. */
  get counts(): { readonly [what in 'committed' | 'aborted' | 'lone' | 'expired' | 'forgotten']: number } {
    return { ...this.#counts, ...this.#memory.counts }
  }

  /** Checks what a message says, at the moment when it leaves. */
  departed(message: DepartingMessage): void {
    this.#epochsNeverGoDown(message)
    this.#memory.departed(message)
    this.#floors.departed(message)
    for (const { id, outcome, digest, by } of statementsOf(message)) {
      if (by === 'lone participant') this.#checkLone(id, outcome, digest, message.from)
      const first = this.#told.get(id)
      if (first === undefined) {
        if (by === 'participant')
          throw new InvariantError(`${message.from} acknowledged ${outcome} of ${id}, which nobody told it`)
        this.#told.set(id, { outcome, digest })
        this.#counts[outcome] += 1
        if (by === 'group') {
          this.#memory.told(id, outcome, message.from)
          this.#checkRecord(id, outcome, message.from)
        }
      } else if (first.outcome !== outcome || (first.digest !== digest && !this.#isOfEveryList(id))) {
        throw new InvariantError(
          `${message.from} tells ${outcome} of ${id} (list ${digest}); ${first.outcome} was told before (list ${first.digest})`,
        )
      }
    }
  }

  /** An operator's abort that names no branch is told of each list that is asked about. */
  #isOfEveryList(id: TransactionId): boolean {
    const [record] = this.#recordsOf(id)
    return record?.outcome === 'aborted' && record.branches.length === 0
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

  /** Committed effects exist at most once, only of decided transactions, and never after an abort. Called after each step. */
  step(): void {
    this.#floors.step()
    for (const { name, database } of this.#system.banks) {
      const effects = database.effects()
      const seen = this.#effectsSeen.get(name) ?? 0
      if (effects.length === seen) continue
      this.#effectsSeen.set(name, effects.length)
      const ids = this.#branches.get(name) ?? new Set()
      this.#branches.set(name, ids)
      for (const effect of effects.slice(seen)) {
        const { id } = effect.name
        if (ids.has(id)) throw new InvariantError(`${name} applied ${id} twice`)
        ids.add(id)
        // The row of a lone one is the decision, whether or not anybody could be told: from now on no other outcome may be.
        if (this.#isLoneRow(id) && !this.#told.has(id)) {
          this.#told.set(id, { outcome: 'committed', digest: effect.name.digest })
          this.#lone.set(id, name)
          this.#memory.decidedAlone(id)
          this.#counts.committed += 1
          this.#counts.lone += 1
        }
        const told = this.#told.get(id)
        if (told?.outcome !== 'committed')
          throw new InvariantError(`${name} applied ${id}, which was told ${told?.outcome ?? 'nothing'}`)
        if (told.digest !== effect.name.digest) throw new InvariantError(`${name} applied ${id} under another list`)
      }
    }
  }

  /** What must hold once faults have stopped and everything has come to rest. */
  atRest(): void {
    this.#recordsAgree()
    for (const [id, { outcome }] of this.#told) this.#checkEffects(id, outcome)
    this.#clientsWereToldTheTruth()
    const total = this.#system.banks.reduce((sum, bank) => sum + bank.total(), 0)
    const expected = this.#system.banks.length * accounts.length * openingBalance
    if (total !== expected) throw new InvariantError(`there is ${total} in all banks, ${expected} were put in`)
  }

  /** Whether all that was ever decided lies behind the horizon, and nothing of it is kept any more. */
  isForgotten(): boolean {
    return this.#memory.isAllBehind() && this.#memory.leftovers().length === 0
  }

  /** What is kept behind the horizon. */
  kept(): string[] {
    return this.#memory.leftovers()
  }

  /** Whether anything is still open, prepared, locked or unsettled. */
  leftovers(): string[] {
    const { banks, running } = { banks: this.#system.banks, running: this.#system.running() }
    return [
      ...banks.flatMap(({ name, database }) => [
        ...database.prepared().map((prepared) => `${name} holds ${prepared.name.id} prepared`),
        ...database.locks().map(({ key }) => `${name} keeps a lock on ${key}`),
      ]),
      ...running.flatMap((coordinator) => {
        const { replica, unsettled, underway } = coordinator.status()
        return unsettled + underway > 0 ? [`${replica} has ${unsettled} unsettled and ${underway} under way`] : []
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
      if (!prepared && row?.state !== 'committed')
        throw new InvariantError(`${id} is committed, but ${participant} has not prepared it`)
    }
  }

  #checkEffects(id: TransactionId, outcome: string): void {
    const record = this.#records.get(id)
    const lone = this.#lone.get(id)
    if (record !== undefined && lone !== undefined) throw new InvariantError(`${id} is lone, and recorded by the group`)
    for (const { name } of this.#system.banks) {
      const applied = this.#branches.get(name)?.has(id) ?? false
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
      for (const { client, id, outcome, total } of told) {
        if (total !== undefined && outcome !== 'aborted' && total !== everything) {
          throw new InvariantError(`${client} read ${total} in all banks under locks, ${everything} were put in`)
        }
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
