import { groupOf, type Operated, type Order, type TransactionId } from '@verdict/protocol'
import type { Asker } from './asker.ts'
import { CommandError } from './exit.ts'
import { type RecordedTransaction, showTransaction } from './transaction.ts'

/** Gives an order, until the leader has answered what came of it. @throws CommandError */
export async function give(asker: Asker, id: TransactionId, order: Order, timeoutMs: number): Promise<Operated> {
  const group = groupOf(id)
  const answered = await asker.ask({
    subject: asker.subjects.operate(group, asker.owner),
    message: { type: 'operate', id, order },
    answer: 'operated',
    from: (by) => by.group === group,
    timeoutMs,
  })
  if (answered !== undefined) return answered.message
  throw new CommandError(
    'unknown',
    `No leader of ${group} answered within ${timeoutMs / 1000} s. It may have taken the order: give it again, the same order twice is one. ` +
      'If nobody answers again, see with `verdict status` who leads, and whether NATS lets this owner publish on the subject for operators.',
  )
}

/** What an abort came to. @throws CommandError when it is committed, or when there was nothing to abort */
export function aborted({ found }: Operated): RecordedTransaction {
  const shown = showTransaction(found)
  if (!shown.recorded) {
    throw new CommandError(
      'notFound',
      `${shown.id}: nothing is recorded, and the group knows of nobody who takes part in it, so that nothing was aborted. If a participant ` +
        'holds a branch of it, the group hears of that within seconds: try again then.',
    )
  }
  if (shown.outcome === 'aborted') return shown
  throw new CommandError(
    'unsafe',
    `${shown.id} is committed: an outcome that is recorded stands, and nothing was changed.`,
  )
}

/** What a resolution came to. @throws CommandError when there was nothing to resolve */
export function resolved({ done, found }: Operated, participant: string): void {
  if (done === 'recorded' || done === 'released') return
  const why = found.kind === 'recorded' ? `waits for nothing of ${participant}` : 'is not recorded'
  throw new CommandError(
    'notFound',
    `${found.id} ${why}, and ${participant} has not said lately that it holds a branch in quarantine. Nothing was changed.`,
  )
}
