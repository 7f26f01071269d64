import type { StatusReport } from '@verdict/protocol'
import { describeAge } from './age.ts'
import type { Asker } from './asker.ts'
import { askStatus, type KnownGroup } from './group.ts'
import { type Cell, type Column, table } from './table.ts'
import type { Paint } from './terminal.ts'

/** What `verdict status --json` prints. */
export interface GroupStatus {
  readonly group: string
  /** Who leads in the highest term that a replica reported; null when none of those that answered does. */
  readonly leader: string | null
  /** Every replica of the group, in the manifest's order. */
  readonly replicas: readonly ReplicaStatus[]
}

export type ReplicaStatus =
  | { readonly replica: string; readonly answered: false }
  | {
      readonly replica: string
      readonly answered: true
      readonly role: StatusReport['role']
      /** Whom this replica takes for the leader. */
      readonly leader: string | null
      readonly term: number
      readonly lastIndex: number
      readonly commitIndex: number
      readonly appliedIndex: number
      readonly epoch: number
      readonly horizon: number
      /** Transactions that are decided and not yet acknowledged by every branch, as far as this replica has applied the log. */
      readonly unsettled: number
      /** Transactions that votes are being collected for: none but a leader has any. */
      readonly underway: number
      /** Transactions with a hazard: an outcome that a resource could not honour. */
      readonly hazardous: number
      /** What the leader knows to be stuck, counted up to 50; `verdict hazards` lists it. */
      readonly troubles: number
      /** Age of the oldest unsettled transaction; null when there is none. */
      readonly oldestMs: number | null
      /** The group's format, as far as this replica has applied the log, and the newest that it reads. */
      readonly format: number
      readonly newestFormat: number
      readonly version: string
    }

type AnsweringStatus = Extract<ReplicaStatus, { answered: true }>

/** Asks every replica of the group at once. */
export async function groupStatus(
  asker: Asker,
  { group, replicas }: KnownGroup,
  timeoutMs: number,
  nowMs: () => number,
): Promise<GroupStatus> {
  const statuses = await Promise.all(
    replicas.map(async (replica) => replicaStatus(replica, await askStatus(asker, group, replica, timeoutMs), nowMs())),
  )
  return { group, leader: leaderOf(statuses), replicas: statuses }
}

function replicaStatus(replica: string, report: StatusReport | undefined, nowMs: number): ReplicaStatus {
  if (report === undefined) return { replica, answered: false }
  const { role, leader, term, lastIndex, commitIndex, appliedIndex, epoch, horizon } = report
  const { unsettled, underway, hazardous, troubles, inDoubt, format = 1, newestFormat = 1, version } = report
  const decidedAtMs = inDoubt.map((each) => each.decidedAtMs)
  const oldestMs = inDoubt.length === 0 ? null : Math.max(0, nowMs - Math.min(...decidedAtMs)) // clocks of two machines differ
  const place = { term, lastIndex, commitIndex, appliedIndex, epoch, horizon }
  const stuck = { troubles: troubles.length, oldestMs }
  const work = { unsettled, underway, hazardous, ...stuck, format, newestFormat, version }
  return { replica, answered: true, role, leader: leader ?? null, ...place, ...work }
}

/** A leader that was cut off does not know yet that it was replaced: the highest term says who leads. */
function leaderOf(statuses: readonly ReplicaStatus[]): string | null {
  const leaders = statuses.filter((status): status is AnsweringStatus => status.answered && status.role === 'leader')
  return leaders.toSorted((a, b) => b.term - a.term)[0]?.replica ?? null
}

const columns: readonly Column[] = [
  { title: 'REPLICA' },
  { title: 'ROLE' },
  { title: 'TERM', align: 'right' },
  { title: 'LEADER' },
  { title: 'LAST', align: 'right' },
  { title: 'COMMIT', align: 'right' },
  { title: 'APPLIED', align: 'right' },
  { title: 'EPOCH', align: 'right' },
  { title: 'UNSETTLED', align: 'right' },
  { title: 'UNDER WAY', align: 'right' },
  { title: 'OLDEST', align: 'right' },
  { title: 'HAZARDS', align: 'right' },
  { title: 'TROUBLES', align: 'right' },
  { title: 'FORMAT' },
  { title: 'VERSION' },
]

/** The status for people: who leads, and one line for each replica. */
export function describeStatus({ group, leader, replicas }: GroupStatus, paint: Paint): string {
  const led = leader === null ? paint('red', 'no replica leads') : `led by ${leader}`
  const rows = replicas.map((status) => (status.answered ? answeredRow(status) : silentRow(status.replica)))
  return `group ${group}, ${led}\n\n${table(columns, rows, paint)}`
}

function answeredRow(status: AnsweringStatus): Cell[] {
  const { replica, role, term, leader, lastIndex, commitIndex, appliedIndex, epoch } = status
  const { unsettled, underway, hazardous, troubles, oldestMs, format, newestFormat, version } = status
  return [
    replica,
    role === 'leader' ? { text: role, style: 'green' } : role,
    String(term),
    leader ?? 'none',
    ...[lastIndex, commitIndex, appliedIndex, epoch, unsettled, underway].map(String),
    oldestMs === null ? '-' : describeAge(oldestMs),
    alarming(hazardous),
    alarming(troubles),
    newestFormat > format ? `${format} of ${newestFormat}` : String(format),
    version,
  ]
}

function alarming(count: number): Cell {
  return count > 0 ? { text: String(count), style: 'red' } : '0'
}

function silentRow(replica: string): Cell[] {
  return [replica, { text: 'no answer', style: 'red' }, ...columns.slice(2).map(() => '-')]
}
