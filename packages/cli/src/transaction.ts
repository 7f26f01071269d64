import type { Actor, DecidedBranch, Found, HazardKind, Outcome, Reason, Resolution } from '@verdict/protocol'
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
  /** Who caused the decision: its owner, a participant that held a branch, or an operator. */
  readonly actor: { readonly kind: Actor['kind']; readonly name: string | null; readonly as: string | null }
  /** Why it was aborted. */
  readonly reason: Reason | null
  readonly branches: readonly {
    readonly participant: string
    readonly vote: DecidedBranch['vote']
    readonly instance: string | null
  }[]
  readonly hazards: readonly {
    readonly participant: string
    readonly kind: HazardKind
    readonly note: string
    /** How an operator has dealt with it; null while it is open. */
    readonly resolved: ShownResolution | null
  }[]
  readonly digest: string
  readonly traceparent: string | null
}

export interface ShownResolution {
  readonly by: string
  readonly as: string
  readonly because: string
  readonly at: string
}

export interface UnrecordedTransaction {
  readonly id: string
  readonly recorded: false
  readonly found: 'none' | 'expired'
}

export function showTransaction(found: Found): ShownTransaction {
  if (found.kind !== 'recorded') return { id: found.id, recorded: false, found: found.kind }
  const { id, outcome, settled, decidedAtMs, reason, actor, branches, hazards, digest, trace } = found
  return {
    id,
    recorded: true,
    outcome,
    settled,
    decidedAt: new Date(decidedAtMs).toISOString(),
    actor: showActor(actor),
    reason: reason ?? null,
    // A branch's token is what its holder is known by: a tool has no use for it.
    branches: branches.map(({ participant, vote, instance }) => ({ participant, vote, instance: instance ?? null })),
    hazards: hazards.map(({ participant, kind, note, resolved }) => ({
      participant,
      kind,
      note,
      resolved: resolved === undefined ? null : showResolution(resolved),
    })),
    digest,
    traceparent: trace?.traceparent ?? null,
  }
}

function showActor(actor: Actor): RecordedTransaction['actor'] {
  switch (actor.kind) {
    case 'owner':
      return { kind: 'owner', name: null, as: null }
    case 'holder':
      return { kind: 'holder', name: actor.participant, as: null }
    case 'operator':
      return { kind: 'operator', name: actor.by, as: actor.as }
  }
}

function showResolution({ by, as, because, atMs }: Resolution): ShownResolution {
  return { by, as, because, at: new Date(atMs).toISOString() }
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
  const { id, outcome, settled, decidedAt, actor, reason, branches, hazards, digest, traceparent } = shown
  const facts: readonly (readonly [name: string, value: string])[] = [
    ['transaction', id],
    ['outcome', paint(outcome === 'committed' ? 'green' : 'yellow', outcome)],
    ...(reason === null ? [] : [['reason', describeReason(reason)] as const]),
    ...(actor.kind === 'owner' ? [] : [['by', describeActor(actor)] as const]),
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
  const warnings = hazards.map(({ participant, kind, note, resolved }) =>
    resolved === null
      ? `${paint('red', 'hazard')} at ${participant}: ${kind}. ${note}\n`
      : `${paint('yellow', 'resolved')} at ${participant}: ${kind}. ${note}\n  by ${resolved.by} (as ${resolved.as}) at ${resolved.at}: ${resolved.because}\n`,
  )
  const lines = facts.map(([name, value]) => `${name.padEnd(11)}  ${value}\n`)
  return [...lines, '\n', branchTable, ...(warnings.length === 0 ? [] : ['\n', ...warnings])].join('')
}

function describeActor({ kind, name, as }: RecordedTransaction['actor']): string {
  if (kind === 'holder') return `${name}, which held a prepared branch`
  return `${name}, an operator (as ${as})`
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
