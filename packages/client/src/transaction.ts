import type { Span } from '@opentelemetry/api'
import { sealList, type TransactionId } from '@verdict/protocol'
import { spanAttributes } from '@verdict/protocol/telemetry'
import { calledBranches } from './branches.ts'
import { commitInCrowd, findBefore, type Replayed as ReplayedCommit } from './commit.ts'
import { Tally } from './cost.ts'
import { InDoubt, isTransactionAborted } from './errors.ts'
import type { Group, Line } from './group.ts'
import { Interactive, type Transaction } from './interactive.ts'
import { graceMs, type Plan } from './options.ts'
import type { Receipt } from './receipt.ts'

/** How often a run that met another one looks whether that has come to an end, and the pause before each time. */
const busyLooks = 5
const busyPauseMs = 200

/** A transaction that took effect in this run. */
export interface Executed<T> {
  readonly outcome: 'committed'
  readonly replayed: false
  /** What the function returned. */
  readonly value: T
  readonly receipt: Receipt
}

/** A transaction that an earlier run under the same id had committed; the function did not run, or had no effect. */
export interface Replayed {
  readonly outcome: 'committed'
  readonly replayed: true
  /** The value of an interactive transaction is not kept. */
  readonly value?: undefined
  readonly receipt: Receipt
}

/**
 * Runs an interactive transaction: calls, seals its list, asks for the commit (rules R3 to R5, R17).
 * @throws TransactionAborted, InDoubt, CommittedWithHazards
 */
export function runTransaction<T>(
  line: Line,
  group: Group,
  work: (tx: Transaction) => Promise<T> | T,
  plan: Plan,
): Promise<Executed<T> | Replayed> {
  return line.telemetry.transaction(plan.id, 'interactive', (span) => runTraced(line, group, work, plan, span))
}

async function runTraced<T>(
  line: Line,
  group: Group,
  work: (tx: Transaction) => Promise<T> | T,
  plan: Plan,
  span: Span,
): Promise<Executed<T> | Replayed> {
  const { id, kept, begunAtMs, budgetMs, wait, signal } = plan
  const endsAtMs = begunAtMs + budgetMs
  const tally = new Tally(() => line.world.clock.nowMs())
  const before = kept ? await findBefore(line, { id, deadlineMs: endsAtMs, signal, tally }) : undefined
  if (before !== undefined) return replayed(before)

  const interactive = new Interactive(line, { id, begunAtMs, endsAtMs, signal, tally })
  let value: T
  try {
    value = await interactive.run(work)
  } catch (error) {
    if (!kept || !isTransactionAborted(error)) throw error
    return replayed(await lookAfterFailure(line, interactive, plan, error))
  } finally {
    span.setAttribute(spanAttributes.branches, interactive.branches.byParticipant.size)
  }
  try {
    const branches = calledBranches(interactive.branches)
    tally.step('calls')
    if (branches.length === 0) {
      return { outcome: 'committed', replayed: false, value, receipt: nothingWritten(id, tally) }
    }
    const leave = joinCrowd(line, interactive)
    const sealed = { id, list: sealList(branches), wait, begunAtMs, endsAtMs, signal, tally }
    const committed = await commitInCrowd(line, group, sealed, leave)
    if (committed.replayed) return replayed(committed)
    return { outcome: 'committed', replayed: false, value, receipt: committed.receipt }
  } finally {
    interactive.forget()
  }
}

/**
 * A run under an id of the caller's that failed was perhaps not the first one: what another run has come to is the answer. A
 * failure that another run caused (`busy`) is no outcome of the id at all.
 */
async function lookAfterFailure(
  line: Line,
  { busy }: Interactive,
  plan: Plan,
  failure: Error,
): Promise<ReplayedCommit> {
  const { id, signal } = plan
  const { clock } = line.world
  if (signal?.aborted) throw failure
  for (let looks = 1; ; looks += 1) {
    const found = await findBefore(line, { id, deadlineMs: clock.nowMs() + graceMs, signal })
    if (found !== undefined) return found
    if (!busy) throw failure
    if (looks === busyLooks) throw new InDoubt(id, 'another run of it is under way', { kept: true, cause: failure })
    await new Promise<void>((resolve) => clock.after(busyPauseMs * looks, resolve))
  }
}

/** Its commit waits for all that it has called. @throws TransactionAborted, with its branches released, when too many do */
function joinCrowd(line: Line, interactive: Interactive): (isAnswered: boolean) => void {
  try {
    return line.crowd.join([...interactive.branches.byParticipant.keys()].toSorted().join(', '))
  } catch (error) {
    throw interactive.giveUp(error)
  }
}

function replayed({ receipt }: ReplayedCommit): Replayed {
  return { outcome: 'committed', replayed: true, receipt }
}

function nothingWritten(id: TransactionId, tally: Tally): Receipt {
  const cost = tally.cost({ hops: 0, flushes: 0, logEntries: 0, messages: 0, steps: [] })
  return { id, path: 'read-only', participants: [], digest: undefined, applied: true, cost }
}
