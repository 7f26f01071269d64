import { isOpen, type Outcome, type StatusReport } from '@verdict/protocol'
import { describeAge } from './age.ts'
import { table } from './table.ts'
import type { Paint } from './terminal.ts'

/** What `verdict txn list --in-doubt --json` prints. */
export interface InDoubtList {
  readonly group: string
  /** How many there are; `transactions` has the oldest of them. */
  readonly unsettled: number
  readonly transactions: readonly InDoubtTransaction[]
}

export interface InDoubtTransaction {
  readonly id: string
  readonly outcome: Outcome
  /** By the clock of the leader that proposed it, in ISO 8601. */
  readonly decidedAt: string
  readonly ageMs: number
  /** Participants that are told the outcome: it is settled once each has acknowledged. Some may have done so already. */
  readonly waitingFor: readonly string[]
  /** Those that nobody has dealt with. */
  readonly hazards: number
}

/** The unsettled transactions of a leader's report, oldest first. */
export function inDoubtList({ group, unsettled, inDoubt }: StatusReport, nowMs: number): InDoubtList {
  const oldestFirst = inDoubt.toSorted((a, b) => a.decidedAtMs - b.decidedAtMs)
  return {
    group,
    unsettled,
    transactions: oldestFirst.map(({ id, outcome, decidedAtMs, waitingFor, hazards }) => ({
      id,
      outcome,
      decidedAt: new Date(decidedAtMs).toISOString(),
      ageMs: Math.max(0, nowMs - decidedAtMs), // clocks of two machines differ
      waitingFor: [...waitingFor],
      hazards: hazards.filter(isOpen).length,
    })),
  }
}

export function describeInDoubt({ group, unsettled, transactions }: InDoubtList, paint: Paint): string {
  if (transactions.length === 0) return `group ${group}: no transaction is in doubt\n`
  const shown = transactions.length < unsettled ? `, the ${transactions.length} oldest of them` : ''
  const rows = transactions.map(({ id, outcome, ageMs, waitingFor, hazards }) => [
    id,
    outcome,
    describeAge(ageMs),
    waitingFor.join(', ') || '-',
    hazards > 0 ? ({ text: String(hazards), style: 'red' } as const) : '0',
  ])
  const columns = [
    { title: 'TRANSACTION' },
    { title: 'OUTCOME' },
    { title: 'AGE', align: 'right' },
    { title: 'WAITING FOR' },
    { title: 'HAZARDS', align: 'right' },
  ] as const
  return `group ${group}: ${unsettled} unsettled${shown}\n\n${table(columns, rows, paint)}`
}
