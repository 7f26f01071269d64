import type { DecidedBranch, Found, HazardKind, Outcome, Reason } from '@verdict/protocol'
import { describeAge } from './age.ts'
import { table } from './table.ts'
import type { Paint, Style } from './terminal.ts'

/** What `verdict txn show --json` prints. */
export type ShownTransaction = RecordedTransaction | UnrecordedTransaction

export interface RecordedTransaction {
  readonly id: string
  readonly recorded: true
  readonly outcome: Outcome
  /** Whether every branch has acknowledged the outcome. */
  readonly settled: boolean
  /** By the clock of the leader that proposed it, in ISO 8601. */
  readonly decidedAt: string
  /** Why it was aborted. */
  readonly reason: Reason | null
  readonly branches: readonly {
    readonly participant: string
    readonly vote: DecidedBranch['vote']
    readonly instance: string | null
  }[]
  readonly hazards: readonly { readonly participant: string; readonly kind: HazardKind; readonly note: string }[]
  readonly digest: string
  readonly traceparent: string | null
}

export interface UnrecordedTransaction {
  readonly id: string
  readonly recorded: false
  readonly found: 'none' | 'expired'
}

export function showTransaction(found: Found): ShownTransaction {
  if (found.kind !== 'recorded') return { id: found.id, recorded: false, found: found.kind }
  const { id, outcome, settled, decidedAtMs, reason, branches, hazards, digest, trace } = found
  return {
    id,
    recorded: true,
    outcome,
    settled,
    decidedAt: new Date(decidedAtMs).toISOString(),
    reason: reason ?? null,
    // A branch's token is what its holder is known by: a tool has no use for it.
    branches: branches.map(({ participant, vote, instance }) => ({ participant, vote, instance: instance ?? null })),
    hazards: hazards.map(({ participant, kind, note }) => ({ participant, kind, note })),
    digest,
    traceparent: trace?.traceparent ?? null,
  }
}

const nothingRecorded = {
  none:
    'nothing is recorded. That does not mean aborted: it may be under way, or its commit was never asked for. ' +
    'Whoever began it may run it again under the same id.',
  expired:
    'nothing is recorded, and nothing of its epoch is kept any more. What became of it cannot be told here: ' +
    "see the participants' own data.",
} as const

/** Why there is nothing to show, for people. */
export function describeNothing({ id, found }: UnrecordedTransaction): string {
  return `${id}: ${nothingRecorded[found]}`
}

/** What is recorded of a transaction, for people. */
export function describeTransaction(shown: RecordedTransaction, nowMs: number, paint: Paint): string {
  const { id, outcome, settled, decidedAt, reason, branches, hazards, digest, traceparent } = shown
  const facts: readonly (readonly [name: string, value: string])[] = [
    ['transaction', id],
    ['outcome', paint(outcome === 'committed' ? 'green' : 'yellow', outcome)],
    ...(reason === null ? [] : [['reason', describeReason(reason)] as const]),
    ['settled', settled ? 'yes' : paint('yellow', 'no: a branch has not acknowledged yet')],
    ['decided', `${decidedAt} (${describeAge(nowMs - Date.parse(decidedAt))} ago)`],
    ['digest', digest],
    // The id alone is what tracing tools search for; --json has all of it.
    ...(traceparent === null ? [] : [['trace', traceparent.split('-')[1] ?? traceparent] as const]),
  ]
  const branchTable = table(
    [{ title: 'BRANCH' }, { title: 'VOTE' }, { title: 'INSTANCE' }],
    branches.map(({ participant, vote, instance }) => [
      participant,
      { text: vote, style: voteStyles[vote] },
      instance ?? '-',
    ]),
    paint,
  )
  const warnings = hazards.map(
    ({ participant, kind, note }) => `${paint('red', 'hazard')} at ${participant}: ${kind}. ${note}\n`,
  )
  const lines = facts.map(([name, value]) => `${name.padEnd(11)}  ${value}\n`)
  return [...lines, '\n', branchTable, ...(warnings.length === 0 ? [] : ['\n', ...warnings])].join('')
}

const voteStyles: Readonly<Record<DecidedBranch['vote'], Style>> = {
  prepared: 'green',
  'read-only': 'green',
  refused: 'red',
  unknown: 'yellow',
}

function describeReason({ code, message, participant, retryable }: Reason): string {
  const said = participant === undefined ? '' : `${participant}: `
  return `${said}${message} (${code}${retryable ? ', may succeed when tried again' : ''})`
}
