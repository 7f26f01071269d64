/** The load: a closed loop of transfers in a process of its own, controlled by lines of JSON on its input. */

import { createHistogram } from 'node:perf_hooks'
import { createInterface } from 'node:readline'
import { connect } from '@verdict/client'
import { createLog, startTelemetry } from '@verdict/telemetry'
import { accounts, type Bank } from './bank.ts'
import { FloorClient } from './floor.ts'
import type { Measured, Round } from './generator-process.ts'

type Transfer = (from: number, to: number, cents: number) => Promise<boolean>

const { NATS_URL = 'nats://127.0.0.1:4222', SYSTEM } = process.env
const { transfer, close } = SYSTEM === 'floor' ? await floor() : await verdict()
console.log(JSON.stringify({ msg: 'serving' }))
process.once('SIGTERM', () => {
  close().then(
    () => process.exit(0),
    () => process.exit(1),
  )
})
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ msg: 'measured', ...(await measure(JSON.parse(line) as Round)) }))
}

async function floor(): Promise<{ transfer: Transfer; close: () => Promise<void> }> {
  const client = await FloorClient.connect(NATS_URL)
  return { transfer: (from, to, cents) => client.transfer(from, to, cents), close: () => client.close() }
}

async function verdict(): Promise<{ transfer: Transfer; close: () => Promise<void> }> {
  const log = createLog({ name: 'bench', level: 'warn' })
  const telemetry = await startTelemetry({ service: 'bench', version: 'bench', log })
  const client = await connect({ servers: NATS_URL, owner: 'bench' })
  const move = (bank: 'bank-a' | 'bank-b', account: number, cents: number) =>
    client.call<Bank>(bank).move({ account, cents })
  return {
    transfer: async (from, to, cents) => {
      try {
        await client.submit([move('bank-a', from, -cents), move('bank-b', to, cents)])
        return true
      } catch (error) {
        console.error(`bench: ${error instanceof Error ? error.message : String(error)}`)
        return false
      }
    },
    close: async () => {
      await client.close()
      await telemetry.stop()
    },
  }
}

async function measure({ inFlight, warmUpMs, measureMs }: Round): Promise<Measured> {
  const histogram = createHistogram()
  const beginMs = performance.now() + warmUpMs
  const endMs = beginMs + measureMs
  const counted = { committed: 0, refused: 0 }
  const worker = async (): Promise<void> => {
    for (let startedMs = performance.now(); startedMs < endMs; startedMs = performance.now()) {
      const committed = await transfer(randomAccount(), randomAccount(), 1)
      const nowMs = performance.now()
      if (nowMs < beginMs || nowMs > endMs) continue
      if (committed) histogram.record(Math.max(1, Math.round((nowMs - startedMs) * 1_000)))
      counted[committed ? 'committed' : 'refused'] += 1
    }
  }
  await Promise.all(Array.from({ length: inFlight }, worker))
  return {
    perSecond: counted.committed / (measureMs / 1_000),
    p50Ms: histogram.percentile(50) / 1_000,
    p99Ms: histogram.percentile(99) / 1_000,
    ...counted,
  }
}

function randomAccount(): number {
  return 1 + Math.floor(Math.random() * accounts)
}
