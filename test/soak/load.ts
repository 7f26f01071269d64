/** The load of the soak: a closed loop of transfers between its banks in a process of its own, controlled as that of the benchmark. */
import { createHistogram } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { connect, isTransactionAborted } from '@verdict/client'
import { accounts, type Bank } from '../bench/bank.ts'
import type { Measured, Round } from '../bench/generator-process.ts'

/** Of so many transfers one is refused by a bank, and so aborted; of so many one calls its banks one after the other. */
const [refusedOf, interactiveOf] = [20, 10]

const { NATS_URL = 'nats://127.0.0.1:4222' } = process.env
const client = await connect({ servers: NATS_URL, owner: 'soak' })
console.log(JSON.stringify({ msg: 'serving' }))
process.once('SIGTERM', () => {
  client.close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ msg: 'measured', ...(await measure(JSON.parse(line) as Round)) }))
}

async function measure({ inFlight, warmUpMs, measureMs }: Round): Promise<Measured> {
  const histogram = createHistogram()
  const counted = { committed: 0, refused: 0 }
  const endMs = performance.now() + warmUpMs + measureMs
  const worker = async (): Promise<void> => {
    for (let startedMs = performance.now(); startedMs < endMs; startedMs = performance.now()) {
      counted[(await transfer()) ? 'committed' : 'refused'] += 1
      histogram.record(Math.max(1, Math.round((performance.now() - startedMs) * 1_000)))
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  const [p50Ms, p99Ms] = [histogram.percentile(50) / 1_000, histogram.percentile(99) / 1_000]
  return { perSecond: counted.committed / (measureMs / 1_000), p50Ms, p99Ms, ...counted }
}

/** False when it was refused, as it was meant to be; anything else that goes wrong is told. */
async function transfer(): Promise<boolean> {
  const from = { account: oneOf(refusedOf) ? 0 : randomAccount(), cents: -1 }
  const to = { account: randomAccount(), cents: 1 }
  try {
    if (oneOf(interactiveOf)) {
      await client.transaction(async (tx) => {
        await tx.on<Bank>('bank-b').move(from)
        await tx.on<Bank>('bank-a').move(to)
      })
    } else {
      await client.submit([client.call<Bank>('bank-b').move(from), client.call<Bank>('bank-a').move(to)])
    }
    return true
  } catch (error) {
    const isMeant = isTransactionAborted(error) && error.reason.code === 'unknown-account'
    if (!isMeant) console.error(`soak: ${error instanceof Error ? error.message : String(error)}`)
    return false
  }
}

function oneOf(many: number): boolean {
  return Math.random() * many < 1
}

function randomAccount(): number {
  return 1 + Math.floor(Math.random() * accounts)
}
