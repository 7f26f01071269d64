import { decodeCommand } from '@verdict/coordinator/internal'
import type { DecisionRecord, Message, Outcome, TransactionId } from '@verdict/protocol'
import { decodeMessage } from '@verdict/raft/internal'
import type { ArrivingMessage, DepartingMessage } from '@verdict/runtime/simulated'
import type { Bank } from './bank.ts'
import { handName } from './echoes.ts'
import { Rows } from './rows.ts'
import { happenedAtParticipant, happenedAtReplica, saidBy } from './signs.ts'
import type { System } from './system.ts'
import { messageOf } from './told.ts'

/**
 * Counts the states of the protocol that a history reaches, each pair of what a role has and what it hears among them. It looks from
 * outside: at messages when they leave and arrive, at what lies in stores and logs then, and at the events that roles tell.
 */
export class Coverage {
  /** How often each state was reached. `states.ts` knows all names. */
  readonly reached = new Map<string, number>()
  readonly #system: System
  readonly #rows: Rows
  /** The newest decision of each id that a leader handed to its log, and the place of its entry. */
  readonly #proposed = new Map<TransactionId, { readonly entry: string; readonly outcome: Outcome }>()

  constructor(system: System) {
    this.#system = system
    this.#rows = new Rows(system.banks)
    const { network } = system.simulation
    network.observe((message) => this.#reach(this.#departed(message)))
    network.observeArrivals((message) => this.#reach(this.#arrived(message)))
    for (const bank of system.banks) bank.onEvent((_, event) => this.#reach(happenedAtParticipant(event)))
    system.onEvent((_, event) => this.#reach(happenedAtReplica(event)))
  }

  /** What stands in records at the end, and what clients were told. */
  atRest(records: readonly DecisionRecord[]): void {
    for (const { outcome, actor, branches } of records) {
      this.#reach([`R3 ${outcome} by ${actor.kind}`])
      this.#reach(branches.map(({ vote }) => `R10 ${outcome}, a branch voted ${vote}`))
    }
    for (const { told } of this.#system.clients)
      this.#reach(told.map(({ outcome, hazards }) => `R17 client told ${outcome}${hazards ? ' with hazards' : ''}`))
  }

  #departed(departing: DepartingMessage): readonly string[] {
    if (departing.from === handName) return []
    if (departing.subject.includes('.raft.')) return this.#replicated(departing.payload)
    const message = messageOf(departing)
    return message === undefined ? [] : saidBy(message)
  }

  #arrived(arriving: ArrivingMessage): readonly string[] {
    const message = messageOf(arriving)
    if (message === undefined) return []
    const bank = this.#system.banks.find(({ instances }) => instances.some(({ name }) => name === arriving.to))
    return bank === undefined ? this.#atReplica(arriving.to, message) : this.#atParticipant(bank, message)
  }

  #atParticipant(bank: Bank, message: Message): readonly string[] {
    const row = (id: TransactionId): string => this.#rows.at(bank, id)
    switch (message.type) {
      case 'call':
        return [`R5 ${message.n === 1 ? 'first' : 'later'} call × ${row(message.id)}`]
      case 'release':
        return [`R3 release × ${row(message.id)}`]
      case 'prepare':
        return [`R4 prepare × ${this.#rows.at(bank, message.id, { digest: message.digest })}`]
      case 'alone':
        return [`R9 alone × ${row(message.id)}`]
      case 'outcome': {
        const { id, outcome, digest, token } = message
        // An abort is the list's: whichever opening was counted.
        const meant = outcome === 'committed' ? { digest, token } : { digest }
        return [`R8 ${this.#rows.at(bank, id, meant)} × ${outcome}`]
      }
      case 'inquiryAnswer':
        return message.answers.map(({ id, digest, token, answer }) => {
          const meant = answer === 'committed' ? { digest, token } : { digest }
          return `R8 ${this.#rows.at(bank, id, meant)} × ${answer}`
        })
      default:
        return []
    }
  }

  #atReplica(replica: string, message: Message): readonly string[] {
    const coordinator = this.#system.coordinators.get(replica)
    if (coordinator === undefined) return []
    const record = (id: TransactionId): string => stateOf(coordinator.record(id))
    switch (message.type) {
      case 'commit': {
        const found = coordinator.record(message.id)
        const list = found === undefined || found.digest === message.digest ? '' : ' of another list'
        return [`R1 commit × ${record(message.id)}${list}`]
      }
      case 'look':
        return message.ids.map((id) => `R3 look × ${record(id)}`)
      case 'vote':
        return [`R2 vote ${message.vote.kind} × ${record(message.id)}`]
      case 'ack':
        return [`R10 ack ${message.applied} × ${record(message.id)}`]
      case 'inquiry':
        return message.branches.map(({ id, list }) => {
          return `R6 inquiry ${list === undefined ? 'without' : 'with'} list × ${record(id)}`
        })
      case 'operate':
        return [`R16 ${message.order.kind} × ${record(message.id)}`]
      default:
        return []
    }
  }

  /** A second decision of an id that goes into a log finds the record of the first one there (rule R1), or that one's leader is deposed. */
  #replicated(payload: Uint8Array): readonly string[] {
    const message = decodeMessage(payload)
    if (message.kind !== 'append') return []
    return message.entries.flatMap(({ kind, command: bytes, term, index }) => {
      const command = kind === 'command' ? decodeCommand(bytes) : undefined
      if (command?.kind !== 'decide') return []
      const { id, outcome } = command.decision
      const entry = `${term}/${index}`
      const before = this.#proposed.get(id)
      if (before?.entry === entry) return []
      this.#proposed.set(id, { entry, outcome })
      if (before === undefined) return ['R1 first decision']
      return [before.outcome === outcome ? 'R1 decided again' : 'R1 decided again, otherwise']
    })
  }

  #reach(names: readonly string[]): void {
    for (const name of names) this.reached.set(name, (this.reached.get(name) ?? 0) + 1)
  }
}

function stateOf(record: DecisionRecord | undefined): string {
  if (record === undefined) return 'no record'
  return record.settled ? `settled ${record.outcome}` : record.outcome
}
