import { type HazardKind, isOpen, type Outcome, type StatusReport, type TroubleKind } from '@verdict/protocol'
import { describeAge } from './age.ts'
import { table } from './table.ts'
import type { Paint } from './terminal.ts'

/** What `verdict hazards --json` prints. */
export interface HazardList {
  readonly group: string
  /** How many transactions have an open hazard; `hazards` has those of some of them. */
  readonly hazardous: number
  readonly hazards: readonly {
    readonly id: string
    readonly outcome: Outcome
    readonly decidedAt: string
    readonly ageMs: number
    readonly participant: string
    readonly kind: HazardKind
    readonly note: string
  }[]
  /** What is stuck, the longest first. */
  readonly troubles: readonly {
    readonly id: string
    /** Null when the leader itself is in trouble with it. */
    readonly participant: string | null
    readonly kind: TroubleKind
    readonly ageMs: number
    readonly note: string
  }[]
}

export function hazardList({ group, hazardous, withHazards, troubles }: StatusReport, nowMs: number): HazardList {
  return {
    group,
    hazardous,
    hazards: withHazards.flatMap(({ id, outcome, decidedAtMs, hazards }) =>
      hazards.filter(isOpen).map(({ participant, kind, note }) => ({
        id,
        outcome,
        decidedAt: new Date(decidedAtMs).toISOString(),
        ageMs: Math.max(0, nowMs - decidedAtMs), // clocks of two machines differ
        participant,
        kind,
        note,
      })),
    ),
    troubles: troubles.map(({ id, participant, kind, ageMs, note }) => ({
      id,
      participant: participant ?? null,
      kind,
      ageMs,
      note,
    })),
  }
}

export function describeHazards({ group, hazardous, hazards, troubles }: HazardList, paint: Paint): string {
  const title = `group ${group}: ${hazardous} with an open hazard, ${troubles.length} in trouble\n`
  const hazardRows = hazards.map(({ id, outcome, ageMs, participant, kind, note }) => [
    id,
    outcome,
    describeAge(ageMs),
    participant,
    { text: kind, style: 'red' } as const,
    note,
  ])
  const troubleRows = troubles.map(({ id, participant, kind, ageMs, note }) => [
    id,
    participant ?? '-',
    { text: kind, style: 'yellow' } as const,
    describeAge(ageMs),
    note,
  ])
  return [
    title,
    hazards.length === 0 ? '' : `\n${table(hazardColumns, hazardRows, paint)}`,
    troubles.length === 0 ? '' : `\n${table(troubleColumns, troubleRows, paint)}`,
  ].join('')
}

const hazardColumns = [
  { title: 'TRANSACTION' },
  { title: 'OUTCOME' },
  { title: 'AGE', align: 'right' },
  { title: 'PARTICIPANT' },
  { title: 'HAZARD' },
  { title: 'NOTE' },
] as const

const troubleColumns = [
  { title: 'TRANSACTION' },
  { title: 'PARTICIPANT' },
  { title: 'TROUBLE' },
  { title: 'FOR', align: 'right' },
  { title: 'NOTE' },
] as const
