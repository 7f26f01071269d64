/** Reads the total of all banks again and again, in transactions that lock everything they read. */
import { setTimeout as pause } from 'node:timers/promises'
import { connect, isInDoubt, isTransactionAborted, type Transaction } from '@verdict/client'
import { z } from 'zod'
import { type Bank, bankNames } from './bank.ts'
import { type Audited, Ledger } from './ledger.ts'

const { name, natsUrls, ledgerFile } = z
  .object({ name: z.string(), natsUrls: z.array(z.string()), ledgerFile: z.string() })
  .parse(JSON.parse(process.env['SETTINGS'] ?? '{}'))

const budgetMs = 20_000 // it waits for every lock that anybody has
const pauseMs = 300 // while it locks everything, nobody else gets on

const ledger = new Ledger(ledgerFile)
const verdict = await connect({ servers: natsUrls, owner: name })
let stopping = false
process.once('SIGTERM', () => {
  stopping = true
})
console.log('serving')
while (!stopping) {
  await ledger.write(await audit())
  await pause(pauseMs)
}
await verdict.close()
process.exit(0)

async function audit(): Promise<Audited> {
  try {
    const work = async (tx: Transaction): Promise<number> => {
      let cents = 0
      // The order in which transfers lock too, so that the two seldom wait for each other.
      for (const bank of bankNames) cents += (await tx.on<Bank>(bank).total()).cents
      return cents
    }
    const { value } = await verdict.transaction(work, { budgetMs })
    return { kind: 'audited', what: 'committed', cents: value, atMs: Date.now() }
  } catch (error) {
    if (isTransactionAborted(error)) {
      return { kind: 'audited', what: 'aborted', code: error.reason.code, atMs: Date.now() }
    }
    if (isInDoubt(error)) return { kind: 'audited', what: 'doubt', code: error.code, atMs: Date.now() }
    throw error
  }
}
