import type { Span } from '@opentelemetry/api'
import type { InputOf } from '@verdict/protocol'
import {
  decodePayload,
  maxBranches,
  maxOperationsBytes,
  maxOperationsPerBranch,
  type Operation,
  type OutputOf,
  operationsHash,
  type ParticipantContract,
  type ParticipantName,
  type Payload,
  ProtocolError,
  participantName,
  sealList,
} from '@verdict/protocol'
import { spanAttributes } from '@verdict/protocol/telemetry'
import { commitInCrowd, findBefore } from './commit.ts'
import { Tally } from './cost.ts'
import { ClientError, tooManyBranches } from './errors.ts'
import type { Group, Line } from './group.ts'
import { type Arguments, callsTo, plannedOperation } from './interactive.ts'
import type { Plan } from './options.ts'
import type { Receipt } from './receipt.ts'

/** One operation that is yet to run, with the type of its value. */
export interface PlannedCall<Output = unknown> {
  readonly participant: ParticipantName
  readonly operation: Operation
  /** Nothing of it exists at run time. */
  readonly '~value'?: Output
}

/** The operations of a participant, as functions that plan a call. */
export type PlannedCalls<P extends ParticipantContract> = {
  readonly [O in keyof P['operations']]: (
    ...input: Arguments<InputOf<P['operations'][O]>>
  ) => PlannedCall<OutputOf<P['operations'][O]>>
}

/** The values of planned calls, in their order. */
export type ValuesOf<C extends readonly PlannedCall[]> = {
  readonly [K in keyof C]: C[K] extends PlannedCall<infer Output> ? Output : never
}

/** A one-shot transaction that took effect. */
export interface Submitted<Values> {
  readonly outcome: 'committed'
  /** Whether an earlier run under the same id had committed it already. */
  readonly replayed: boolean
  /**
   * What the operations returned, in the order of the calls; undefined when that is not known any more: it was committed before,
   * or the process that ran an operation died after its vote.
   */
  readonly values: Values | undefined
  readonly receipt: Receipt
}

/** The operations of a participant, to be planned: `call<Payments>('payments').debit({ … })`. */
export function planCall<P extends ParticipantContract>(line: Line, participant: P['name']): PlannedCalls<P> {
  const name = participantName(participant)
  return callsTo<PlannedCalls<P>>((operation, input): PlannedCall => {
    try {
      return { participant: name, operation: plannedOperation(name, operation, input) }
    } catch (error) {
      line.telemetry.metering.refused(error)
      throw error
    }
  })
}

/**
 * Runs a one-shot transaction: all operations travel in the commit, and run when their participants are asked to prepare.
 * @throws TransactionAborted, InDoubt, CommittedWithHazards; ClientError and ProtocolError before anything is sent
 */
export function submitCalls<const C extends readonly PlannedCall[]>(
  line: Line,
  group: Group,
  calls: C,
  plan: Plan,
): Promise<Submitted<ValuesOf<C>>> {
  return line.telemetry.transaction(plan.id, 'one-shot', (span) => submitTraced(line, group, calls, plan, span))
}

async function submitTraced<const C extends readonly PlannedCall[]>(
  line: Line,
  group: Group,
  calls: C,
  plan: Plan,
  span: Span,
): Promise<Submitted<ValuesOf<C>>> {
  const { id, kept, begunAtMs, budgetMs, wait, signal, ordered, isolation } = plan
  const planned = planBranches(calls)
  span.setAttribute(spanAttributes.branches, planned.length)
  const endsAtMs = begunAtMs + budgetMs
  const tally = new Tally(() => line.world.clock.nowMs())
  const before = kept ? await findBefore(line, { id, deadlineMs: endsAtMs, signal, tally }) : undefined
  if (before !== undefined) return { outcome: 'committed', replayed: true, values: undefined, receipt: before.receipt }

  const list = sealList(
    planned.map(({ participant, operations }) => ({
      kind: 'oneShot',
      participant,
      operations: operationsHash(operations),
    })),
  )
  const operations = planned.map((branch) => branch.operations)
  const how = { wait, ordered, isolation, begunAtMs, endsAtMs, signal, tally }
  const leave = line.crowd.join(planned.map(({ participant }) => participant).join(', '))
  const committed = await commitInCrowd(line, group, { id, list, operations, ...how }, leave)
  const results = committed.replayed ? undefined : committed.results
  const values = results === undefined ? undefined : readValues(calls, planned, results)
  return { outcome: 'committed', replayed: committed.replayed, values, receipt: committed.receipt } as Submitted<
    ValuesOf<C>
  >
}

interface PlannedBranch {
  readonly participant: ParticipantName
  readonly operations: Operation[]
  /** For each operation its place among all calls. */
  readonly places: number[]
}

/** The branches of the calls, in the order of the list. */
function planBranches(calls: readonly PlannedCall[]): PlannedBranch[] {
  if (calls.length === 0) throw new ClientError('no-operations', 'Nothing was submitted: expected at least one call.')
  const branches = new Map<ParticipantName, PlannedBranch>()
  calls.forEach(({ participant, operation }, place) => {
    const branch = branches.get(participant) ?? { participant, operations: [], places: [] }
    if (branch.operations.length >= maxOperationsPerBranch) {
      throw new ClientError(
        'too-many-calls',
        `${participant} runs at most ${maxOperationsPerBranch} operations in one submit.`,
        'maxOperationsPerBranch',
      )
    }
    if (!branches.has(participant) && branches.size >= maxBranches) throw tooManyBranches(participant, maxBranches)
    branches.set(participant, branch)
    branch.operations.push(operation)
    branch.places.push(place)
  })
  const bytes = calls.reduce((sum, { operation }) => sum + operation.args.length, 0)
  if (bytes > maxOperationsBytes) {
    throw new ProtocolError(
      'payload-too-large',
      `The arguments of all operations take ${bytes} bytes, at most ${maxOperationsBytes} travel in one submit. Split the work, or call them inside a transaction.`,
      { limit: 'maxOperationsBytes' },
    )
  }
  return [...branches.values()].toSorted((a, b) => (a.participant < b.participant ? -1 : 1))
}

/** Values in the order of the calls. One that cannot be read makes none of the outcome: it is committed all the same. */
function readValues(
  calls: readonly PlannedCall[],
  branches: readonly PlannedBranch[],
  results: readonly (readonly Payload[])[],
): unknown[] | undefined {
  const values: unknown[] = new Array(calls.length).fill(undefined)
  try {
    branches.forEach(({ participant, operations, places }, position) => {
      places.forEach((place, nth) => {
        const payload = results[position]?.[nth]
        const name = operations[nth]?.name
        if (payload !== undefined) values[place] = decodePayload(payload, `The value of ${participant}.${name}`)
      })
    })
  } catch (error) {
    if (error instanceof ProtocolError) return undefined
    throw error
  }
  return values
}
