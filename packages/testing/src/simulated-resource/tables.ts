import type { LockMode } from '@verdict/lmdb/internal'
import type { Mode } from '@verdict/participant'
import {
  type Digest,
  type Epoch,
  type GroupId,
  groupOf,
  type Outcome,
  type ParticipantName,
  type Payload,
  parseId,
  type Token,
  type TraceContext,
  type TransactionId,
} from '@verdict/protocol'

/** What the simulated table holds under a key. */
export type SimulatedValue = string | number

/** Names one branch at the database, as the name of a prepared transaction does. */
export interface BranchName {
  readonly participant: ParticipantName
  readonly id: TransactionId
  readonly digest: Digest
  readonly token: Token
}

/** A row of the journal. A local transaction without a row is a user's own. */
export interface JournalRow {
  readonly participant: ParticipantName
  readonly id: TransactionId
  readonly digest: Digest
  readonly state: Outcome
  /** Of a committed row. */
  readonly token?: Token
  /** Who decided it; its group's log unless said. */
  readonly mode?: Mode
  readonly results?: readonly Payload[]
}

/** A prepared transaction as it lies in the log. */
export interface PreparedTransaction {
  readonly name: BranchName
  readonly row: JournalRow
  readonly writes: ReadonlyMap<string, SimulatedValue>
  readonly locks: readonly (readonly [key: string, mode: LockMode])[]
  /** Of the database that prepared it: its timeline. */
  readonly history: number
  readonly preparedAtMs: number
  readonly trace?: TraceContext
}

/** Effects that were made final, once for each time that this happened. */
export interface CommittedEffect {
  readonly name: BranchName
  readonly writes: ReadonlyMap<string, SimulatedValue>
}

/** What the log of the database is made of. */
export type LogRecord =
  | { readonly kind: 'commit'; readonly writes: ReadonlyMap<string, SimulatedValue>; readonly row?: JournalRow }
  | { readonly kind: 'prepare'; readonly prepared: PreparedTransaction }
  | { readonly kind: 'commit-prepared' | 'rollback-prepared'; readonly name: BranchName }
  | { readonly kind: 'floor'; readonly participant: ParticipantName; readonly group: GroupId; readonly epoch: Epoch }
  | { readonly kind: 'delete'; readonly rows: readonly JournalRow[] }

export function nameKey({ participant, id, digest, token }: BranchName): string {
  return `${participant}_${id}_${digest}_${token}`
}

export function rowKey(participant: ParticipantName, id: TransactionId): string {
  return `${participant}_${id}`
}

function floorKey(participant: ParticipantName, group: GroupId): string {
  return `${participant}_${group}`
}

/** What the log amounts to: the same records give the same tables. */
export class Tables {
  readonly values: Map<string, SimulatedValue> = new Map<string, SimulatedValue>()
  readonly rows: Map<string, JournalRow> = new Map<string, JournalRow>()
  readonly prepared: Map<string, PreparedTransaction> = new Map<string, PreparedTransaction>()
  readonly effects: CommittedEffect[] = []
  readonly #floors = new Map<string, { readonly group: GroupId; readonly epoch: Epoch }>()

  apply(record: LogRecord): void {
    switch (record.kind) {
      case 'commit':
        this.#write(record.writes, record.row)
        this.#commitAlone(record)
        break
      case 'prepare':
        this.prepared.set(nameKey(record.prepared.name), record.prepared)
        break
      case 'commit-prepared': {
        const prepared = this.#end(record.name)
        this.#write(prepared.writes, prepared.row)
        this.effects.push({ name: prepared.name, writes: prepared.writes })
        break
      }
      case 'rollback-prepared':
        this.#end(record.name)
        break
      case 'floor':
        this.#raise(record)
        break
      case 'delete':
        for (const { participant, id } of record.rows) this.rows.delete(rowKey(participant, id))
        break
    }
  }

  floor(participant: ParticipantName, group: GroupId): Epoch | undefined {
    return this.#floors.get(floorKey(participant, group))?.epoch
  }

  floors(participant: ParticipantName): ReadonlyMap<GroupId, Epoch> {
    const all = [...this.#floors].filter(([key, { group }]) => key === floorKey(participant, group))
    return new Map(all.map(([, { group, epoch }]) => [group, epoch]))
  }

  isExpired(participant: ParticipantName, id: TransactionId): boolean {
    const floor = this.floor(participant, groupOf(id))
    return floor !== undefined && parseId(id).epoch <= floor
  }

  /** Of two that were raised at the same time the higher one stays, whichever came last. */
  #raise({ participant, group, epoch }: Extract<LogRecord, { kind: 'floor' }>): void {
    if (epoch > (this.floor(participant, group) ?? 0)) this.#floors.set(floorKey(participant, group), { group, epoch })
  }

  /** A local transaction with a row of its own was a lone branch: its effects are final. */
  #commitAlone({ writes, row }: Extract<LogRecord, { kind: 'commit' }>): void {
    if (row?.token === undefined) return
    const { participant, id, digest, token } = row
    this.effects.push({ name: { participant, id, digest, token }, writes })
  }

  #write(writes: ReadonlyMap<string, SimulatedValue>, row: JournalRow | undefined): void {
    for (const [key, value] of writes) this.values.set(key, value)
    if (!row) return
    const key = rowKey(row.participant, row.id)
    if (this.rows.has(key)) throw new Error(`broken invariant: two journal rows of ${row.id}`)
    this.rows.set(key, row)
  }

  #end(name: BranchName): PreparedTransaction {
    const key = nameKey(name)
    const prepared = this.prepared.get(key)
    if (!prepared) throw new Error(`broken invariant: the log ends ${key}, which is not prepared`)
    this.prepared.delete(key)
    return prepared
  }
}
