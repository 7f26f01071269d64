import { defineParticipant, type OperationContext, operation, refuse } from '@verdict/participant'
import { systemClock } from '@verdict/runtime'
import {
  type CrashReport,
  type CrashTest,
  crashTest,
  memoryDatabase,
  memoryResource,
  type SimulatedDatabase,
  type SimulatedSession,
} from '@verdict/testing'
import { z } from 'zod'

export interface Debit {
  readonly account: string
  readonly cents: number
}

type Context = SimulatedSession & OperationContext

/** How one bank debits an account: right, or wrong in its own way. */
export type Debiting = (input: Debit, context: Context, database: SimulatedDatabase) => unknown

/** Debits as it should be done. */
export const rightly: Debiting = async ({ account, cents }, { table }) => {
  const left = await table.add(account, -cents)
  if (left < 0) throw refuse('insufficient-funds', `${account} has ${left + cents}.`)
  await table.put(`debit ${account}`, cents)
  return { left }
}

/** Writes on a connection of its own, at once and for good. */
export async function onAnotherConnection(database: SimulatedDatabase, key: string, change: number): Promise<void> {
  const connection = await database.connect('another', systemClock)
  await connection.request((backend) => backend.begin(1_000))
  await connection.request((backend) => backend.add(key, change, Number.NEGATIVE_INFINITY))
  await connection.request((backend) => backend.commit())
  connection.close()
}

/** Runs a bank through the crash kit. `makeDebiting` is called for each life of its process. */
export function tryBank(
  makeDebiting: () => Debiting,
  options: Partial<Pick<CrashTest<never>, 'accept' | 'budgetMs'>> = {},
): Promise<CrashReport> {
  let database = memoryDatabase()
  const define = () => {
    const [life, debit] = [database, makeDebiting()]
    return defineParticipant({
      name: 'bank',
      resource: memoryResource(life),
      operations: {
        debit: operation({
          input: z.object({ account: z.string(), cents: z.number() }),
          run: (input, context: Context) => debit(input, context, life),
        }),
      },
    })
  }
  return crashTest({
    define,
    call: { operation: 'debit', input: { account: 'anna', cents: 30 } },
    reset: () => {
      database = memoryDatabase({ anna: 100, others: 0 })
    },
    state: () => database.values(),
    ...options,
  })
}
